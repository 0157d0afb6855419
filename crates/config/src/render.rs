//! Mistakes for people: the line, a caret under the place, what to write instead. And for machines: JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Report, Severity};

impl Report {
    /// Every mistake with its line and a caret, and a count at the end. `coloured` adds ANSI colours.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let file = self.file.display().to_string();
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic, &file)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary(&file));
        text
    }

    /// The same as one JSON document.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.file.display().to_string(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "diagnostics": self.diagnostics,
        })
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic, file: &'a str) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()));
        if diagnostic.line > 0 {
            let (line, caret) = self.line(diagnostic);
            let snippet = Snippet::source(line).line_start(diagnostic.line).path(file);
            group = group.element(snippet.annotation(AnnotationKind::Primary.span(caret)));
        }
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// The line of a mistake, alone (the renderer looks at all of what it is given, for every mistake), and the place in
    /// it. The renderer slices with that place: it must lie in the line, on character boundaries.
    fn line(&self, diagnostic: &Diagnostic) -> (&str, Range<usize>) {
        let start = self.source.floor_char_boundary(diagnostic.start);
        let (before, after) = self.source.split_at_checked(start).unwrap_or((&self.source, ""));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find(['\r', '\n']).map_or(self.source.len(), |at| start + at);
        let line = self.source.get(line_start..line_end).unwrap_or_default();
        let end = self.source.ceil_char_boundary(diagnostic.range().end).min(line_end);
        (line, start - line_start..end.max(start) - line_start)
    }

    fn summary(&self, file: &str) -> String {
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        match (errors, warnings) {
            (0, 0) => format!("{file}: nothing to complain about\n"),
            (_, 0) => format!("{file}: {}\n", plural(errors, "error")),
            (0, _) => format!("{file}: {}\n", plural(warnings, "warning")),
            _ => format!("{file}: {}, {}\n", plural(errors, "error"), plural(warnings, "warning")),
        }
    }
}
