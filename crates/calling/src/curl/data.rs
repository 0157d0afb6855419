//! The values of `-d` and its relatives.

use crate::intake;
use crate::percent;
use crate::problem::Problem;

/// Which option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `-d`: `@FILE` loses its line breaks.
    Text,
    /// `--data-raw`: an `@` is only an `@`.
    Raw,
    /// `--data-binary`: `@FILE` as it is.
    Binary,
    /// `--data-urlencode`: `TEXT`, `=TEXT`, `NAME=TEXT`, `@FILE`, `NAME@FILE`.
    Encoded,
    /// `--json`: as `--data-binary`, and says what it is.
    Json,
}

/// The bytes that an option's value stands for.
pub(super) fn read(kind: Kind, value: &str) -> Result<Vec<u8>, Problem> {
    match (kind, value.strip_prefix('@')) {
        (Kind::Encoded, _) => encoded(value),
        (Kind::Raw, _) | (_, None) => Ok(value.as_bytes().to_vec()),
        (Kind::Text, Some(path)) => {
            let mut bytes = intake::bytes(path)?;
            bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
            Ok(bytes)
        }
        (Kind::Binary | Kind::Json, Some(path)) => intake::bytes(path),
    }
}

fn encoded(value: &str) -> Result<Vec<u8>, Problem> {
    let at = value.find(['=', '@']).unwrap_or(value.len());
    let (name, rest) = value.split_at(at);
    let (name, text) = match (rest.get(..1), rest.get(1..)) {
        (Some("="), Some(text)) => (name, text.to_owned()),
        (Some(_), Some(path)) => (name, intake::text(path)?),
        _ => ("", value.to_owned()),
    };
    let text = percent::component(&text);
    Ok(if name.is_empty() { text } else { format!("{name}={text}") }.into_bytes())
}
