//! Peppers: the secrets under which credentials are hashed.
//!
//! A stolen database alone says nothing about a key: the hash is an HMAC, and its secret lies in a file beside the
//! database, 0600. Each pepper has a number, so that a new one can be brought in without touching old keys.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::{hmac, rand};

use crate::error::StoreError;
use crate::{file, hex};

/// One secret with its number.
#[derive(Clone)]
pub struct Pepper {
    /// Its number, as rows name it.
    pub id: u32,
    key: hmac::Key,
}

/// Every pepper of a store.
#[derive(Debug, Clone)]
pub struct Peppers {
    /// The one that new credentials are hashed under.
    pub current: Pepper,
    /// All of them, by number, the current one included.
    pub all: BTreeMap<u32, Pepper>,
}

/// HMAC-SHA-256 of a credential's whole text.
#[must_use]
pub fn hash(pepper: &Pepper, text: &str) -> [u8; 32] {
    let tag = hmac::sign(&pepper.key, text.as_bytes());
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(tag.as_ref());
    hash
}

// === impl Pepper ===

impl Pepper {
    /// A pepper from its bytes; the store makes its own, this is for tests of what uses them.
    #[must_use]
    pub fn new(id: u32, secret: &[u8; 32]) -> Pepper {
        Pepper { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pepper({}, [secret])", self.id)
    }
}

// === impl Peppers ===

impl Peppers {
    /// The pepper with this number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Pepper> {
        self.all.get(&id)
    }

    /// Reads every pepper of a store, or makes the first one. `used` are the numbers that rows were hashed under: a
    /// missing one is never replaced, because that would quietly turn every key into an unknown one.
    pub(crate) fn open(folder: &Path, used: &[u32]) -> Result<Peppers, StoreError> {
        let secrets = folder.join(crate::SECRETS_FOLDER);
        file::create_folder(&secrets)?;
        if file::mode(&secrets)? & 0o077 != 0 {
            file::make_folder_private(&secrets)?;
        }
        let mut all = read_all(&secrets)?;
        if let Some(missing) = used.iter().find(|id| !all.contains_key(id)) {
            return Err(StoreError::SecretLost { path: path_of(&secrets, *missing), why: "is missing" });
        }
        if all.is_empty() {
            all.insert(1, make(&secrets, 1)?);
        }
        let Some((_, current)) = all.last_key_value() else {
            return Err(StoreError::SecretLost { path: secrets, why: "is empty" });
        };
        Ok(Peppers { current: current.clone(), all })
    }
}

fn path_of(secrets: &Path, id: u32) -> PathBuf {
    secrets.join(format!("pepper-{id}"))
}

fn read_all(secrets: &Path) -> Result<BTreeMap<u32, Pepper>, StoreError> {
    let mut all = BTreeMap::new();
    for name in file::names(secrets)? {
        let Some(id) = name.strip_prefix("pepper-").and_then(|digits| digits.parse().ok()) else { continue };
        let path = secrets.join(name);
        let mode = file::mode(&path)?;
        if mode & 0o077 != 0 {
            return Err(StoreError::SecretExposed { path, mode });
        }
        let text = file::read_text(&path)?;
        let Some(secret) = hex::read_32(text.trim()) else {
            return Err(StoreError::SecretLost { path, why: "does not hold 64 hex digits" });
        };
        all.insert(id, Pepper::new(id, &secret));
    }
    Ok(all)
}

/// On the disk before anything is hashed under it: a crash right after the first key must not lose its pepper.
fn make(secrets: &Path, id: u32) -> Result<Pepper, StoreError> {
    let secret = random_32();
    file::write_atomically(&path_of(secrets, id), format!("{}\n", hex::write(&secret)).as_bytes())?;
    Ok(Pepper::new(id, &secret))
}

/// 32 bytes from the system's generator.
#[expect(clippy::expect_used, reason = "a process that gets no randomness must not go on to issue credentials")]
pub(crate) fn random_32() -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}
