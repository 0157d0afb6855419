//! An explanation as structure, and its one renderer.

use serde::Serialize;

use crate::printable::printable;

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// One sentence that says it all.
    pub title: String,
    /// The rest.
    pub sections: Vec<Section>,
}

/// One part of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Two or three words.
    pub heading: &'static str,
    /// What it says.
    pub rows: Vec<Row>,
}

/// One row of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Row {
    /// Sentences.
    Text {
        /// The sentences.
        text: String,
    },
    /// A name and its value.
    Fact {
        /// What it is.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A step that was passed, refused, or not reached.
    Step {
        /// Which of the three.
        mark: Mark,
        /// The step.
        name: &'static str,
        /// What happened in it.
        value: String,
    },
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Passed.
    Passed,
    /// Passed, but only because a rule was in observe mode.
    WouldRefuse,
    /// The call ended here.
    Stopped,
    /// The call did not come this far.
    NotReached,
}

/// What a piece of a rendered page is, for whoever colours it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The title.
    Title,
    /// A section's heading.
    Heading,
    /// The name of a fact or a step.
    Name,
    /// Text and values.
    Text,
    /// A step that was passed.
    Good,
    /// A step that would have refused.
    Warning,
    /// The step that ended the call.
    Bad,
    /// A step that was not reached.
    Faint,
}

/// Columns of a rendering that nobody measured a terminal for.
const PLAIN_WIDTH: usize = 100;
const INDENT: &str = "  ";

// === impl Row ===

impl Row {
    pub(super) fn text(text: impl Into<String>) -> Row {
        Row::Text { text: text.into() }
    }

    pub(super) fn fact(name: &'static str, value: impl Into<String>) -> Row {
        Row::Fact { name, value: value.into() }
    }

    fn name(&self) -> &'static str {
        match self {
            Row::Text { .. } => "",
            Row::Fact { name, .. } | Row::Step { name, .. } => name,
        }
    }
}

// === impl Mark ===

impl Mark {
    fn sign(self) -> (&'static str, Tone) {
        match self {
            Mark::Passed => ("✓", Tone::Good),
            Mark::WouldRefuse => ("!", Tone::Warning),
            Mark::Stopped => ("✗", Tone::Bad),
            Mark::NotReached => ("·", Tone::Faint),
        }
    }
}

// === impl Section ===

impl Section {
    pub(super) fn new(heading: &'static str, rows: Vec<Row>) -> Section {
        Section { heading, rows }
    }
}

// === impl Page ===

impl Page {
    /// The page as text without colours.
    #[must_use]
    pub fn plain(&self) -> String {
        self.render(PLAIN_WIDTH, |_, text| text.to_owned())
    }

    /// The page as text of so many columns; `paint` gives each piece its colour. Whatever callers wrote is made safe for
    /// a terminal first.
    #[must_use]
    pub fn render(&self, width: usize, paint: impl Fn(Tone, &str) -> String) -> String {
        let mut text = paint(Tone::Title, &printable(&self.title));
        text.push('\n');
        for section in self.sections.iter().filter(|section| !section.rows.is_empty()) {
            text.push('\n');
            text.push_str(&paint(Tone::Heading, section.heading));
            text.push('\n');
            let names = section.rows.iter().map(|row| row.name().chars().count()).max().unwrap_or(0);
            for row in &section.rows {
                render_row(row, names, width, &paint, &mut text);
            }
        }
        text
    }
}

fn render_row(row: &Row, names: usize, width: usize, paint: &impl Fn(Tone, &str) -> String, into: &mut String) {
    let (lead, lead_width, value, tone) = match row {
        Row::Text { text } => (INDENT.to_owned(), INDENT.len(), text, Tone::Text),
        Row::Fact { name, value } => {
            let lead = format!("{INDENT}{}  ", paint(Tone::Name, &format!("{name:names$}")));
            (lead, INDENT.len() + names + 2, value, Tone::Text)
        }
        Row::Step { mark, name, value } => {
            let (sign, tone) = mark.sign();
            let named = if *mark == Mark::NotReached { Tone::Faint } else { Tone::Name };
            let lead = format!("{INDENT}{} {}  ", paint(tone, sign), paint(named, &format!("{name:names$}")));
            (lead, INDENT.len() + names + 4, value, if *mark == Mark::Passed { Tone::Text } else { tone })
        }
    };
    let safe = printable(value);
    let mut lines = wrap(&safe, width.saturating_sub(lead_width).max(24)).into_iter();
    into.push_str(&lead);
    into.push_str(&lines.next().map_or_else(String::new, |line| paint(tone, &line)));
    for line in lines {
        into.push('\n');
        into.push_str(&" ".repeat(lead_width));
        into.push_str(&paint(tone, &line));
    }
    // A step without a text leaves the blanks of its column behind.
    into.truncate(into.trim_end_matches(' ').len());
    into.push('\n');
}

/// Breaks between words; a word that is longer than a line stays whole, so that it can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
