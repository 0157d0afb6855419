//! Random bytes for keys, from the system's generator and from nowhere else.

use aws_lc_rs::rand;

use crate::registry::RegistryError;

/// A few random bytes at a time; one system call for a whole key.
pub(crate) struct Random {
    bytes: [u8; 128],
    next: usize,
    dry: bool,
}

// === impl Random ===

impl Random {
    pub(crate) fn new() -> Result<Random, RegistryError> {
        let mut random = Random { bytes: [0; 128], next: 0, dry: false };
        random.fill();
        random.check().map(|()| random)
    }

    /// The next byte. When the generator does not answer, zero, and [`Random::check`] tells: what was drawn must then be
    /// thrown away.
    pub(crate) fn byte(&mut self) -> u8 {
        if self.next == self.bytes.len() {
            self.fill();
        }
        let byte = self.bytes.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        byte
    }

    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        if self.dry { Err(RegistryError::NoRandomness) } else { Ok(()) }
    }

    fn fill(&mut self) {
        self.next = 0;
        if rand::fill(&mut self.bytes).is_err() {
            self.bytes = [0; 128];
            self.dry = true;
        }
    }
}
