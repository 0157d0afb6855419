//! What is wrong with how a call was asked for.

use std::fmt;

/// One mistake on the command line: what was written, and what to write instead. Parsers collect all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What was found, with the text that it was found in.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.fix)
    }
}
