//! From a file, or a text, to a [`Config`].

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::tree::Span;
use crate::walk::{Walk, plain};
use crate::{contents, read, yaml};

/// A configuration that may be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings only; with the text, so that they can be printed. `files_read` says what to watch.
    pub report: Report,
}

/// Reads a file, with the process's environment.
///
/// # Errors
/// Every mistake in it, or that it can't be read.
pub fn load(path: &Path) -> Result<Loaded, Box<Report>> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut report = Report { file: path.to_owned(), files_read: vec![full.clone()], ..Report::default() };
    match text_of(&full) {
        Ok(text) => {
            let folder = full.parent().unwrap_or(Path::new("/")).to_owned();
            report.source = text;
            read_report(report, &folder, &|name| std::env::var(name).ok())
        }
        Err(error) => {
            let message = format!("{} is not readable: {}", path.display(), plain(&error));
            let help = "name another file with `-c FILE`, or write one with `callgate init`";
            report.diagnostics.push(Diagnostic::error(Span::default(), message).help(help));
            Err(Box::new(report))
        }
    }
}

/// Reads a text as if it were a file in this folder.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str, folder: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Box<Report>> {
    let report = Report { file: PathBuf::from("callgate.yaml"), source: text.to_owned(), ..Report::default() };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    read_report(report, &folder, environment)
}

/// A file's text, up to the bound, without the byte order mark that some editors put before it.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    let limit = u64::try_from(yaml::FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    let text = String::from_utf8(contents::of(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("byte {at} is not UTF-8; save it as UTF-8"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn read_report(
    mut report: Report,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Box<Report>> {
    let root = match yaml::parse(&report.source) {
        Ok(root) => root,
        Err(faults) => {
            report.diagnostics = faults;
            return Err(Box::new(report));
        }
    };
    let mut walk = Walk::new(folder, environment);
    let config = read::config(&mut walk, &root);
    report.files_read.append(&mut walk.files_read);
    report.diagnostics = walk.diagnostics;
    report.diagnostics.sort_by_key(|diagnostic| (diagnostic.start, diagnostic.severity));
    match config {
        Some(mut config) if !report.has_errors() => {
            config.watched = report.files_read.clone();
            Ok(Loaded { config, report })
        }
        _ => {
            debug_assert!(
                report.diagnostics.iter().any(|one| one.severity == Severity::Error),
                "refused without a reason"
            );
            Err(Box::new(report))
        }
    }
}
