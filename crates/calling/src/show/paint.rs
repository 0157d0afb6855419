//! Colours, few of them, and only where they are wanted.

use anstyle::{AnsiColor, Style};

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) on: bool,
}

const NAME: Style = AnsiColor::Cyan.on_default();
const STRING: Style = AnsiColor::Green.on_default();
const NUMBER: Style = AnsiColor::Yellow.on_default();
const WORD: Style = AnsiColor::Magenta.on_default();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const TURN: Style = AnsiColor::Cyan.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

// === impl Paint ===

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(super) fn name(self, text: &str) -> String {
        self.with(NAME, text)
    }

    pub(super) fn string(self, text: &str) -> String {
        self.with(STRING, text)
    }

    pub(super) fn number(self, text: &str) -> String {
        self.with(NUMBER, text)
    }

    /// `true`, `false`, `null`, a method.
    pub(super) fn word(self, text: &str) -> String {
        self.with(WORD, text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with(FAINT, text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with(BAD, text)
    }

    /// By the class of a status.
    pub(super) fn status(self, status: u16, text: &str) -> String {
        let style = match status {
            ..300 => GOOD,
            300..400 => TURN,
            400..500 => WARN,
            _ => BAD,
        };
        self.with(style, text)
    }
}
