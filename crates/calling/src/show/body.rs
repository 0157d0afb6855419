//! The body: into a file, through a pipe, or onto a terminal.

use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncWriteExt;

use super::json::{self, Layout};
use super::plain::Pieces;
use super::{Showing, Streams, plain, write};
use crate::error::CallError;
use crate::send::Answer;

/// Bytes of a JSON body that are collected to be indented; a longer one is shown as it comes.
pub const FORMATTED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes kept of a failed answer's body. A problem document is hundreds of bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The beginning of a failed answer's body.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    wanted: bool,
    bytes: Vec<u8>,
}

/// What a body is to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Text,
    Binary,
    /// No type was given: its beginning decides.
    Unsaid,
}

// === impl Kept ===

impl Kept {
    pub(super) fn of(answer: &Answer) -> Kept {
        Kept { wanted: answer.status.as_u16() >= 400, bytes: Vec::new() }
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        let room = KEPT_BYTES_MAX.saturating_sub(self.bytes.len());
        if self.wanted {
            self.bytes.extend(piece.iter().take(room));
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Moves the whole body to where it belongs.
pub(super) async fn show(answer: &mut Answer, showing: &Showing, streams: &mut Streams<'_>) -> Result<Kept, CallError> {
    let mut kept = Kept::of(answer);
    if answer.request.method == Method::HEAD {
        // There is none; asking once marks the end and the total time.
        answer.piece().await?;
    } else if showing.fail && answer.status.as_u16() >= 400 {
        while let Some(piece) = answer.piece().await? {
            kept.add(&piece);
        }
    } else if let Some(path) = &showing.output {
        save(answer, path, showing, streams, &mut kept).await?;
    } else if showing.formatted {
        onto_terminal(answer, showing, streams, &mut kept).await?;
    } else {
        while let Some(piece) = answer.piece().await? {
            kept.add(&piece);
            write(streams.out, &piece)?;
        }
    }
    Ok(kept)
}

/// Into a file, as it comes.
async fn save(
    answer: &mut Answer,
    path: &Path,
    showing: &Showing,
    streams: &mut Streams<'_>,
    kept: &mut Kept,
) -> Result<(), CallError> {
    let saved = into_file(answer, path, kept).await?;
    if !showing.silent {
        let line = format!("{saved} bytes of {} saved to {}\n", content_type(answer), path.display());
        write(streams.notes, showing.notes_paint().faint(&line).as_bytes())?;
    }
    Ok(())
}

/// The number of bytes that were written to the file.
pub(super) async fn into_file(answer: &mut Answer, path: &Path, kept: &mut Kept) -> Result<u64, CallError> {
    let failed = |source| CallError::Output { path: path.to_owned(), source };
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut saved = 0;
    while let Some(piece) = answer.piece().await? {
        kept.add(&piece);
        file.write_all(&piece).await.map_err(failed)?;
        saved += piece.len() as u64;
    }
    file.flush().await.map_err(failed)?;
    Ok(saved)
}

async fn onto_terminal(
    answer: &mut Answer,
    showing: &Showing,
    streams: &mut Streams<'_>,
    kept: &mut Kept,
) -> Result<(), CallError> {
    let Some(first) = answer.piece().await? else { return Ok(()) };
    kept.add(&first);
    let kind = match kind(answer.field("content-type")) {
        Kind::Unsaid if looks_like_text(&first) => Kind::Text,
        Kind::Unsaid => Kind::Binary,
        // UTF-16 and lies about the type.
        Kind::Text | Kind::Json if first.contains(&0) => Kind::Binary,
        said => said,
    };
    match kind {
        Kind::Binary | Kind::Unsaid => {
            let size = answer.field("content-length").map(|length| format!("{length} bytes of ")).unwrap_or_default();
            let what = format!("({size}{}, not shown; -o FILE saves it)\n", content_type(answer));
            write(streams.out, showing.out_paint().faint(&what).as_bytes())
        }
        Kind::Json => {
            let (bytes, whole) = collect(answer, first, kept).await?;
            let text = if whole { std::str::from_utf8(&bytes).ok() } else { None };
            match text.and_then(|text| json::laid_out(text, Layout::Indented, showing.out_paint())) {
                Some(shown) => write(streams.out, format!("{shown}\n").as_bytes()),
                None => as_it_comes(answer, bytes.into(), streams.out, kept).await,
            }
        }
        Kind::Text => as_it_comes(answer, first, streams.out, kept).await,
    }
}

/// The body up to the bound, and whether that is all of it.
async fn collect(answer: &mut Answer, first: Bytes, kept: &mut Kept) -> Result<(Vec<u8>, bool), CallError> {
    let mut bytes = Vec::from(first);
    while bytes.len() <= FORMATTED_BYTES_MAX {
        let Some(piece) = answer.piece().await? else { return Ok((bytes, true)) };
        kept.add(&piece);
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, false))
}

/// Text, piece by piece, with a line feed at its end.
async fn as_it_comes(answer: &mut Answer, first: Bytes, out: &mut dyn Write, kept: &mut Kept) -> Result<(), CallError> {
    let mut pieces = Pieces::default();
    let mut ends_a_line = false;
    let mut next = Some(first);
    while let Some(piece) = next {
        let text = pieces.push(&piece);
        ends_a_line = text.ends_with('\n') || (text.is_empty() && ends_a_line);
        write(out, text.as_bytes())?;
        next = answer.piece().await?;
        if let Some(piece) = &next {
            kept.add(piece);
        }
    }
    write(out, pieces.end().as_bytes())?;
    write(out, if ends_a_line { b"" } else { b"\n" })
}

fn kind(content_type: Option<&str>) -> Kind {
    let Some(essence) = content_type.and_then(|stated| stated.split(';').next()) else { return Kind::Unsaid };
    let essence = essence.trim().to_ascii_lowercase();
    let text = ["xml", "javascript", "yaml", "ndjson", "x-www-form-urlencoded", "graphql", "json-seq", "jsonl"];
    match essence.split_once('/') {
        _ if is_json(&essence) => Kind::Json,
        Some(("text", _)) => Kind::Text,
        Some((_, subtype)) if text.iter().any(|kind| subtype.ends_with(kind)) => Kind::Text,
        _ => Kind::Binary,
    }
}

/// `application/json`, `application/problem+json`.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// Text has no control characters but those that lay it out.
fn looks_like_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(cause) if cause.error_len().is_none() => {
            bytes.get(..cause.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or("")
        }
        Err(_) => return false,
    };
    !text.chars().any(|letter| letter.is_control() && !"\t\r\n\x1b".contains(letter))
}

fn content_type(answer: &Answer) -> String {
    answer.field("content-type").map_or_else(|| "an unsaid type".to_owned(), plain::line)
}
