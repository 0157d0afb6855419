//! A mistake in a file: where it is, what is wrong, what to write instead. And all of them, ready to print.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::tree::Span;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is not taken.
    Error,
    /// The file is taken, and this is worth a look.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Bytes that the caret underlines.
    pub len: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The first byte of the place.
    #[serde(skip)]
    pub(crate) start: usize,
}

/// Everything found in one file, with its text: what a printer needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Its text.
    pub source: String,
    /// What was found, in the file's order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were looked at, the configuration first: when one of them changes, reading again may succeed.
    pub files_read: Vec<PathBuf>,
}

// === impl Diagnostic ===

impl Diagnostic {
    /// A mistake at a place.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message.into())
    }

    /// Something worth a look.
    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message.into())
    }

    fn new(severity: Severity, span: Span, message: String) -> Diagnostic {
        let len = span.end.saturating_sub(span.start);
        Diagnostic { severity, line: span.line, column: span.column, len, message, help: None, start: span.start }
    }

    /// Says what to write instead.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The bytes of the file that are meant.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

// === impl Report ===

impl Report {
    /// Whether the file is not taken.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
