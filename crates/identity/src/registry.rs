//! The one door for administrative acts on consumers and keys.
//!
//! The admin API, the command line without a gate, `guard` and `demo` all come through here. Every act runs in the same
//! three steps: it commits in the store (with its audit entry), it is applied to the key table, and then it is answered.
//! So whoever was told that a key is revoked can rely on the very next call being refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use callgate_model::key::{Kind, mint};
use callgate_model::{Clock, Consumer, Key, KeyId, Secret, SigningAlgorithm};
use callgate_store::{Actor, NewKey, RemovedConsumer, SigningKey, Store, StoreError, pepper};
use tokio::sync::Mutex;

use crate::people::{Passwords, Throttle};
use crate::random::Random;
use crate::request::{self, Checked, KeyRequest};
use crate::table::{KeyFault, KeyTable};
use crate::tokens::{Proofs, SigningError, TokenTable};
use crate::when;

mod clients;
mod grants;
mod people;
mod succession;
#[cfg(test)]
mod tests;

pub use clients::{ClientRequest, Issued, Revoked, TokenRequest};
pub use grants::{GrantFault, Grantable, Granted, Presented};
pub use people::{SignIn, SignInFault};
use succession::Succession;
pub use succession::{Changes, Paused};

/// Store, key table and clock, behind acts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    table: Arc<KeyTable>,
    tokens: Arc<TokenTable>,
    proofs: Arc<Proofs>,
    /// What new signing keys are for.
    signing_algorithm: ArcSwap<SigningAlgorithm>,
    clock: Clock,
    /// The first word of minted keys; a reload may change it.
    brand: ArcSwap<String>,
    passwords: Passwords,
    throttle: Throttle,
    /// Held from commit to apply, so that acts reach the table in the order in which they were committed.
    acts: Arc<Mutex<()>>,
    /// What this process shares with others over the same store, while one takes the place of the other.
    succession: Succession,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The request itself is wrong.
    #[error("{}", problems.join("; "))]
    Request {
        /// Every problem, each a sentence.
        problems: Vec<String>,
    },
    /// The key is already here.
    #[error("this key is already here, as {id} of `{consumer}`{}", if *.revoked { " (revoked)" } else { "" })]
    AlreadyImported {
        /// Its id here.
        id: KeyId,
        /// Whose it is.
        consumer: String,
        /// Whether it was revoked since.
        revoked: bool,
    },
    /// The system gave no random bytes, and a key must not be made of anything else.
    #[error("the system's random generator did not answer; no key was made")]
    NoRandomness,
    /// Too many passwords wait to be hashed.
    #[error("too many passwords wait to be hashed: try again in a moment")]
    PasswordsBusy,
    /// A signing key can't be used, or did not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has taken this one's place.
    #[error("another process has just taken this gate over: try again, and it answers")]
    HandedOver,
    /// The act's task was ended with the runtime: whether it was committed is not known.
    #[error("the program is ending; look whether the act was done, and repeat it if not")]
    Ending,
}

// === impl Registry ===

impl Registry {
    /// Reads every key, client and revocation of the store into tables, and opens the door.
    ///
    /// # Errors
    /// What the store says.
    pub async fn open(store: Store, clock: Clock, brand: impl Into<String>) -> Result<Registry, RegistryError> {
        // Clients before consumers, as keys: a consumer made between the reads has no client among them.
        let clients = store.clients_list().await?;
        let cuts = store.cuts_all().await?;
        let table = Arc::new(KeyTable::load(&store).await?);
        let of = |number| table.consumer_numbered(number);
        let table_of = |keys: &[SigningKey]| TokenTable::new(store.peppers().clone(), &clients, &cuts, keys, of);
        let usable = match store.signing_keys().await {
            Ok(keys) => table_of(&keys).map_err(RegistryError::from),
            Err(error) => Err(error.into()),
        };
        // What has nothing to do with tokens goes on, and so does what mends it. An issuer does not start so.
        let tokens = match usable {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(
                    "no token can be verified: {error}; `callgate signing-keys rotate --at-once` makes new keys"
                );
                table_of(&[])?
            }
        };
        let tokens = Arc::new(tokens);
        let brand = ArcSwap::from_pointee(brand.into());
        Ok(Registry(Arc::new(Inner {
            store,
            table,
            tokens,
            brand,
            passwords: Passwords::new(),
            throttle: Throttle::new(),
            acts: Arc::default(),
            signing_algorithm: ArcSwap::default(),
            proofs: Arc::new(Proofs::new(clock.unix_ms())?),
            clock,
            succession: Succession::default(),
        })))
    }

    /// The table that workers verify keys with.
    #[must_use]
    pub fn table(&self) -> &Arc<KeyTable> {
        &self.0.table
    }

    /// The table that workers verify tokens with.
    #[must_use]
    pub fn tokens(&self) -> &Arc<TokenTable> {
        &self.0.tokens
    }

    /// The proofs of possession that this process has seen.
    #[must_use]
    pub fn proofs(&self) -> &Arc<Proofs> {
        &self.0.proofs
    }

    /// The store behind it, for what is not about consumers and keys.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The clock that moments are read on.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The first word of keys minted from now on.
    pub fn set_brand(&self, brand: impl Into<String>) {
        self.0.brand.store(Arc::new(brand.into()));
    }

    /// Makes a consumer.
    ///
    /// # Errors
    /// A name that is taken or is none.
    pub async fn create_consumer(
        &self,
        actor: &Actor,
        name: &str,
        plan: Option<&str>,
    ) -> Result<Consumer, RegistryError> {
        let (actor, name, plan) = (actor.clone(), name.to_owned(), plan.map(str::to_owned));
        self.act(move |inner| async move {
            let consumer = inner.store.consumers_create(&actor, &name, plan.as_deref()).await?;
            inner.table.put_consumer(&consumer);
            Ok(consumer)
        })
        .await
    }

    /// Every consumer, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn consumers(&self) -> Result<Vec<Consumer>, RegistryError> {
        Ok(self.0.store.consumers_list().await?)
    }

    /// The consumer with this name.
    ///
    /// # Errors
    /// There is none.
    pub async fn consumer(&self, name: &str) -> Result<Consumer, RegistryError> {
        Ok(self.0.store.consumers_get(name).await?)
    }

    /// Puts a consumer on a plan, or on none.
    ///
    /// # Errors
    /// There is no such consumer.
    pub async fn set_plan(&self, actor: &Actor, name: &str, plan: Option<&str>) -> Result<Consumer, RegistryError> {
        let (actor, name, plan) = (actor.clone(), name.to_owned(), plan.map(str::to_owned));
        self.act(move |inner| async move {
            let consumer = inner.store.consumers_set_plan(&actor, &name, plan.as_deref()).await?;
            inner.table.put_consumer(&consumer);
            Ok(consumer)
        })
        .await
    }

    /// Removes a consumer with all its keys and clients, which are refused from now on.
    ///
    /// # Errors
    /// There is no such consumer.
    pub async fn remove_consumer(&self, actor: &Actor, name: &str) -> Result<RemovedConsumer, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let removed = inner.store.consumers_remove(&actor, &name).await?;
            let now_ms = inner.clock.unix_ms();
            inner.tokens.apply(&removed.cuts, now_ms);
            inner.tokens.remove_clients(|client| client.consumer.id == removed.consumer.id);
            inner.table.remove_consumer(removed.consumer.id, now_ms);
            Ok(removed)
        })
        .await
    }

    /// Makes a key. The text is in no other place than this answer.
    ///
    /// # Errors
    /// Every problem of the request, or there is no such consumer.
    pub async fn create_key(&self, actor: &Actor, request: KeyRequest) -> Result<(Key, String), RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            let fit = inner.check(&request)?;
            let consumer = inner.store.consumers_get(&request.consumer).await?;
            let (id, text) = inner.mint(request.kind)?;
            let key = inner.store.keys_insert(&actor, inner.new_key(consumer.id, id, &text, fit)).await?;
            inner.table.put_key(&key);
            Ok((key, text))
        })
        .await
    }

    /// Takes a key over from elsewhere: of its text only the hash is kept.
    ///
    /// # Errors
    /// Every problem of the request and of the text; a text that is here already.
    pub async fn import_key(&self, actor: &Actor, request: KeyRequest, text: Secret) -> Result<Key, RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            request::check_foreign(&text).map_err(|problems| RegistryError::Request { problems })?;
            let fit = inner.check(&request)?;
            inner.refuse_known(&text)?;
            let consumer = inner.store.consumers_get(&request.consumer).await?;
            let (id, _) = inner.mint(request.kind)?;
            let new = inner.new_key(consumer.id, id, text.expose(), fit);
            let key = inner.store.keys_insert(&actor, NewKey { imported: true, ..new }).await?;
            inner.table.put_key(&key);
            Ok(key)
        })
        .await
    }

    /// Revokes a key, for ever.
    ///
    /// # Errors
    /// There is no such key.
    pub async fn revoke_key(&self, actor: &Actor, id: KeyId) -> Result<Key, RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            let key = inner.store.keys_revoke(&actor, id).await?;
            inner.table.put_key(&key);
            Ok(key)
        })
        .await
    }

    /// Makes a key that may do the same, and lets the old one work for `overlap` more. `expires` is for the new one;
    /// without it, it lives as long as the old one was given.
    ///
    /// # Errors
    /// There is no such key, it works no more, or it was rotated before.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        id: KeyId,
        overlap: Duration,
        expires: Option<String>,
        kind: Kind,
    ) -> Result<(Key, String), RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            let old = inner.store.keys_get(id).await?;
            let fit = successor_of(&old, expires, inner.clock.unix_ms())?;
            let (new_id, text) = inner.mint(kind)?;
            let new = inner.new_key(old.consumer_id, new_id, &text, fit);
            let key = inner.store.keys_rotate(&actor, id, new, overlap).await?;
            inner.table.put_key(&key);
            inner.table.put_key(&inner.store.keys_get(id).await?);
            Ok((key, text))
        })
        .await
    }

    /// The keys of a consumer, or all; with the last use as this process knows it.
    ///
    /// # Errors
    /// There is no such consumer.
    pub async fn keys(&self, consumer: Option<&str>) -> Result<Vec<Key>, RegistryError> {
        let consumer_id = match consumer {
            Some(name) => Some(self.consumer(name).await?.id),
            None => None,
        };
        let mut keys = self.0.store.keys_list(consumer_id).await?;
        keys.iter_mut().for_each(|key| self.0.refresh(key));
        Ok(keys)
    }

    /// The key with this id.
    ///
    /// # Errors
    /// There is none.
    pub async fn key(&self, id: KeyId) -> Result<Key, RegistryError> {
        let mut key = self.0.store.keys_get(id).await?;
        self.0.refresh(&mut key);
        Ok(key)
    }

    /// The names of all consumers, by their number: for listings of keys.
    ///
    /// # Errors
    /// What the store says.
    pub async fn consumer_names(&self) -> Result<HashMap<i64, String>, RegistryError> {
        Ok(self.consumers().await?.into_iter().map(|consumer| (consumer.id, consumer.name)).collect())
    }

    /// Writes down when keys were last used; to be called every minute and at the end.
    ///
    /// # Errors
    /// What the store says; these uses are then known to this process alone, until the next ones.
    pub async fn write_touched(&self) -> Result<(), RegistryError> {
        let touched = self.0.table.drain_touched();
        if !touched.is_empty() {
            self.0.store.keys_touch(touched).await?;
        }
        Ok(())
    }

    /// Runs an act from commit to apply in a task of its own: when whoever asked goes away in between (a closed admin
    /// connection drops its future), the table must still learn what the store has committed.
    async fn act<T, F>(&self, act: impl FnOnce(Arc<Inner>) -> F + Send + 'static) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RegistryError>> + Send,
    {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let _in_order = inner.acts.lock().await;
            inner.succession.check()?;
            let done = act(Arc::clone(&inner)).await;
            if done.is_ok() {
                inner.succession.tell().await;
            }
            done
        });
        task.await.unwrap_or(Err(RegistryError::Ending))
    }
}

// === impl Inner ===

impl Inner {
    /// The text of a new key, with an id that no key here has.
    fn mint(&self, kind: Kind) -> Result<(KeyId, String), RegistryError> {
        let mut random = Random::new()?;
        loop {
            let (id, text) = mint(&self.brand.load(), kind, || random.byte());
            random.check()?;
            if self.table.get(id).is_none() {
                return Ok((id, text));
            }
        }
    }

    /// What the store keeps of a key with this text.
    fn new_key(&self, consumer_id: i64, id: KeyId, text: &str, fit: Checked) -> NewKey {
        let pepper = &self.store.peppers().current;
        NewKey {
            id,
            consumer_id,
            label: fit.label,
            hash: pepper::hash(pepper, text),
            pepper_id: pepper.id,
            imported: false,
            scopes: fit.scopes,
            apis: fit.apis,
            ips: fit.ips,
            not_before_ms: fit.not_before_ms,
            expires_ms: fit.expires_ms,
        }
    }

    fn check(&self, request: &KeyRequest) -> Result<Checked, RegistryError> {
        request.check(self.clock.unix_ms()).map_err(|problems| RegistryError::Request { problems })
    }

    /// The same text twice would leave one of its two records without a use. Also true of a revoked key: importing it again
    /// must not bring it back to life.
    fn refuse_known(&self, text: &Secret) -> Result<(), RegistryError> {
        let known = match self.table.judge(text.expose(), self.clock.unix_ms()) {
            Ok(entry) | Err(KeyFault::Revoked(entry) | KeyFault::NotYetValid(entry) | KeyFault::Expired(entry)) => {
                entry
            }
            Err(KeyFault::Garbage | KeyFault::Unknown) => return Ok(()),
        };
        let (id, consumer, revoked) = (known.id, known.consumer.name.to_string(), known.is_revoked());
        Err(RegistryError::AlreadyImported { id, consumer, revoked })
    }

    /// The store learns of uses once a minute; the table knows now.
    fn refresh(&self, key: &mut Key) {
        if let Some(entry) = self.table.get(key.id) {
            key.last_used_ms = key.last_used_ms.max(entry.last_used_ms());
        }
    }
}

/// A key that may do what the old one may, for as long as that one was given.
fn successor_of(old: &Key, expires: Option<String>, now_ms: i64) -> Result<Checked, RegistryError> {
    let begins_ms = old.not_before_ms.map_or(old.created_ms, |from_ms| from_ms.max(old.created_ms));
    let expires_ms = match expires {
        Some(text) => match when::parse(&text, now_ms) {
            Ok(at_ms) if at_ms > now_ms => Some(at_ms),
            Ok(_) => {
                return Err(RegistryError::request(
                    "expires: this moment is past; write one to come, for example `30d`",
                ));
            }
            Err(problem) => return Err(RegistryError::request(format!("expires: {problem}"))),
        },
        None => old.expires_ms.map(|at_ms| now_ms.saturating_add(at_ms.saturating_sub(begins_ms).max(1))),
    };
    Ok(Checked {
        label: old.label.clone(),
        scopes: old.scopes.clone(),
        apis: old.apis.clone(),
        ips: old.ips.clone(),
        not_before_ms: None,
        expires_ms,
    })
}

// === impl RegistryError ===

impl RegistryError {
    pub(crate) fn request(problem: impl Into<String>) -> RegistryError {
        RegistryError::Request { problems: vec![problem.into()] }
    }
}
