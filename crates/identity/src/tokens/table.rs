//! The token table: from a presented text to a client, on every call, by every worker, without a lock.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use callgate_model::{Client, Cut, Secret, bounds};
use callgate_store::{Peppers, SigningKey};
use serde_json::Value;

use super::client::ClientEntry;
use super::cuts::Cuts;
use super::entry::TokenEntry;
use super::signing::{Claims, Keys, SigningError};
use crate::entry::ConsumerEntry;
use crate::remembered::Remembered;
use crate::shards::{SHARDS, ShardMap};
use crate::table::NameDigest;

/// Every client, every revocation and every signing key.
pub struct TokenTable {
    peppers: Peppers,
    /// The issuer's URL; none means that this gate issues nothing and takes no token.
    issuer: ArcSwapOption<Arc<str>>,
    keys: ArcSwap<Keys>,
    /// By the digest of their name.
    clients: ShardMap<[u8; 32], ClientEntry>,
    cuts: Arc<Cuts>,
    remembered: Remembered<TokenEntry>,
    /// Counts changes of keys and issuer, each after it is in force.
    generation: AtomicU64,
    /// Held while something changes; never on the way of a call. The clients again, by number.
    writer: Mutex<HashMap<i64, Arc<ClientEntry>>>,
}

/// Why a presented token leads to no caller. The last two have proved that they are ours.
#[derive(Debug, Clone)]
pub enum TokenFault {
    /// None of ours; why, for the operator. The caller must not learn it.
    NotOurs(&'static str),
    /// Revoked, alone or with its client.
    Revoked(Arc<TokenEntry>),
    /// Its time is over.
    Expired(Arc<TokenEntry>),
}

// === impl TokenTable ===

impl TokenTable {
    /// A table of these clients, revocations and keys. `consumer` finds a client's consumer; a client without one is left
    /// out.
    ///
    /// # Errors
    /// A signing key that can't be used.
    pub(crate) fn new(
        peppers: Peppers,
        clients: &[Client],
        cuts: &[Cut],
        keys: &[SigningKey],
        consumer: impl Fn(i64) -> Option<Arc<ConsumerEntry>>,
    ) -> Result<TokenTable, SigningError> {
        let entry = |client: &Client| Some(Arc::new(ClientEntry::new(client, consumer(client.consumer_id)?)));
        let entries: Vec<_> = clients.iter().filter_map(entry).collect();
        let named = entries.iter().map(|entry| (NameDigest::of(&entry.name).bytes(), Arc::clone(entry)));
        Ok(TokenTable {
            peppers,
            issuer: ArcSwapOption::empty(),
            keys: ArcSwap::from_pointee(Keys::of(keys)?),
            clients: ShardMap::build(named),
            cuts: Arc::new(Cuts::new(cuts)),
            remembered: Remembered::new(bounds::TOKENS_REMEMBERED_MAX / SHARDS),
            generation: AtomicU64::new(0),
            writer: Mutex::new(entries.iter().map(|entry| (entry.number, Arc::clone(entry))).collect()),
        })
    }

    /// Whether a text has the form of a token: three parts of base64url. Tells it from a key, and costs nothing.
    #[must_use]
    pub fn looks_like_token(text: &str) -> bool {
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        text.split('.').count() == 3 && text.split('.').all(is_part)
    }

    /// Whether a text begins as every token of this gate does, good or not: what must not go on to anybody else.
    #[must_use]
    pub fn has_our_form(&self, text: &str) -> bool {
        TokenTable::looks_like_token(text) && self.keys.load().made(text)
    }

    /// Who presents this token, at this moment (Unix milliseconds). Whom it is for is not judged here: that differs from API
    /// to API.
    ///
    /// # Errors
    /// See [`TokenFault`].
    pub fn verify(&self, presented: &str, now_ms: i64) -> Result<Arc<TokenEntry>, TokenFault> {
        // Before keys and issuer are read: what they come to is remembered as of then, and not past the next change.
        let generation = self.generation.load(Ordering::Acquire);
        let entry = match self.remembered.get(presented, generation) {
            Some(entry) => entry,
            None => {
                let entry = self.read(presented)?;
                if !entry.is_expired(now_ms) {
                    self.remembered.put(presented, generation, &entry, now_ms);
                }
                entry
            }
        };
        standing(entry, now_ms)
    }

    /// The same for whoever administers: whether or not this gate is an issuer now, and under which URL.
    ///
    /// # Errors
    /// See [`TokenFault`].
    pub fn examine(&self, text: &str, now_ms: i64) -> Result<Arc<TokenEntry>, TokenFault> {
        standing(self.entry(self.claims(text)?)?, now_ms)
    }

    fn read(&self, presented: &str) -> Result<Arc<TokenEntry>, TokenFault> {
        let issuer = self.issuer.load();
        let issuer = issuer.as_deref().ok_or(TokenFault::NotOurs("this gate issues no tokens"))?;
        let claims = self.claims(presented)?;
        if *claims.iss != **issuer {
            return Err(TokenFault::NotOurs("of an issuer that this gate was before: its URL has changed since"));
        }
        self.entry(claims)
    }

    fn claims(&self, text: &str) -> Result<Claims, TokenFault> {
        if text.len() > bounds::CREDENTIAL_BYTES_MAX {
            return Err(TokenFault::NotOurs("longer than a token of ours"));
        }
        self.keys.load().verify(text).map_err(TokenFault::NotOurs)
    }

    fn entry(&self, claims: Claims) -> Result<Arc<TokenEntry>, TokenFault> {
        let number = claims.jti.parse().map_err(|_| TokenFault::NotOurs("without a number"))?;
        let client = self.client(&claims.client_id).ok_or(TokenFault::NotOurs("of a client that was removed"))?;
        Ok(Arc::new(TokenEntry::new(claims, number, client, Arc::clone(&self.cuts))))
    }

    /// The client with this name.
    #[must_use]
    pub fn client(&self, name: &str) -> Option<Arc<ClientEntry>> {
        self.clients.get(&NameDigest::of(name).bytes())
    }

    /// The client with this name and this secret. One that does not exist takes as long as a wrong secret.
    #[must_use]
    pub fn authenticate(&self, name: &str, secret: &Secret) -> Option<Arc<ClientEntry>> {
        let client = self.client(name);
        match client {
            Some(client) => client.has_secret(&self.peppers, secret).then_some(client),
            None => {
                std::hint::black_box(callgate_store::pepper::hash(&self.peppers.current, secret.expose()));
                None
            }
        }
    }

    /// The issuer's URL, while this gate issues tokens.
    #[must_use]
    pub fn issuer(&self) -> Option<Arc<str>> {
        self.issuer.load().as_deref().cloned()
    }

    /// The public keys, as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.keys.load().jwks()
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Option<Result<String, SigningError>> {
        self.keys.load().sign(claims)
    }

    /// Every token is verified again when it comes next: what was good by other keys or another issuer may be so no more.
    pub fn forget_verified(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// From here on this is the issuer, or none is.
    pub(crate) fn set_issuer(&self, url: Option<&str>) {
        if self.issuer().as_deref() != url {
            self.issuer.store(url.map(|url| Arc::new(Arc::from(url))));
            self.forget_verified();
        }
    }

    pub(crate) fn set_keys(&self, keys: &[SigningKey]) -> Result<(), SigningError> {
        self.keys.store(Arc::new(Keys::of(keys)?));
        self.forget_verified();
        Ok(())
    }

    pub(crate) fn put_client(&self, client: &Client, consumer: Arc<ConsumerEntry>) {
        let mut writer = self.writer();
        if let Some(entry) = writer.get(&client.id) {
            entry.take_secret_of(client);
            return;
        }
        let entry = Arc::new(ClientEntry::new(client, consumer));
        self.clients.insert(NameDigest::of(&entry.name).bytes(), Arc::clone(&entry));
        writer.insert(client.id, entry);
    }

    /// Takes clients out. Their tokens end by a cut, which is to be applied before.
    pub(crate) fn remove_clients(&self, gone: impl Fn(&ClientEntry) -> bool) {
        let mut writer = self.writer();
        writer.retain(|_, entry| {
            let goes = gone(entry);
            // The name may be another client's already.
            let digest = NameDigest::of(&entry.name).bytes();
            if goes && self.clients.get(&digest).is_some_and(|named| named.number == entry.number) {
                self.clients.remove(&digest);
            }
            !goes
        });
    }

    pub(crate) fn apply(&self, cuts: &[Cut], now_ms: i64) {
        self.cuts.apply(cuts, now_ms);
    }

    /// Takes over what a store holds, after another process has changed it.
    pub(crate) fn take_over(
        &self,
        clients: &[Client],
        cuts: &[Cut],
        keys: &[SigningKey],
        consumer: impl Fn(i64) -> Option<Arc<ConsumerEntry>>,
        now_ms: i64,
    ) -> Result<(), SigningError> {
        self.apply(cuts, now_ms);
        let known: HashSet<i64> = clients.iter().map(|client| client.id).collect();
        self.remove_clients(|entry| !known.contains(&entry.number));
        for client in clients {
            if let Some(consumer) = consumer(client.consumer_id) {
                self.put_client(client, consumer);
            }
        }
        self.set_keys(keys)
    }

    fn writer(&self) -> MutexGuard<'_, HashMap<i64, Arc<ClientEntry>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn standing(entry: Arc<TokenEntry>, now_ms: i64) -> Result<Arc<TokenEntry>, TokenFault> {
    if entry.is_revoked() {
        Err(TokenFault::Revoked(entry))
    } else if entry.is_expired(now_ms) {
        Err(TokenFault::Expired(entry))
    } else {
        Ok(entry)
    }
}

impl fmt::Debug for TokenTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenTable({} clients)", self.clients.len())
    }
}
