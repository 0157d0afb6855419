//! Path patterns: `/orders/{id}`, `/admin/**`.
//!
//! What calls are compared with is a normal path (DESIGN section 4, "Paths"), so a pattern is brought into the same form
//! here, and one that no normal path could ever match is a mistake.

use callgate_wire::path::{self, PathRules};

use crate::config::{Pattern, Segment};

/// Why a text is not a pattern: what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAPattern {
    pub(crate) message: String,
    pub(crate) help: String,
}

fn not(message: impl Into<String>, help: impl Into<String>) -> NotAPattern {
    NotAPattern { message: message.into(), help: help.into() }
}

// === impl Pattern ===

impl Pattern {
    /// The pattern of one path alone, as every segment of it stands; none where that is not a path.
    #[must_use]
    pub fn exactly(path: &str) -> Option<Pattern> {
        Pattern::parse(path).ok().filter(Pattern::is_literal)
    }

    /// Takes a pattern apart. `/` has no segments; a slash at the end is a last segment that is empty.
    pub(crate) fn parse(text: &str) -> Result<Pattern, NotAPattern> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err(not(format!("`{text}` does not begin with `/`"), format!("write `/{text}`")));
        };
        let (inner, rest) = match inner.strip_suffix("**") {
            Some("") => ("", true),
            Some(head) => match head.strip_suffix('/') {
                Some(head) => (head, true),
                None => return Err(not("`**` stands for whole segments", "write `/**` at the end")),
            },
            None => (inner, false),
        };
        let mut segments = Vec::new();
        let pieces: Vec<&str> = if inner.is_empty() { Vec::new() } else { inner.split('/').collect() };
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len() && !rest;
            let segment = segment(piece, last)?;
            if let Segment::Any(name) = &segment
                && segments.iter().any(|other| matches!(other, Segment::Any(known) if known == name))
            {
                return Err(not(format!("`{{{name}}}` stands twice in the pattern"), "give each its own name"));
            }
            segments.push(segment);
        }
        Ok(Pattern { text: text.to_owned(), segments, rest })
    }

    /// Two patterns of the same shape match the same paths, whatever their names are.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for segment in &self.segments {
            shape.push('/');
            match segment {
                Segment::Literal(text) => shape.push_str(text),
                Segment::Any(_) => shape.push_str("{}"),
            }
        }
        shape + if self.rest { "/**" } else { "" }
    }

    /// Whether exactly one path matches.
    pub(crate) fn is_literal(&self) -> bool {
        !self.rest && self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Checks that a path to rewrite to uses only what this pattern holds.
    pub(crate) fn check_rewrite(&self, to: &str) -> Result<(), NotAPattern> {
        let target = match to.strip_suffix("{**}") {
            Some(_) if !self.rest => {
                return Err(not("`{**}` is the rest that `/**` matched, and this route has none", "leave `{**}` out"));
            }
            Some(head) => format!("{head}**"),
            None if to.ends_with("**") => return Err(not("the rest is written `{**}` here", "write `/{**}`")),
            None => to.to_owned(),
        };
        let target = Pattern::parse(&target)?;
        for segment in &target.segments {
            if let Segment::Any(name) = segment
                && !self.segments.contains(segment)
            {
                let message = format!("the route has no `{{{name}}}`");
                return Err(not(message, format!("`{}` is the route's pattern", self.text)));
            }
        }
        Ok(())
    }
}

fn segment(piece: &str, last: bool) -> Result<Segment, NotAPattern> {
    if let Some(name) = piece.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let fits = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if fits {
            Ok(Segment::Any(name.to_owned()))
        } else {
            Err(not(
                format!("`{{{name}}}` is not a name"),
                "letters, digits and `_`: `{id}`; the rest is `/**` at the end",
            ))
        };
    }
    match piece {
        "" if last => return Ok(Segment::Literal(String::new())),
        "" => return Err(not("`//` never occurs in a path that the gate forwards", "write one `/`")),
        "." | ".." => {
            return Err(not(
                format!("`{piece}` never occurs in a path that the gate forwards"),
                "write the path itself",
            ));
        }
        _ => {}
    }
    for (mark, help) in [
        ("{", "a name stands for a whole segment: `/{id}`"),
        ("}", "a name stands for a whole segment: `/{id}`"),
        ("*", "`{name}` stands for one segment, `/**` at the end for the rest"),
        ("?", "a route is chosen by its path alone, without the query"),
        ("#", "fragments are never sent"),
        ("\\", "the gate refuses `\\` in paths"),
    ] {
        if piece.contains(mark) {
            return Err(not(format!("`{piece}` has a `{mark}` in a segment"), help));
        }
    }
    normal(piece).map(Segment::Literal)
}

/// The segment as the gate sees it in a call, by the same function: a pattern that this refuses could never match.
fn normal(piece: &str) -> Result<String, NotAPattern> {
    let mut encoded = String::from("/");
    for byte in piece.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    // Whether an API lets these through is known only where the pattern stands.
    let rules = PathRules { encoded_separators: true, semicolons: true };
    match path::normalize(&encoded, &rules) {
        Ok(normal) => Ok(normal.trim_start_matches('/').to_owned()),
        Err(fault) => {
            let message = format!("no call can match `{piece}`: {fault}");
            Err(not(message, "write the path as callers send it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match Pattern::parse(text) {
            Ok(pattern) => format!("{}{}", pattern.shape(), if pattern.is_literal() { "" } else { " open" }),
            Err(fault) => format!("error: {}", fault.message),
        };
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn patterns() {
        check("/", "");
        check("/**", "/** open");
        check("/orders/{id}", "/orders/{} open");
        check("/orders/", "/orders/");
        check("/x/**", "/x/** open");
        check("/caf\u{e9}/a%7eb%2f", "/caf%C3%A9/a~b%2F");
        check("orders", "error: `orders` does not begin with `/`");
        check("/a**", "error: `**` stands for whole segments");
        check("/a/**/b", "error: `**` has a `*` in a segment");
        check("/a/v{id}", "error: `v{id}` has a `{` in a segment");
        check("/a/{id}/{id}", "error: `{id}` stands twice in the pattern");
        check("/a//b", "error: `//` never occurs in a path that the gate forwards");
        check("/a/../b", "error: `..` never occurs in a path that the gate forwards");
        check("/a?b", "error: `a?b` has a `?` in a segment");
        for never in ["/a%2", "/%2e%2E", "/a%00", "/%ff"] {
            let fault = Pattern::parse(never).unwrap_err();
            assert!(fault.message.starts_with("no call can match"), "{never}: {}", fault.message);
        }
        check("/a b\"", "/a%20b%22");
        check("/{1}", "error: `{1}` is not a name");
    }

    #[test]
    fn a_rewrite_uses_what_the_pattern_holds() {
        let check = |pattern: &str, to: &str, fits: bool| {
            assert_eq!(Pattern::parse(pattern).unwrap().check_rewrite(to).is_ok(), fits, "{pattern} → {to}");
        };
        check("/orders/{id}", "/v2/orders/{id}", true);
        check("/orders/{id}", "/v2/orders/{key}", false);
        check("/a/**", "/v2/{**}", true);
        check("/a/**", "/v2/**", false);
        check("/a", "/v2/{**}", false);
        check("/a", "v2", false);
        check("/a/**", "/fixed", true);
    }
}
