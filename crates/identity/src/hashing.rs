//! From the text of a key to what is kept of it: HMAC-SHA-256 under a pepper.
//!
//! A key carries 190 random bits, so a slow password hash would buy nothing and cost every call. The pepper makes a copied
//! database useless by itself, and lets imported keys be found by their hash without giving anybody a way to steer it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

/// The peppers, ready for use: the key schedule of each is computed once, which halves the cost of a hash on a call.
pub struct Hashing {
    current_id: u32,
    /// One or two; a scan.
    peppers: Box<[(u32, hmac::Key)]>,
}

// === impl Hashing ===

impl Hashing {
    /// Takes every pepper by its id, and which of them new keys are hashed with.
    pub fn new<'a>(current_id: u32, peppers: impl IntoIterator<Item = (u32, &'a [u8])>) -> Hashing {
        let peppers = peppers.into_iter().map(|(id, secret)| (id, hmac::Key::new(hmac::HMAC_SHA256, secret))).collect();
        Hashing { current_id, peppers }
    }

    /// The pepper that new keys are hashed with.
    #[must_use]
    pub fn current_id(&self) -> u32 {
        self.current_id
    }

    /// The ids of all peppers.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.peppers.iter().map(|(id, _)| *id)
    }

    /// The hash of a text under the pepper with this id; nothing when there is no such pepper (any more).
    #[must_use]
    pub fn hash(&self, pepper_id: u32, text: &str) -> Option<[u8; 32]> {
        let (_, key) = self.peppers.iter().find(|(id, _)| *id == pepper_id)?;
        hmac::sign(key, text.as_bytes()).as_ref().try_into().ok()
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hashing(current {}, {} peppers)", self.current_id, self.peppers.len())
    }
}

/// Compares in a time that does not depend on where the two differ.
pub(crate) fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn it_is_hmac_sha_256() {
        let hashing = Hashing::new(3, [(3, b"Jefe".as_slice())]);
        let hash = hashing.hash(3, "what do ya want for nothing?").unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(hashing.hash(4, "x"), None, "a pepper that is not there hashes nothing");
    }
}
