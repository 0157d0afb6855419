//! What somebody asks of a new key, checked before anything is stored: every problem is told, not the first.

use std::net::IpAddr;

use callgate_model::consumer::{is_name, is_scope};
use callgate_model::key::{self, Kind, NotAKey};
use callgate_model::{Secret, bounds};
use ipnet::IpNet;

use crate::when;

/// A new key as a person or a program asks for it; texts as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRequest {
    /// The name of the consumer that shall own it.
    pub consumer: String,
    /// A person's name for it.
    pub label: Option<String>,
    /// For real calls or for trying out. Says nothing about an imported key, whose text is what it is.
    pub kind: Kind,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The APIs it may call; empty: every one.
    pub apis: Vec<String>,
    /// Addresses and networks that it may call from; empty: every one.
    pub ips: Vec<String>,
    /// From when it is valid, as [`when::parse`] reads it.
    pub not_before: Option<String>,
    /// Until when, likewise: `30d`.
    pub expires: Option<String>,
}

/// A request that was found fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) label: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) apis: Vec<String>,
    pub(crate) ips: Vec<IpNet>,
    pub(crate) not_before_ms: Option<i64>,
    pub(crate) expires_ms: Option<i64>,
}

/// Imported keys need this many different characters: `aaaaaaaaaaaaaaaa` is 16 characters long and no secret.
const DISTINCT_CHARS_MIN: usize = 8;

// === impl KeyRequest ===

impl KeyRequest {
    /// Reads the request at this moment.
    ///
    /// # Errors
    /// Every problem, each a sentence.
    pub(crate) fn check(&self, now_ms: i64) -> Result<Checked, Vec<String>> {
        let mut problems = Vec::new();
        if let Some(label) = &self.label {
            problems.extend(label_problem(label));
        }
        for (what, texts) in [("scopes", &self.scopes), ("apis", &self.apis), ("ips", &self.ips)] {
            if texts.len() > bounds::KEY_GRANTS_MAX {
                problems.push(format!("{} {what}: a key has at most {}", texts.len(), bounds::KEY_GRANTS_MAX));
            }
        }
        problems.extend(self.scopes.iter().filter(|scope| !is_scope(scope)).map(|scope| {
            format!("scope {scope:?}: write 1 to 128 printable characters without space, quote and backslash")
        }));
        problems.extend(
            self.apis
                .iter()
                .filter(|api| !is_name(api))
                .map(|api| format!("api {api:?}: write an API's name, as `apis:` has it")),
        );
        let ips = self.ips.iter().filter_map(|text| kept(network(text), &mut problems)).collect();
        let not_before_ms = moment("not_before", self.not_before.as_deref(), now_ms, &mut problems);
        let expires_ms = moment("expires", self.expires.as_deref(), now_ms, &mut problems);
        if expires_ms.is_some_and(|at| at <= now_ms) {
            problems.push("expires: this moment is past; write one to come, for example `30d`".to_owned());
        } else if expires_ms.zip(not_before_ms).is_some_and(|(until, from)| until <= from) {
            problems.push("expires: the key would expire before its `not_before`".to_owned());
        }
        let (scopes, apis) = (once_each(&self.scopes), once_each(&self.apis));
        let checked = Checked { label: self.label.clone(), scopes, apis, ips, not_before_ms, expires_ms };
        if problems.is_empty() { Ok(checked) } else { Err(problems) }
    }
}

/// Whether a text from elsewhere can become a key here. Problems never quote it: it is a secret.
///
/// # Errors
/// Every problem, each a sentence.
pub(crate) fn check_foreign(text: &Secret) -> Result<(), Vec<String>> {
    let text = text.expose();
    let mut problems = Vec::new();
    if !bounds::IMPORTED_KEY_CHARS.contains(&text.len()) {
        let (least, most) = (bounds::IMPORTED_KEY_CHARS.start(), bounds::IMPORTED_KEY_CHARS.end());
        problems.push(format!("the key has {} characters: {least} to {most} can be imported", text.len()));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push("the key holds a space, a line break or another character that is not visible ASCII".to_owned());
    }
    let mut seen = [false; 256];
    for byte in text.bytes() {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    if seen.iter().filter(|seen| **seen).count() < DISTINCT_CHARS_MIN {
        problems.push(format!("the key has fewer than {DISTINCT_CHARS_MIN} different characters: it could be guessed"));
    }
    // The gate drops such a text before it looks for imported keys; importing it would make a key that never works.
    if key::inspect(text) == Err(NotAKey::Checksum) {
        problems
            .push("the key has the shape of a Callgate key and a wrong checksum: it was mistyped or cut".to_owned());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A value, or one more problem.
fn kept<T>(read: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

fn moment(setting: &str, text: Option<&str>, now_ms: i64, problems: &mut Vec<String>) -> Option<i64> {
    let read = when::parse(text?, now_ms).map_err(|problem| format!("{setting}: {problem}"));
    kept(read, problems)
}

fn label_problem(label: &str) -> Option<String> {
    let fits =
        (1..=bounds::KEY_LABEL_CHARS_MAX).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    (!fits).then(|| format!("label: write 1 to {} characters in one line", bounds::KEY_LABEL_CHARS_MAX))
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    network.map(|network| network.trunc()).ok_or_else(|| {
        format!("ip {text:?}: write an address or a network, for example `192.0.2.7` or `2001:db8::/32`")
    })
}

fn once_each(texts: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !kept.contains(text) {
            kept.push(text.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let request = KeyRequest {
            consumer: "acme".to_owned(),
            label: Some("two\nlines".to_owned()),
            scopes: vec!["with space".to_owned(), "fine".to_owned()],
            apis: vec!["-dash".to_owned()],
            ips: vec!["10.0.0.0/33".to_owned(), "10.0.0.1".to_owned()],
            not_before: Some("soon".to_owned()),
            expires: Some("1970-01-01".to_owned()),
            ..KeyRequest::default()
        };
        let problems = request.check(1_000).unwrap_err();
        let words: Vec<_> = problems.iter().filter_map(|problem| problem.split([':', ' ']).next()).collect();
        assert_eq!(words, ["label", "scope", "api", "ip", "not_before", "expires"], "{problems:#?}");
    }

    #[test]
    fn a_good_request_is_read() {
        let request = KeyRequest {
            scopes: vec!["a".to_owned(), "b".to_owned(), "a".to_owned()],
            ips: vec!["10.1.2.3/8".to_owned(), "::1".to_owned()],
            expires: Some("30d".to_owned()),
            ..KeyRequest::default()
        };
        let checked = request.check(1_000).unwrap();
        assert_eq!(checked.scopes, ["a", "b"]);
        assert_eq!(checked.ips.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
        assert_eq!(checked.expires_ms, Some(1_000 + 30 * 86_400_000));
    }

    #[test]
    fn what_can_be_imported() {
        let problems = |text: &str| check_foreign(&Secret::new(text)).err().unwrap_or_default().len();
        assert_eq!(problems("sk_live_4eC39HqLyjWDarjtT1zdp7dc"), 0);
        assert_eq!(problems("0123456789abcde"), 1, "too short");
        assert_eq!(problems(&"0123456789abcdef".repeat(33)), 1, "too long");
        assert_eq!(problems("0123456789 abcdef"), 1, "a space");
        assert_eq!(problems("aaaaaaaaaaaaaaaaaaaa"), 1, "one letter");
        assert_eq!(problems("schlüssel-0123456789"), 1, "not ASCII");
        assert_eq!(problems("cg_live_0123456789abcdefghijklmnopqrstuvwxyz0123456789"), 1, "a mistyped key of ours");
    }
}
