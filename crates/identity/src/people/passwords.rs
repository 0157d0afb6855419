//! Passwords: argon2id by its defaults, two at a time, with a short queue.
//!
//! A hash takes 19 MiB and tens of milliseconds on purpose, so whoever may ask for one may stop a machine by asking. Hence
//! the turns and the queue; and since a hash is made for unknown names too, how long an answer takes tells nobody who has an
//! account.

use std::fmt;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use callgate_model::{Secret, bounds};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::random::Random;
use crate::registry::RegistryError;

/// No password leads to this: it has the form and the cost of a real one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Recommended for argon2 (RFC 9106 section 3.1).
const SALT_BYTES: usize = 16;

/// Who hashes, and who waits for it.
pub(crate) struct Passwords {
    /// Held while a hash is made.
    turns: Arc<Semaphore>,
    /// Held by those and by whoever waits for a turn.
    places: Arc<Semaphore>,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

// === impl Passwords ===

impl Passwords {
    pub(crate) fn new() -> Passwords {
        let places = bounds::PASSWORD_HASHES_MAX + bounds::PASSWORDS_WAITING_MAX;
        Passwords {
            turns: Arc::new(Semaphore::new(bounds::PASSWORD_HASHES_MAX)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// The PHC string of a password, with a new salt.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<Secret, RegistryError> {
        let turn = self.turn().await.map_err(|Busy| RegistryError::PasswordsBusy)?;
        let mut random = Random::new()?;
        let salt: [u8; SALT_BYTES] = std::array::from_fn(|_| random.byte());
        random.check()?;
        let password = password.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
            drop(turn);
            hash.map(|hash| Secret::new(hash.to_string()))
        });
        let hash = hashing.await.map_err(|_| RegistryError::Ending)?;
        hash.map_err(|_| RegistryError::request("the password can't be hashed: write another one"))
    }

    /// Whether this is the password of that PHC string; of none, in the same time, no.
    pub(crate) async fn verify(&self, password: &Secret, kept: Option<Secret>) -> Result<bool, Busy> {
        let turn = self.turn().await?;
        let password = password.clone();
        let verifying = tokio::task::spawn_blocking(move || {
            let text = kept.as_ref().map_or(NOBODYS, Secret::expose);
            let is_it = Argon2::default().verify_password(password.expose().as_bytes(), text).is_ok();
            drop(turn);
            is_it && kept.is_some()
        });
        // A thread that broke off has verified nothing.
        Ok(verifying.await.unwrap_or(false))
    }

    /// A turn and a place. Both go along to the thread: whoever stops waiting for the answer frees no core by that.
    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        Ok((turn, place))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Passwords({} free)", self.places.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_nobodys_is_not() {
        let passwords = Passwords::new();
        let kept = passwords.hash(&Secret::new("correct horse")).await.unwrap();
        assert!(kept.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.expose());
        let check = async |word: &str, kept: Option<Secret>| passwords.verify(&Secret::new(word), kept).await.unwrap();
        assert!(check("correct horse", Some(kept.clone())).await);
        assert!(!check("correct horsf", Some(kept)).await);
        assert!(!check("", None).await);
        assert!(!check("correct horse", Some(Secret::new("not a hash"))).await);
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_at_once() {
        let passwords = Passwords::new();
        let mut held = Vec::new();
        for _ in 0..bounds::PASSWORD_HASHES_MAX {
            held.push(passwords.turn().await.unwrap());
        }
        let waiting: Vec<_> = (0..bounds::PASSWORDS_WAITING_MAX).map(|_| Box::pin(passwords.turn())).collect();
        let mut waiting = waiting;
        for one in &mut waiting {
            let now = tokio::time::timeout(std::time::Duration::ZERO, one).await;
            assert!(now.is_err(), "it waits");
        }
        assert_eq!(passwords.verify(&Secret::new("x"), None).await, Err(Busy));
        drop(held);
        drop(waiting);
        assert_eq!(passwords.verify(&Secret::new("x"), None).await, Ok(false));
    }
}
