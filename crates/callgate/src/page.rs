//! Explanations on a terminal: its width, its colours.

use anstyle::{AnsiColor, Style};
use callgate_records::explain::{Page, Tone};

use crate::terminal;

const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NAME: Style = AnsiColor::Cyan.on_default();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Columns where nobody can say how many there are.
const WIDTH: usize = 100;
/// Longer lines are hard to read, shorter ones leave no room beside the names.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;

/// Shows a page.
pub fn show(page: &Page) {
    let colours = terminal::colours_on_stdout();
    let paint = |tone, text: &str| match style(tone) {
        Some(style) if colours && !text.is_empty() => format!("{style}{text}{style:#}"),
        _ => text.to_owned(),
    };
    terminal::say(page.render(width(), paint).trim_end());
}

fn width() -> usize {
    let measured = comfy_table::Table::new().width().map(usize::from);
    measured.map_or(WIDTH, |width| width.clamp(*WIDTHS.start(), *WIDTHS.end()))
}

fn style(tone: Tone) -> Option<Style> {
    match tone {
        Tone::Title | Tone::Heading => Some(STRONG),
        Tone::Name => Some(NAME),
        Tone::Good => Some(GOOD),
        Tone::Warning => Some(WARNING),
        Tone::Bad => Some(BAD),
        Tone::Faint => Some(FAINT),
        Tone::Text => None,
    }
}
