//! What people grant to clients: codes, and the families of tokens that come of them.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::{Cut, Secret, Token, bounds};
use callgate_store::{Actor, FoundFamily, NewCode, Redeemed, Redemption, Refreshed, Refreshing};

use super::clients::Issued;
use super::people::random_text;
use super::{Inner, Registry, RegistryError};
use crate::tokens::{Claims, ClientEntry, Confirmation};

/// What somebody who is signed in grants.
#[derive(Debug, Clone)]
pub struct Grantable {
    /// To whom.
    pub client: Arc<ClientEntry>,
    /// By whom: the user's number.
    pub user_id: i64,
    /// The address that the code is sent to; one of the client's.
    pub redirect: String,
    /// S256 of the client's verifier (RFC 7636).
    pub challenge: String,
    /// Scopes, each one that the client may have.
    pub scopes: Vec<String>,
    /// Whom tokens are for, if the client said.
    pub audience: Option<String>,
    /// They were asked just now.
    pub agreed: bool,
}

/// A code that its client brings back.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Who asks.
    pub client: Arc<ClientEntry>,
    /// The code, or the refresh token.
    pub text: Secret,
    /// What the challenge was made of; of a refresh token nothing.
    pub verifier: Secret,
    /// Where the client says that the code was sent to.
    pub redirect: Option<String>,
    /// Of a refresh token: scopes, if fewer than were granted.
    pub scopes: Option<Vec<String>>,
    /// Whom it says that tokens are for.
    pub audience: Option<String>,
    /// The thumbprint of the key that it proves to hold, which its tokens shall be bound to.
    pub key: Option<String>,
}

/// Tokens on somebody's behalf.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The access token.
    pub issued: Issued,
    /// What it can be led on by, for a client that may.
    pub refresh: Option<Secret>,
}

/// Why a code or a refresh token leads to nothing.
#[derive(Debug)]
pub enum GrantFault {
    /// It is worth nothing; why, for the operator.
    Worthless(&'static str),
    /// Scopes that were not granted.
    Scope,
    /// A resource that was not granted.
    Audience,
    /// The store failed, or this gate is no issuer.
    Failed(RegistryError),
}

/// Begins every code and refresh token, so that scanners for leaked secrets can know one.
const CODE_PREFIX: &str = "cgac_";
const REFRESH_PREFIX: &str = "cgrt_";
/// What every refresh token of a family begins with: 62^22 > 2^128.
const HANDLE_CHARS: usize = 22;
/// Of a code or a refresh token; see `random_text`.
const SECRET_CHARS: usize = 43;

/// Why, for the operator.
const REPLAYED: &str = "used twice: whatever came of it is dead";

// === impl Registry ===

impl Registry {
    /// The scopes that somebody agreed to give a client before; none where they were never asked.
    ///
    /// # Errors
    /// What the store says.
    pub async fn consented(&self, user_id: i64, client: &ClientEntry) -> Result<Option<Vec<String>>, RegistryError> {
        Ok(self.0.store.consents_get(user_id, client.number).await?)
    }

    /// Gives out a code. The store knows it before anybody else does.
    ///
    /// # Errors
    /// The client or the account was removed meanwhile, or the account disabled.
    pub async fn issue_code(&self, asked: Grantable) -> Result<Secret, RegistryError> {
        self.0.succession.check()?;
        let code = Secret::new(format!("{CODE_PREFIX}{}", random_text()?.expose()));
        let Grantable { client, user_id, redirect, challenge, scopes, audience, agreed } = asked;
        let hash = self.0.hashed(&code).0;
        let new = NewCode { hash, client_id: client.number, user_id, redirect, challenge, scopes, audience, agreed };
        self.0.store.codes_issue(new).await?;
        Ok(code)
    }

    /// Takes a code for tokens, once.
    ///
    /// # Errors
    /// See [`GrantFault`].
    pub async fn redeem(&self, asked: Presented) -> Result<Granted, GrantFault> {
        self.to_its_end(async move |registry| registry.redeem_whole(asked).await).await
    }

    /// Takes a refresh token for its successor and an access token.
    ///
    /// # Errors
    /// See [`GrantFault`].
    pub async fn refresh(&self, asked: Presented) -> Result<Granted, GrantFault> {
        self.to_its_end(async move |registry| registry.refresh_whole(asked).await).await
    }

    /// The family of a refresh token, while it lives.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find_refresh(&self, text: &Secret) -> Result<Option<FoundFamily>, RegistryError> {
        let Some(handle) = handle(text) else { return Ok(None) };
        let store = &self.0.store;
        Ok(store.families_find(store.hashes_of(&handle), store.hashes_of(text)).await?)
    }

    /// Ends the family of a refresh token, whichever of it this is; only for its own client.
    ///
    /// # Errors
    /// What the store says.
    pub async fn revoke_refresh(
        &self,
        actor: &Actor,
        text: &Secret,
        client: &ClientEntry,
    ) -> Result<bool, RegistryError> {
        let found = self.find_refresh(text).await?;
        let Some(found) = found.filter(|found| found.family.client_id == client.number) else { return Ok(false) };
        let actor = actor.clone();
        self.act(move |inner| async move {
            inner.apply(&[inner.store.families_revoke(&actor, &found.family).await?]);
            Ok(true)
        })
        .await
    }

    async fn redeem_whole(&self, asked: Presented) -> Result<Granted, GrantFault> {
        let inner = &self.0;
        let (issuer, expires_ms) = inner.about_to_issue()?;
        let may_refresh = asked.client.grants.contains(&callgate_model::Grant::RefreshToken);
        let refresh = may_refresh.then(|| -> Result<_, RegistryError> { refresh_text(&new_handle()?) }).transpose()?;
        let hashed = refresh.as_ref().and_then(|text| Some((inner.hashed(&handle(text)?).0, inner.hashed(text).0)));
        let redemption = Redemption {
            code: inner.store.hashes_of(&asked.text),
            client_id: asked.client.number,
            redirect: asked.redirect,
            challenge: s256(&asked.verifier),
            audience: asked.audience,
            audience_default: issuer,
            refresh: hashed,
            key: asked.key.clone().filter(|_| asked.client.public),
            expires_ms,
        };
        match inner.store.codes_redeem(redemption).await.map_err(RegistryError::from)? {
            Redeemed::Issued { user, token } => {
                Ok(Granted { issued: inner.signed(token, &asked.client.name, &user.name, asked.key)?, refresh })
            }
            Redeemed::Replayed(cut) => Err(self.cut_off(cut).await),
            Redeemed::Refused(why) => Err(GrantFault::Worthless(why)),
        }
    }

    async fn refresh_whole(&self, asked: Presented) -> Result<Granted, GrantFault> {
        let inner = &self.0;
        let (_, expires_ms) = inner.about_to_issue()?;
        let handle = handle(&asked.text).ok_or(GrantFault::Worthless("no refresh token by its form"))?;
        let successor = refresh_text(&handle)?;
        let refreshing = Refreshing {
            handle: inner.store.hashes_of(&handle),
            presented: inner.store.hashes_of(&asked.text),
            successor: inner.hashed(&successor).0,
            client_id: asked.client.number,
            scopes: asked.scopes,
            audience: asked.audience,
            key: asked.key.clone(),
            expires_ms,
        };
        match inner.store.families_refresh(refreshing).await.map_err(RegistryError::from)? {
            Refreshed::Issued { user, token } => {
                let issued = inner.signed(token, &asked.client.name, &user.name, asked.key)?;
                Ok(Granted { issued, refresh: Some(successor) })
            }
            Refreshed::Reused(cut) => Err(self.cut_off(cut).await),
            Refreshed::Refused(why) => Err(GrantFault::Worthless(why)),
            Refreshed::ScopeExceeded => Err(GrantFault::Scope),
            Refreshed::OtherAudience => Err(GrantFault::Audience),
        }
    }

    /// Applies a cut that is committed already, in the order of acts, and tells those who serve beside this process.
    async fn cut_off(&self, cut: Cut) -> GrantFault {
        let applied = self
            .act(move |inner| async move {
                inner.apply(&[cut]);
                Ok(())
            })
            .await;
        match applied {
            Ok(()) => GrantFault::Worthless(REPLAYED),
            Err(error) => GrantFault::Failed(error),
        }
    }

    /// Runs in a task of its own: whoever stops waiting must not keep the table from learning what was committed.
    async fn to_its_end<F>(&self, work: impl FnOnce(Registry) -> F) -> Result<Granted, GrantFault>
    where
        F: Future<Output = Result<Granted, GrantFault>> + Send + 'static,
    {
        tokio::spawn(work(self.clone())).await.unwrap_or(Err(GrantFault::Failed(RegistryError::Ending)))
    }
}

// === impl Inner ===

impl Inner {
    /// The issuer's URL, and until when a token issued now is valid.
    pub(super) fn about_to_issue(&self) -> Result<(String, i64), RegistryError> {
        self.succession.check()?;
        let issuer = self.tokens.issuer().ok_or_else(not_an_issuer)?;
        let lifetime_ms = i64::try_from(bounds::TOKEN_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        // A token's own clock has whole seconds; rounded down, so that it never outlives a cut.
        let expires_ms = self.clock.unix_ms().saturating_add(lifetime_ms) / 1_000 * 1_000;
        Ok((issuer.to_string(), expires_ms))
    }

    /// The text of a token that the store knows; bound to the key of this thumbprint, if there is one.
    pub(super) fn signed(
        &self,
        token: Token,
        client: &str,
        subject: &str,
        key: Option<String>,
    ) -> Result<Issued, RegistryError> {
        let issuer = self.tokens.issuer().ok_or_else(not_an_issuer)?;
        let claims = Claims {
            iss: issuer.to_string(),
            sub: subject.to_owned(),
            aud: token.audience.clone(),
            exp: token.expires_ms / 1_000,
            iat: token.issued_ms / 1_000,
            jti: token.number.to_string(),
            client_id: client.to_owned(),
            scope: token.scopes.join(" "),
            user: token.user_id,
            family: token.family_id,
            cnf: key.map(|key| Confirmation { jkt: Some(key), ..Confirmation::default() }),
        };
        let text = self.tokens.sign(&claims).ok_or_else(not_an_issuer)??;
        Ok(Issued { token, text: Secret::new(text) })
    }
}

// === impl GrantFault ===

impl From<RegistryError> for GrantFault {
    fn from(error: RegistryError) -> GrantFault {
        GrantFault::Failed(error)
    }
}

fn not_an_issuer() -> RegistryError {
    RegistryError::request("this gate issues no tokens: write `issuer:` into its configuration")
}

/// RFC 7636 section 4.2.
fn s256(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

fn new_handle() -> Result<Secret, RegistryError> {
    let text = random_text()?;
    Ok(Secret::new(text.expose().chars().take(HANDLE_CHARS).collect::<String>()))
}

fn refresh_text(handle: &Secret) -> Result<Secret, RegistryError> {
    Ok(Secret::new(format!("{REFRESH_PREFIX}{}{}", handle.expose(), random_text()?.expose())))
}

/// The part of a refresh token that its family is found by; none of a text that has not the form of one.
fn handle(text: &Secret) -> Option<Secret> {
    let rest = text.expose().strip_prefix(REFRESH_PREFIX)?;
    let has_form = rest.len() == HANDLE_CHARS + SECRET_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (handle, _) = has_form.then(|| rest.split_at_checked(HANDLE_CHARS)).flatten()?;
    Some(Secret::new(handle))
}
