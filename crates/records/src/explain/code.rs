//! Teaches one code of the gate.

use callgate_model::Code;

use super::lesson;
use super::page::{Page, Row, Section};

/// What a code means, when it arises, what its caller and the operator can do about it, with an example.
#[must_use]
pub fn code(code: Code) -> Page {
    let lesson = lesson(code);
    let phase = code.phase();
    Page {
        title: format!("{} {}: {}", code.status(), code.name(), code.title()),
        sections: vec![
            Section::new(
                "When",
                vec![
                    Row::text(lesson.when),
                    Row::text(format!("It arises in the phase `{}`: {}.", phase.name(), phase.about())),
                ],
            ),
            Section::new("What a caller does", vec![Row::text(lesson.caller)]),
            Section::new("What the operator does", vec![Row::text(lesson.operator)]),
            Section::new("For example", vec![Row::text(lesson.example)]),
            Section::new(
                "How to recognise it",
                vec![
                    Row::fact("status", code.status().to_string()),
                    Row::fact("field", format!("Callgate-Refused: {}", code.name())),
                    Row::fact("type", code.urn()),
                ],
            ),
        ],
    }
}

/// A code in one line, for lists of them.
#[must_use]
pub fn code_in_short(code: Code) -> String {
    format!("{} ({}, {})", code.title(), code.status(), code.phase().name())
}
