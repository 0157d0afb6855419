//! Reading the files that a command line names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::problem::Problem;
use crate::request::Payload;

/// Bytes of standard input, or of a file whose text goes into a body, that are held in memory. A whole file as the body
/// is streamed and has no such bound.
pub(crate) const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a file or standard input (`-`) contains.
pub(crate) fn bytes(path: &str) -> Result<Vec<u8>, Problem> {
    if path == "-" {
        return held(io::stdin().lock(), "standard input");
    }
    let file = File::open(path).map_err(|cause| unreadable(path, &cause))?;
    held(file, path)
}

/// The same as text.
pub(crate) fn text(path: &str) -> Result<String, Problem> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| Problem::new(format!("{path} is not UTF-8 text"), "send it as the body, with @file"))
}

/// A file as a body: streamed, but for standard input and what else has no size.
pub(crate) fn payload(path: &str) -> Result<Payload, Problem> {
    if path == "-" {
        return Ok(Payload::Whole(bytes(path)?.into()));
    }
    let facts = std::fs::metadata(path).map_err(|cause| unreadable(path, &cause))?;
    if facts.is_file() {
        // Opened once now, so that a file that may not be read is said before anything is sent.
        File::open(path).map_err(|cause| unreadable(path, &cause))?;
        return Ok(Payload::File { path: Path::new(path).to_owned(), length: facts.len() });
    }
    if facts.is_dir() {
        return Err(Problem::new(format!("{path} is a folder"), "name a file"));
    }
    Ok(Payload::Whole(bytes(path)?.into()))
}

/// The content type that a file's name suggests.
pub(crate) fn content_type(path: &str) -> &'static str {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "xml" => "application/xml",
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "yaml" | "yml" => "application/yaml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

fn held(mut source: impl Read, name: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    source.by_ref().take(HELD_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|cause| unreadable(name, &cause))?;
    if bytes.len() as u64 > HELD_BYTES_MAX {
        let what = format!("{name} is longer than {} MiB", HELD_BYTES_MAX >> 20);
        return Err(Problem::new(what, "send a file of that size as the whole body, with @file"));
    }
    Ok(bytes)
}

fn unreadable(name: &str, cause: &io::Error) -> Problem {
    let fix = match cause.kind() {
        io::ErrorKind::NotFound => "check the path, it is relative to the current folder",
        io::ErrorKind::PermissionDenied => "check who may read it",
        _ => "check the file",
    };
    Problem::new(format!("reading {name}: {cause}"), fix)
}
