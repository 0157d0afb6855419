//! What the checks of one server, one after the other, come to.

/// Checks in a row that came out alike.
#[derive(Debug)]
pub(super) struct Row {
    rise: u32,
    fall: u32,
    passed: u32,
    failed: u32,
}

/// What enough of them say. Said by each further one too: what it was said of may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The server may have calls.
    In,
    /// It may not.
    Out,
}

// === impl Row ===

impl Row {
    pub(super) fn new(rise: u32, fall: u32) -> Row {
        Row { rise, fall, passed: 0, failed: 0 }
    }

    pub(super) fn passed(&mut self) -> Option<Turn> {
        self.failed = 0;
        self.passed = self.passed.saturating_add(1);
        (self.passed >= self.rise).then_some(Turn::In)
    }

    pub(super) fn failed(&mut self) -> Option<Turn> {
        self.passed = 0;
        self.failed = self.failed.saturating_add(1);
        (self.failed >= self.fall).then_some(Turn::Out)
    }

    /// Whether the last one is the first that says [`Turn::Out`].
    pub(super) fn is_just_out(&self) -> bool {
        self.failed == self.fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_says_anything() {
        let mut row = Row::new(2, 3);
        let mut check = |checks: &str, expect: Option<Turn>| {
            let said = checks.chars().map(|check| if check == '+' { row.passed() } else { row.failed() }).last();
            assert_eq!(said, Some(expect), "{checks}");
        };
        check("+", None);
        check("+", Some(Turn::In));
        check("--", None);
        check("+--", None);
        check("-", Some(Turn::Out));
        check("-", Some(Turn::Out));
        check("+", None);
        check("-+-+-+", None);
        check("+", Some(Turn::In));
    }
}
