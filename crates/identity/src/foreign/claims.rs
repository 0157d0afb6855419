//! What a token says (RFC 7519 section 4), read so that every member means one thing.

use callgate_model::bounds;
use serde_json::{Map, Value};

use crate::tokens::Bound;

/// A token's members.
pub(super) struct Claims(pub(super) Map<String, Value>);

/// Why a member is of no use.
type Fault = &'static str;

// === impl Claims ===

impl Claims {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; nothing where there is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A text that goes into records and fields to the upstream.
    pub(super) fn name(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_name(text) => Ok(Some(text)),
            Some(_) => Err("with a client, subject or audience that is no short text without control characters"),
        }
    }

    /// A moment in Unix milliseconds (RFC 7519 section 2: seconds, with a fraction or without).
    pub(super) fn moment_ms(&self, name: &str) -> Result<Option<i64>, Fault> {
        const FAULT: Fault = "with a moment that is no number of seconds";
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds)).ok_or(FAULT)?;
        #[expect(clippy::cast_possible_truncation, reason = "within the range that was just looked at")]
        Ok(Some((seconds * 1_000.0) as i64))
    }

    /// A list of names that may be one alone: audiences (section 4.1.3).
    pub(super) fn names(&self, name: &str) -> Result<Vec<Box<str>>, Fault> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let all: Option<Vec<Box<str>>> =
                    items.iter().map(|item| item.as_str().filter(|text| is_name(text)).map(Box::from)).collect();
                all.ok_or("with a list that holds something else than short texts")
            }
            Some(_) => Ok(self.name(name)?.map(Box::from).into_iter().collect()),
        }
    }

    /// Scopes: a text with spaces between them (RFC 6749 section 3.3), or a list of them. One that could not be asked for
    /// in the configuration is left out.
    pub(super) fn scopes(&self, name: &str) -> Vec<Box<str>> {
        let own = |text: &str| -> Vec<Box<str>> {
            text.split(' ').filter(|scope| callgate_model::consumer::is_scope(scope)).map(Box::from).collect()
        };
        match self.0.get(name) {
            Some(Value::String(text)) => own(text),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).flat_map(own).collect(),
            _ => Vec::new(),
        }
    }

    /// What whoever sends it must hold besides (RFC 7800 section 3.1). Something that is not understood there would be taken
    /// for nothing, and a stolen token for a good one.
    pub(super) fn bound(&self) -> Result<Box<[Bound]>, Fault> {
        const FAULT: Fault = "bound to its holder in a way (`cnf`) that is not understood";
        let Some(value) = self.0.get("cnf") else { return Ok(Box::default()) };
        let members = value.as_object().filter(|members| !members.is_empty()).ok_or(FAULT)?;
        let read = members.iter().map(|(name, value)| {
            let thumbprint: Box<str> = value.as_str().filter(|text| is_name(text)).ok_or(FAULT)?.into();
            match name.as_str() {
                "jkt" => Ok(Bound::Key(thumbprint)),
                "x5t#S256" => Ok(Bound::Certificate(thumbprint)),
                _ => Err(FAULT),
            }
        });
        read.collect()
    }

    /// Every member that is a short text, sorted: what a configuration may name.
    pub(super) fn texts(&self) -> Box<[(Box<str>, Box<str>)]> {
        let texts = self.0.iter().filter_map(|(name, value)| {
            let text = value.as_str().filter(|text| is_name(text))?;
            Some((name.as_str().into(), text.into()))
        });
        let mut texts: Vec<(Box<str>, Box<str>)> = texts.collect();
        texts.sort_unstable();
        texts.into()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= bounds::FOREIGN_CLAIM_BYTES_MAX && !text.chars().any(char::is_control)
}
