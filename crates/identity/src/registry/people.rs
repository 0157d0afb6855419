//! Acts on people's accounts, and signing in.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::{Secret, Session, User, bounds};
use callgate_store::{Actor, NewSession, StoreError, pepper};

use super::{Registry, RegistryError};
use crate::people::Busy;
use crate::random::Random;

/// Somebody who wants to sign in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// As they call themselves.
    pub name: String,
    /// Their password.
    pub password: Secret,
    /// From where.
    pub address: IpAddr,
    /// What their browser calls itself.
    pub agent: String,
    /// What their browser's cookie holds so far: that is over, whatever it was (session fixation).
    pub before: Option<Secret>,
}

/// Why somebody is not signed in.
#[derive(Debug)]
pub enum SignInFault {
    /// No such account, a wrong password, or a disabled one: nobody is told which.
    Wrong,
    /// Too many tries failed; how long to wait, in milliseconds.
    TooOften(i64),
    /// Too many passwords are waiting to be looked at.
    Busy,
    /// What the store says.
    Failed(RegistryError),
}

/// 62^43 > 2^256.
const SECRET_CHARS: usize = 43;
/// Characters kept of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 200;

// === impl Registry ===

impl Registry {
    /// Makes an account.
    ///
    /// # Errors
    /// A name that is taken or is none, or a password that is too short or too long.
    pub async fn create_user(&self, actor: &Actor, name: &str, password: &Secret) -> Result<User, RegistryError> {
        let (actor, name, password) = (actor.clone(), name.to_owned(), self.hashed_password(password).await?);
        self.act(move |inner| async move { Ok(inner.store.users_create(&actor, &name, password).await?) }).await
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn users(&self) -> Result<Vec<User>, RegistryError> {
        Ok(self.0.store.users_list().await?)
    }

    /// Gives an account another password. Its sessions and every token on its behalf are over when this answers.
    ///
    /// # Errors
    /// There is no such account, or a password that is too short or too long.
    pub async fn set_password(&self, actor: &Actor, name: &str, password: &Secret) -> Result<User, RegistryError> {
        self.0.store.users_get(name).await?;
        let (actor, name, password) = (actor.clone(), name.to_owned(), self.hashed_password(password).await?);
        self.act(move |inner| async move {
            let (user, cut) = inner.store.users_set_password(&actor, &name, password).await?;
            inner.apply(&[cut]);
            Ok(user)
        })
        .await
    }

    /// Takes an account's power away. Its sessions and every token on its behalf are over when this answers.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn disable_user(&self, actor: &Actor, name: &str) -> Result<User, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let (user, cut) = inner.store.users_disable(&actor, &name).await?;
            inner.apply(&[cut]);
            Ok(user)
        })
        .await
    }

    /// Lets somebody sign in again.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn enable_user(&self, actor: &Actor, name: &str) -> Result<User, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move { Ok(inner.store.users_enable(&actor, &name).await?) }).await
    }

    /// Removes an account with everything that came of it.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn remove_user(&self, actor: &Actor, name: &str) -> Result<User, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let (user, cut) = inner.store.users_remove(&actor, &name).await?;
            inner.apply(&[cut]);
            Ok(user)
        })
        .await
    }

    /// Revokes every token on somebody's behalf so far, refresh tokens too, and forgets what they agreed to.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn revoke_tokens_of_user(&self, actor: &Actor, name: &str) -> Result<User, RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move {
            let (user, cut) = inner.store.users_revoke_tokens(&actor, &name).await?;
            inner.apply(&[cut]);
            Ok(user)
        })
        .await
    }

    /// Somebody's sessions, the one used last first.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn sessions_of(&self, name: &str) -> Result<Vec<Session>, RegistryError> {
        Ok(self.0.store.sessions_of(name).await?)
    }

    /// Ends every session of somebody; answers how many there were.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn sign_out_user(&self, actor: &Actor, name: &str) -> Result<(User, u64), RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.act(move |inner| async move { Ok(inner.store.sessions_end_of(&actor, &name).await?) }).await
    }

    /// Signs somebody in: a session, and the value of its cookie, which is in no other place than this answer.
    ///
    /// # Errors
    /// See [`SignInFault`].
    pub async fn sign_in(&self, asked: SignIn) -> Result<(User, Secret), SignInFault> {
        let inner = &self.0;
        inner.succession.check().map_err(SignInFault::Failed)?;
        let begun_ms = inner.clock.unix_ms();
        let tried = inner.throttle.begin(&asked.name, asked.address, begun_ms).map_err(SignInFault::TooOften)?;
        let found = inner.store.users_with_password(&asked.name).await.map_err(failed)?;
        let (user, kept) = found.map_or((None, None), |(user, kept)| (Some(user), Some(kept)));
        let is_it = inner.passwords.verify(&asked.password, kept).await.map_err(|Busy| SignInFault::Busy)?;
        let user = user.filter(|user| is_it && !user.disabled).ok_or(SignInFault::Wrong)?;
        inner.throttle.succeeded(tried, inner.clock.unix_ms());
        let cookie = random_text().map_err(SignInFault::Failed)?;
        let new = NewSession {
            hash: inner.hashed(&cookie).0,
            user_id: user.id,
            address: asked.address.to_string(),
            agent: asked.agent.chars().filter(|one| !one.is_control()).take(AGENT_CHARS_MAX).collect(),
        };
        let before = asked.before.map(|before| inner.store.hashes_of(&before)).unwrap_or_default();
        match inner.store.sessions_begin(new, before).await {
            Ok(_) => Ok((user, cookie)),
            // Disabled or removed in this very moment.
            Err(StoreError::NotFound { .. }) => Err(SignInFault::Wrong),
            Err(error) => Err(failed(error)),
        }
    }

    /// Who is signed in in a browser with this cookie.
    ///
    /// # Errors
    /// What the store says.
    pub async fn signed_in(&self, cookie: &Secret) -> Result<Option<User>, RegistryError> {
        let found = self.0.store.sessions_find(self.0.store.hashes_of(cookie)).await?;
        Ok(found.map(|(_, user)| user))
    }

    /// Ends the session of this cookie.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sign_out(&self, cookie: &Secret) -> Result<(), RegistryError> {
        self.0.succession.check()?;
        Ok(self.0.store.sessions_end(self.0.store.hashes_of(cookie)).await?)
    }

    /// A value for the cookie of a browser in which nobody is signed in yet.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new_cookie(&self) -> Result<Secret, RegistryError> {
        random_text()
    }

    /// What a form for the browser with this cookie carries, and no other page can know.
    #[must_use]
    pub fn form_proof(&self, cookie: &Secret) -> String {
        let text = format!("form:{}", cookie.expose());
        URL_SAFE_NO_PAD.encode(pepper::hash(&self.0.store.peppers().current, &text))
    }

    /// Whether a form was made for the browser with this cookie.
    #[must_use]
    pub fn is_form_of(&self, cookie: &Secret, proof: &str) -> bool {
        verify_slices_are_equal(self.form_proof(cookie).as_bytes(), proof.as_bytes()).is_ok()
    }

    async fn hashed_password(&self, password: &Secret) -> Result<Secret, RegistryError> {
        let chars = password.expose().chars().count();
        if !bounds::PASSWORD_CHARS.contains(&chars) {
            let (least, most) = (bounds::PASSWORD_CHARS.start(), bounds::PASSWORD_CHARS.end());
            let problem = format!("the password has {chars} characters: write {least} to {most}");
            return Err(RegistryError::request(problem));
        }
        self.0.passwords.hash(password).await
    }
}

pub(super) fn random_text() -> Result<Secret, RegistryError> {
    let mut random = Random::new()?;
    let text = callgate_model::key::base62(SECRET_CHARS, || random.byte());
    random.check()?;
    Ok(Secret::new(text))
}

fn failed(error: StoreError) -> SignInFault {
    SignInFault::Failed(error.into())
}
