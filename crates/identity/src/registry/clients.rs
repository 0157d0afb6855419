//! Acts on OAuth clients, their tokens and the keys that sign them.

use std::sync::Arc;

use callgate_model::{Client, Cut, Grant, Secret, SigningAlgorithm, Token, TokensOf};
use callgate_store::{Actor, KeyRole, NewClient, NewToken, Rotation, SigningKey, pepper};

use super::{Inner, Registry, RegistryError};
use crate::random::Random;
use crate::tokens::{ClientEntry, TokenEntry, TokenFault, signing};

/// A client as somebody asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientRequest {
    /// Its name and `client_id`.
    pub name: String,
    /// The consumer whose plan holds for it; without one, one of the client's own name, which is made if it is missing.
    pub consumer: Option<String>,
    /// How it may come to tokens.
    pub grants: Vec<Grant>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Where a person's browser may be sent back to.
    pub redirects: Vec<String>,
    /// It can keep no secret, and gets none.
    pub public: bool,
}

/// A token as an authenticated client asks for it.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Who asks.
    pub client: Arc<ClientEntry>,
    /// The scopes asked for, each one that the client may have.
    pub scopes: Vec<String>,
    /// Whom it shall be for; without one, for every API of this gate.
    pub audience: Option<String>,
    /// The thumbprint of the key that it shall be bound to.
    pub key: Option<String>,
}

/// A token just issued: the only moment at which its text is known.
#[derive(Debug, Clone)]
pub struct Issued {
    /// What the store keeps.
    pub token: Token,
    /// What its holder sends.
    pub text: Secret,
}

/// What became of a text that was to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// This token is dead from now on.
    Token {
        /// Its number.
        number: i64,
        /// Whose it was.
        client: String,
    },
    /// It was dead before, or is none of ours.
    Nothing,
}

/// Begins every client secret, so that scanners for leaked secrets can know one.
const SECRET_PREFIX: &str = "cgcs_";
/// 62^43 > 2^256.
const SECRET_CHARS: usize = 43;

// === impl Registry ===

impl Registry {
    /// Makes a client. The secret is in no other place than this answer; a public one has none.
    ///
    /// # Errors
    /// A name that is taken or is none, a consumer that is missing, or another value that can't be kept.
    pub async fn create_client(
        &self,
        actor: &Actor,
        request: ClientRequest,
    ) -> Result<(Client, Option<Secret>), RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            // Of a public client a secret is hashed that nobody ever sees.
            let secret = client_secret()?;
            let (secret_hash, pepper_id) = inner.hashed(&secret);
            let ClientRequest { name, consumer, grants, scopes, redirects, public } = request;
            let new = NewClient { name, consumer, secret_hash, pepper_id, grants, scopes, redirects, public };
            let (client, consumer) = inner.store.clients_create(&actor, new).await?;
            inner.table.put_consumer(&consumer);
            inner.put_client(&client);
            Ok((client, (!public).then_some(secret)))
        })
        .await
    }

    /// Every client, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn clients(&self) -> Result<Vec<Client>, RegistryError> {
        Ok(self.0.store.clients_list().await?)
    }

    /// The client with this name.
    ///
    /// # Errors
    /// There is none.
    pub async fn client(&self, name: &str) -> Result<Client, RegistryError> {
        Ok(self.0.store.clients_get(name).await?)
    }

    /// Gives a client another secret; the old one is refused from now on, and tokens live on.
    ///
    /// # Errors
    /// There is no such client.
    pub async fn rotate_client_secret(&self, actor: &Actor, name: &str) -> Result<(Client, Secret), RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let secret = client_secret()?;
            let (secret_hash, pepper_id) = inner.hashed(&secret);
            let client = inner.store.clients_set_secret(&actor, &name, secret_hash, pepper_id).await?;
            inner.put_client(&client);
            Ok((client, secret))
        })
        .await
    }

    /// Removes a client; its tokens are refused from now on.
    ///
    /// # Errors
    /// There is no such client.
    pub async fn remove_client(&self, actor: &Actor, name: &str) -> Result<Client, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let removed = inner.store.clients_remove(&actor, &name).await?;
            inner.apply(&[removed.cut]);
            inner.tokens.remove_clients(|entry| entry.number == removed.client.id);
            Ok(removed.client)
        })
        .await
    }

    /// Issues an access token. The store knows it before anybody else does.
    ///
    /// # Errors
    /// The client was removed meanwhile, or this gate is no issuer.
    pub async fn issue_token(&self, request: TokenRequest) -> Result<Issued, RegistryError> {
        let (issuer, expires_ms) = self.0.about_to_issue()?;
        let TokenRequest { client, scopes, audience, key } = request;
        let audience = audience.unwrap_or(issuer);
        let new = NewToken { client_id: client.number, user_and_family: None, scopes, audience, expires_ms };
        let token = self.0.store.tokens_issue(new).await?;
        self.0.signed(token, &client.name, &client.name, key)
    }

    /// Revokes the token with this text; of `only`, if that is said. A text that is none of ours, or another client's, or
    /// dead already, changes nothing (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// What the store says.
    pub async fn revoke_token(
        &self,
        actor: &Actor,
        text: &Secret,
        only: Option<&ClientEntry>,
    ) -> Result<Revoked, RegistryError> {
        let entry = match self.0.tokens.examine(text.expose(), self.0.clock.unix_ms()) {
            // One whose time is over may have opened a stream that goes on.
            Ok(entry) | Err(TokenFault::Expired(entry)) => entry,
            Err(TokenFault::Revoked(_) | TokenFault::NotOurs(_)) => return Ok(Revoked::Nothing),
        };
        if only.is_some_and(|only| only.number != entry.client.number) {
            return Ok(Revoked::Nothing);
        }
        let (number, client) = (entry.number, entry.client.name.to_string());
        self.revoke_number(actor, number, client.clone()).await?;
        Ok(Revoked::Token { number, client })
    }

    /// Revokes the token with this number; answers with its client's name.
    ///
    /// # Errors
    /// There is none, or nothing is left of it.
    pub async fn revoke_token_number(&self, actor: &Actor, number: i64) -> Result<String, RegistryError> {
        let client = self.0.store.tokens_client(number).await?;
        self.revoke_number(actor, number, client.clone()).await?;
        Ok(client)
    }

    async fn revoke_number(&self, actor: &Actor, number: i64, client: String) -> Result<(), RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            inner.apply(&[inner.store.tokens_revoke(&actor, TokensOf::Token(number), &client).await?]);
            Ok(())
        })
        .await
    }

    /// Revokes every token of a client so far.
    ///
    /// # Errors
    /// There is no such client.
    pub async fn revoke_tokens_of(&self, actor: &Actor, client: &str) -> Result<Client, RegistryError> {
        let (actor, name) = (actor.clone(), client.to_owned());
        self.act(move |inner| async move {
            let client = inner.store.clients_get(&name).await?;
            inner.apply(&[inner.store.tokens_revoke(&actor, TokensOf::Client(client.id), &name).await?]);
            Ok(client)
        })
        .await
    }

    /// What a token says, and how it stands, for whoever administers.
    ///
    /// # Errors
    /// How it stands if it is not good now.
    pub fn inspect_token(&self, text: &Secret) -> Result<Arc<TokenEntry>, TokenFault> {
        self.0.tokens.examine(text.expose(), self.0.clock.unix_ms())
    }

    /// The tokens that are valid now, newest first.
    ///
    /// # Errors
    /// There is no such client.
    pub async fn tokens_list(&self, client: Option<&str>, limit: u32) -> Result<Vec<Token>, RegistryError> {
        let client_id = match client {
            Some(name) => Some(self.client(name).await?.id),
            None => None,
        };
        Ok(self.0.store.tokens_list(client_id, limit).await?)
    }

    /// From here on this URL is the issuer's, and this is what its tokens are signed by; or none is. Keys that sign are made
    /// when there are none, or only such of another algorithm: those sign no more, and what they signed is good until it ends.
    ///
    /// # Errors
    /// What the store says; nothing has changed then.
    pub async fn set_issuer(&self, issuer: Option<(&str, SigningAlgorithm)>) -> Result<(), RegistryError> {
        if let Some((_, algorithm)) = issuer {
            self.0.signing_algorithm.store(Arc::new(algorithm));
            let keys = self.0.store.signing_keys().await?;
            match keys.iter().find(|key| key.role == KeyRole::Current) {
                None => drop(self.let_key_in(&Actor::Local, Rotation::AtOnce).await?),
                Some(key) if key.algorithm != algorithm.name() => {
                    drop(self.let_key_in(&Actor::Local, Rotation::Replace).await?);
                }
                Some(_) => self.0.tokens.set_keys(&keys)?,
            }
        }
        self.0.tokens.set_issuer(issuer.map(|(url, _)| url));
        Ok(())
    }

    /// The keys that sign: current, next, previous.
    ///
    /// # Errors
    /// What the store says.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, RegistryError> {
        Ok(self.0.store.signing_keys().await?)
    }

    /// The next key signs from now on, and one more is made. `at_once` is for a key that leaked: every key is given up, and
    /// every token is dead.
    ///
    /// # Errors
    /// What the store says.
    pub async fn rotate_signing_keys(&self, actor: &Actor, at_once: bool) -> Result<Vec<SigningKey>, RegistryError> {
        self.let_key_in(actor, if at_once { Rotation::AtOnce } else { Rotation::Step }).await
    }

    async fn let_key_in(&self, actor: &Actor, how: Rotation) -> Result<Vec<SigningKey>, RegistryError> {
        let actor = actor.clone();
        self.act(move |inner| async move {
            if how == Rotation::Step {
                // What is to sign must be readable before anything is changed.
                inner.tokens.set_keys(&inner.store.signing_keys().await?)?;
            }
            let algorithm = **inner.signing_algorithm.load();
            let (mut keys, cuts) = inner.store.signing_keys_rotate(&actor, signing::make(algorithm)?, how).await?;
            inner.apply(&cuts);
            if keys.iter().all(|key| key.role != KeyRole::Next) {
                // The one that comes after is known to everybody when it begins to sign.
                let next = signing::make(algorithm)?;
                keys = inner.store.signing_keys_rotate(&actor, next, Rotation::Step).await?.0;
            }
            inner.tokens.set_keys(&keys)?;
            Ok(keys)
        })
        .await
    }
}

// === impl Inner ===

impl Inner {
    pub(super) fn hashed(&self, secret: &Secret) -> ([u8; 32], u32) {
        let pepper = &self.store.peppers().current;
        (pepper::hash(pepper, secret.expose()), pepper.id)
    }

    fn put_client(&self, client: &Client) {
        if let Some(consumer) = self.table.consumer_numbered(client.consumer_id) {
            self.tokens.put_client(client, consumer);
        }
    }

    pub(super) fn apply(&self, cuts: &[Cut]) {
        self.tokens.apply(cuts, self.clock.unix_ms());
    }
}

fn client_secret() -> Result<Secret, RegistryError> {
    let mut random = Random::new()?;
    let text = callgate_model::key::base62(SECRET_CHARS, || random.byte());
    random.check()?;
    Ok(Secret::new(format!("{SECRET_PREFIX}{text}")))
}
