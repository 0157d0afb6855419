//! What the gate holds of an OAuth client.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use callgate_model::{Client, Grant, Secret};
use callgate_store::{Peppers, pepper};

use crate::cells::CellSet;
use crate::entry::ConsumerEntry;

/// One client. Made once: its secret changes in place, and its limit cells are never copied.
pub struct ClientEntry {
    /// The number that the store gave it.
    pub number: i64,
    /// Its name and `client_id`, ready to be put into records.
    pub name: Arc<str>,
    /// Whose it is.
    pub consumer: Arc<ConsumerEntry>,
    /// How it may come to tokens.
    pub grants: Box<[Grant]>,
    /// The scopes that it may ask for.
    pub scopes: Box<[Box<str>]>,
    /// Where a person's browser may be sent back to.
    pub redirects: Box<[Box<str>]>,
    /// It has no secret.
    pub public: bool,
    /// The cells of limits that count per key: a client is its tokens' key.
    pub cells: CellSet,
    /// Tokens up to this number are of an earlier client of this name.
    pub(super) tokens_after: i64,
    secret: ArcSwap<HashedSecret>,
}

#[derive(Clone, Copy)]
struct HashedSecret {
    hash: [u8; 32],
    pepper_id: u32,
}

// === impl ClientEntry ===

impl ClientEntry {
    pub(super) fn new(client: &Client, consumer: Arc<ConsumerEntry>) -> ClientEntry {
        ClientEntry {
            number: client.id,
            name: client.name.as_str().into(),
            consumer,
            grants: client.grants.as_slice().into(),
            scopes: client.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            redirects: client.redirects.iter().map(|redirect| redirect.as_str().into()).collect(),
            public: client.public,
            cells: CellSet::default(),
            tokens_after: client.tokens_after,
            secret: ArcSwap::from_pointee(HashedSecret::of(client)),
        }
    }

    pub(super) fn take_secret_of(&self, client: &Client) {
        self.secret.store(Arc::new(HashedSecret::of(client)));
    }

    /// Whether this is its secret; in a time that does not depend on where the two differ.
    pub(super) fn has_secret(&self, peppers: &Peppers, presented: &Secret) -> bool {
        let secret = **self.secret.load();
        let known = peppers.get(secret.pepper_id);
        let hash = pepper::hash(known.unwrap_or(&peppers.current), presented.expose());
        verify_slices_are_equal(&hash, &secret.hash).is_ok() && known.is_some() && !self.public
    }
}

impl fmt::Debug for ClientEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientEntry({} of {})", self.name, self.consumer.name)
    }
}

// === impl HashedSecret ===

impl HashedSecret {
    fn of(client: &Client) -> HashedSecret {
        HashedSecret { hash: client.secret_hash, pepper_id: client.pepper_id }
    }
}
