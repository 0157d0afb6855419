//! How often an issuer may be looked at for the sake of tokens: a few times at once, then at a steady pace.
//!
//! Turns come back with time alone. So tokens with keys that nobody published, however many, use up the few and then cost the
//! issuer one look in [`bounds::ISSUER_LOOK_EVERY_MIN`]; and no token ever waits longer than that for its look.

use callgate_model::bounds;
use tokio::time::Instant;

/// Turns of one issuer.
#[derive(Debug)]
pub(super) struct Turns {
    /// As in GCRA: the moment at which all turns would be there again.
    whole_at: Instant,
}

// === impl Turns ===

impl Turns {
    pub(super) fn new(now: Instant) -> Turns {
        Turns { whole_at: now }
    }

    /// From when on there is a turn.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let saved = bounds::ISSUER_LOOK_EVERY_MIN * (bounds::ISSUER_LOOKS_AT_ONCE_MAX - 1);
        self.whole_at.checked_sub(saved).map_or(now, |next| next.max(now))
    }

    /// Uses one.
    pub(super) fn take(&mut self, now: Instant) {
        self.whole_at = self.whole_at.max(now) + bounds::ISSUER_LOOK_EVERY_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_wishes_gets_a_few_turns_and_then_a_steady_pace() {
        let begin = Instant::now();
        let (mut turns, mut now, mut made) = (Turns::new(begin), begin, 0);
        let minute = std::time::Duration::from_secs(60);
        while now.duration_since(begin) < minute {
            now = turns.next(now);
            turns.take(now);
            made += 1;
        }
        assert_eq!(made, bounds::ISSUER_LOOKS_AT_ONCE_MAX + 12);
        assert!(turns.next(now) <= now + bounds::ISSUER_LOOK_EVERY_MIN, "nobody waits longer for a turn");
        now += minute;
        assert_eq!(turns.next(now), now);
    }
}
