//! What is remembered of the last call that failed, for `callgate explain --last`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use callgate_model::Clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::CallError;
use crate::request::Request;
use crate::secrecy;
use crate::send::Answer;

/// The facts of one failed call. Never a credential: no fields and no query of the request, and what the server said is
/// searched for the request's credentials first, because some servers repeat them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastFailure {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// `https://api.example.com`: says which gate to ask.
    pub origin: String,
    /// As sent.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Where an answer came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// `Callgate-Refused`: a gate made the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// `Callgate-Call-Id`: the gate can be asked about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call_id: Option<String>,
    /// The answer's body, where it is a problem document.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Value>,
    /// Why no answer came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

// === impl LastFailure ===

impl LastFailure {
    /// Of an answer with a status of 400 or more, and the beginning of its body.
    #[must_use]
    pub fn of_answer(answer: &Answer, body: &[u8], clock: &Clock) -> LastFailure {
        let credentials = secrecy::credentials(&answer.request);
        let clean = |text: &str| secrecy::without(text, &credentials);
        let is_problem = answer.field("content-type").is_some_and(|stated| stated.contains("problem+json"));
        let problem = std::str::from_utf8(body).ok().filter(|_| is_problem);
        LastFailure {
            status: Some(answer.status.as_u16()),
            code: answer.field("callgate-refused").map(clean),
            call_id: answer.field("callgate-call-id").map(clean),
            problem: problem.and_then(|text| serde_json::from_str(&clean(text)).ok()),
            ..LastFailure::of_request(&answer.request, clock)
        }
    }

    /// Of a call without an answer.
    #[must_use]
    pub fn of_error(error: &CallError, request: &Request, clock: &Clock) -> LastFailure {
        LastFailure {
            error: Some(error.in_full()),
            hint: Some(error.hint()),
            ..LastFailure::of_request(request, clock)
        }
    }

    fn of_request(request: &Request, clock: &Clock) -> LastFailure {
        LastFailure {
            at_ms: clock.unix_ms(),
            origin: request.url.origin(),
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            status: None,
            code: None,
            call_id: None,
            problem: None,
            error: None,
            hint: None,
        }
    }

    /// `$XDG_STATE_HOME/callgate/last.json`, by default below `~/.local/state`; nothing without a home.
    #[must_use]
    pub fn path() -> Option<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(state.join("callgate/last.json"))
    }

    /// Keeps it in a file that only its owner may read, in the place of the one before.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // A name of this process's own, then a rename: whoever reads meanwhile sees the old one or the new one, whole.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let text = serde_json::to_vec_pretty(self)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        drop(file);
        fs::rename(&beside, path)
    }

    /// The last one, or nothing when no call has failed yet.
    pub fn load(path: &Path) -> io::Result<Option<LastFailure>> {
        match fs::read(path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}
