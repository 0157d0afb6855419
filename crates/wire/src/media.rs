//! Media types (RFC 9110 section 8.3.1): reading one, and the patterns that an operator writes.

mod accept;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub use accept::{Accept, acceptable, takes_json};

use crate::octets::{self, TOKEN, VALUE};

/// A media type as it was written. Types, subtypes and parameter names compare without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType<'a> {
    /// `application` of `application/json`.
    pub main: &'a str,
    /// `json` of `application/json`.
    pub sub: &'a str,
    /// What follows the subtype, from its `;` on; well-formed.
    params: &'a str,
}

/// What a message says about its content's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType<'a> {
    /// No field.
    Missing,
    /// One field, well-formed.
    One(MediaType<'a>),
    /// Not well-formed, or more than one field: readers would disagree about which counts.
    Unreadable,
}

/// A set of media types: `application/json`, `application/*+json`, `text/*`, `*/*`, each with parameters or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// Lower case; none is `*`.
    main: Option<String>,
    sub: SubPattern,
    /// Names in lower case, and values, that a type must have; others don't matter.
    params: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SubPattern {
    Any,
    /// Lower case.
    Exactly(String),
    /// Lower case, with the `+`: `+json`.
    Suffix(String),
}

// === impl MediaType ===

impl<'a> MediaType<'a> {
    /// Reads `type/subtype *( ; name=value )`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<MediaType<'a>> {
        let text = octets::trim_text(text);
        let end = text.find(';').unwrap_or(text.len());
        let (essence, params) = text.split_at_checked(end)?;
        let (main, sub) = octets::trim_text(essence).split_once('/')?;
        let is_token = |part: &str| !part.is_empty() && octets::all(part.as_bytes(), TOKEN);
        let media = MediaType { main, sub, params };
        (is_token(main) && is_token(sub) && Params(params).all(|param| param.is_some())).then_some(media)
    }

    /// Whether it is this type and subtype, whatever its parameters.
    #[must_use]
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub)
    }

    /// The value of a parameter, as written (in its quotes, if it has them).
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        Params(self.params).flatten().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether it stands for JSON: `application/json`, `text/json`, `anything/anything+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is("application", "json") || self.is("text", "json") || ends_with(self.sub, "+json")
    }

    /// Whether it stands for XML: `application/xml`, `text/xml`, `anything/anything+xml`.
    #[must_use]
    pub fn is_xml(&self) -> bool {
        self.is("application", "xml") || self.is("text", "xml") || ends_with(self.sub, "+xml")
    }
}

/// Reads the type of a message's content.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> ContentType<'_> {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let Some(field) = fields.next() else {
        return ContentType::Missing;
    };
    match (field.to_str().ok().and_then(MediaType::parse), fields.next()) {
        (Some(media), None) => ContentType::One(media),
        _ => ContentType::Unreadable,
    }
}

/// A subtype with something before its suffix: `+json` alone is no `*+json`.
fn ends_with(sub: &str, suffix: &str) -> bool {
    let start = sub.len().saturating_sub(suffix.len());
    start > 0 && sub.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Parameters one by one, from their `;` on; `None` for one that is not well-formed, and then no more.
struct Params<'a>(&'a str);

impl<'a> Iterator for Params<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty parameters (`;;`, a `;` at the end) are allowed and mean nothing (RFC 9110 section 5.6.6).
        let rest = self.0.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let param = first_param(rest);
        self.0 = param.map_or("", |(_, _, rest)| rest);
        Some(param.map(|(name, value, _)| (name, value)))
    }
}

/// The name, the value, and what follows from the next `;` on.
fn first_param(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once('=')?;
    let end = if after.starts_with('"') { quoted_end(after)? } else { after.find(';').unwrap_or(after.len()) };
    let (value, rest) = after.split_at_checked(end)?;
    let value = octets::trim_text(value);
    let is_value = value.starts_with('"') || (!value.is_empty() && octets::all(value.as_bytes(), TOKEN));
    let rest_is_next = octets::trim_text(rest).is_empty() || octets::trim_text(rest).starts_with(';');
    let is_name = !name.is_empty() && octets::all(name.as_bytes(), TOKEN);
    (is_name && is_value && rest_is_next).then_some((name, value, rest))
}

/// Where a quoted string (that `text` begins with) ends.
fn quoted_end(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => {
                bytes.next().filter(|(_, byte)| octets::is(*byte, VALUE))?;
            }
            _ if !octets::is(byte, VALUE) => return None,
            _ => {}
        }
    }
    None
}

/// Whether two parameter values are the same once their quotes and escapes are gone. `charset` has no case (RFC 9110
/// section 8.3.2); other values are compared as they are.
fn same_value(name: &str, left: &str, right: &str) -> bool {
    let no_case = name.eq_ignore_ascii_case("charset");
    let fold = move |byte: u8| if no_case { byte.to_ascii_lowercase() } else { byte };
    Unquoted::of(left).map(fold).eq(Unquoted::of(right).map(fold))
}

struct Unquoted<'a> {
    bytes: std::str::Bytes<'a>,
    is_quoted: bool,
}

impl<'a> Unquoted<'a> {
    fn of(value: &'a str) -> Unquoted<'a> {
        match value.strip_prefix('"').and_then(|inside| inside.strip_suffix('"')) {
            Some(inside) => Unquoted { bytes: inside.bytes(), is_quoted: true },
            None => Unquoted { bytes: value.bytes(), is_quoted: false },
        }
    }
}

impl Iterator for Unquoted<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.bytes.next() {
            Some(b'\\') if self.is_quoted => self.bytes.next(),
            byte => byte,
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        const HELP: &str = "write a media type like `application/json`, `application/*+json`, `text/*` or `*/*`";
        let media = MediaType::parse(text).ok_or_else(|| format!("`{text}` is not a media type: {HELP}"))?;
        let (main, sub) = (media.main.to_ascii_lowercase(), media.sub.to_ascii_lowercase());
        let sub = match sub.strip_prefix('*') {
            Some("") => SubPattern::Any,
            Some(suffix) if suffix.starts_with('+') && suffix.len() > 1 && !suffix.contains('*') => {
                SubPattern::Suffix(suffix.to_owned())
            }
            None if !sub.contains('*') => SubPattern::Exactly(sub),
            _ => return Err(format!("`*` can't stand there in `{text}`: {HELP}")),
        };
        let main = match main.as_str() {
            "*" if sub == SubPattern::Any => None,
            _ if !main.contains('*') => Some(main),
            _ => return Err(format!("`*` can't stand there in `{text}`: {HELP}")),
        };
        let params = Params(media.params).flatten();
        let params = params.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Ok(Pattern { text: text.to_owned(), main, sub, params })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a type belongs to the set.
    #[must_use]
    pub fn matches(&self, media: &MediaType<'_>) -> bool {
        self.main.as_ref().is_none_or(|main| main.eq_ignore_ascii_case(media.main))
            && match &self.sub {
                SubPattern::Any => true,
                SubPattern::Exactly(sub) => sub.eq_ignore_ascii_case(media.sub),
                SubPattern::Suffix(suffix) => ends_with(media.sub, suffix),
            }
            && self
                .params
                .iter()
                .all(|(name, value)| media.param(name).is_some_and(|found| same_value(name, found, value)))
    }

    /// The one type that it stands for, without parameters; none if it holds `*`.
    fn single(&self) -> Option<(&str, &str)> {
        match (&self.main, &self.sub) {
            (Some(main), SubPattern::Exactly(sub)) => Some((main, sub)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
