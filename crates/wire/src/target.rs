//! The request target (RFC 9112 section 3.2), cut into its parts.

use std::ops::Range;

use callgate_model::bounds;

use crate::fault::{HeadFault, malformed};
use crate::host::Host;
use crate::octets::{self, TARGET};

/// In which form a target came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`, as clients write it to a proxy.
    Absolute,
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// A target's parts, as ranges of its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its form.
    pub form: TargetForm,
    /// `host[:port]` of the absolute form, already checked.
    pub authority: Option<Range<usize>>,
    /// The port that the scheme of the absolute form implies.
    pub default_port: Option<u16>,
    /// The path: begins with `/`, or is `*`, or is empty (which means `/`).
    pub path: Range<usize>,
    /// What follows the first `?`.
    pub query: Option<Range<usize>>,
}

/// Cuts a target into its parts.
///
/// # Errors
/// [`HeadFault::UriTooLong`], [`HeadFault::MethodUnsupported`] for the authority form, [`HeadFault::Malformed`].
pub fn parse(target: &[u8]) -> Result<Target, HeadFault> {
    characters(target)?;
    let query_at = memchr::memchr(b'?', target);
    let path_end = query_at.unwrap_or(target.len());
    let query = query_at.map(|at| at + 1..target.len());
    if target.first() == Some(&b'/') {
        let (authority, default_port) = (None, None);
        return Ok(Target { form: TargetForm::Origin, authority, default_port, path: 0..path_end, query });
    }
    if target == b"*" {
        let (authority, default_port) = (None, None);
        return Ok(Target { form: TargetForm::Asterisk, authority, default_port, path: 0..1, query: None });
    }
    absolute(target, path_end, query)
}

/// Checks the length and the characters of a target, or of a part of one.
pub(crate) fn characters(target: &[u8]) -> Result<(), HeadFault> {
    if target.len() > bounds::TARGET_BYTES_MAX {
        return Err(HeadFault::UriTooLong);
    }
    match target.iter().find(|byte| !octets::is(**byte, TARGET)) {
        Some(byte) => malformed(odd_byte(*byte)),
        None => Ok(()),
    }
}

fn absolute(target: &[u8], path_end: usize, query: Option<Range<usize>>) -> Result<Target, HeadFault> {
    let text = std::str::from_utf8(target).unwrap_or_default();
    let has_scheme = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let (start, default_port) = if has_scheme("http://") {
        (7, 80)
    } else if has_scheme("https://") {
        (8, 443)
    } else if Host::parse(text).is_ok_and(|host| host.port.is_some()) {
        // The authority form belongs to CONNECT (RFC 9112 section 3.2.3).
        return Err(HeadFault::MethodUnsupported);
    } else {
        return malformed("the request target begins with neither `/` nor `http://` nor `https://`");
    };
    let before_query = text.get(start..path_end).unwrap_or_default();
    let path_start = start + before_query.find('/').unwrap_or(before_query.len());
    Host::parse(text.get(start..path_start).unwrap_or_default())?;
    Ok(Target {
        form: TargetForm::Absolute,
        authority: Some(start..path_start),
        default_port: Some(default_port),
        path: path_start..path_end,
        query,
    })
}

fn odd_byte(byte: u8) -> &'static str {
    match byte {
        b'#' => "the request target holds a fragment (`#`), which clients keep to themselves",
        0x80.. => "the request target holds raw bytes over 0x7f: percent-encode them",
        b'"' | b'<' | b'>' | b'`' => "the request target holds `\"`, `<`, `>` or a back-tick: percent-encode them",
        _ => "the request target holds a control character or a space",
    }
}
