//! Access tokens for calls: asked for, kept in a file of the person's own, led on when they end.
//!
//! A token is asked for at one issuer, and nothing of it is ever sent to another origin: not the client's secret, not the
//! refresh token, whatever the issuer's own documents say. Start reading at [`login`], then [`token`].

mod asking;
mod kept;
mod loopback;
mod random;

use std::time::Duration;

use callgate_model::Clock;

pub use asking::AuthError;
pub use kept::{Keeping, Kept};

use asking::{Asked, Issuer};
use loopback::Loopback;

/// Who logs in, and what for.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The issuer's URL.
    pub issuer: String,
    /// The client's name there.
    pub client_id: String,
    /// The client's secret: it asks for itself then, and nobody signs in.
    pub secret: Option<String>,
    /// Scopes; without one, all that the client may have.
    pub scopes: Vec<String>,
    /// Whom the token is for (RFC 8707).
    pub resource: Option<String>,
}

/// A token that ends sooner is led on first: the call that it is for takes its time, too.
const LEFT_AT_LEAST: Duration = Duration::from_secs(30);

/// Gets a token, by the client's secret or for a person who signs in; `tell` shows them the address to open. What the issuer
/// gave is kept in the place of what was kept of it before.
///
/// # Errors
/// The issuer can't be asked or says no, nobody came back in time, or the file can't be written.
pub async fn login(
    login: &Login,
    keeping: &Keeping,
    clock: &Clock,
    tell: impl FnOnce(&str),
) -> Result<Kept, AuthError> {
    let issuer = Issuer::discover(&login.issuer).await?;
    let asked = match &login.secret {
        Some(_) => issuer.by_secret(login).await?,
        None => {
            let loopback = Loopback::open().await?;
            let sent = issuer.sends_to(login, &loopback.redirect())?;
            tell(&sent.address);
            let code = loopback.code(&issuer, &sent.state).await?;
            issuer.redeem(login, &code, &sent.verifier, &loopback.redirect()).await?
        }
    };
    let kept = Kept::of(&issuer, login, asked, clock);
    let mut file = keeping.open()?;
    file.put(kept.clone());
    file.write()?;
    Ok(kept)
}

/// A token that is good for a while: the one that is kept, or its successor. Without an issuer, of the only one that there is.
///
/// # Errors
/// Nothing is kept, or not of this issuer; the issuer can't be asked or says no.
pub async fn token(issuer: Option<&str>, keeping: &Keeping, clock: &Clock) -> Result<Kept, AuthError> {
    // Held until the successor is on the disk: of two commands at once, one asks and the other finds.
    let mut file = keeping.open()?;
    let kept = file.find(issuer)?.clone();
    let left_ms = kept.expires_ms.saturating_sub(clock.unix_ms());
    if left_ms >= i64::try_from(LEFT_AT_LEAST.as_millis()).unwrap_or(i64::MAX) {
        return Ok(kept);
    }
    let found = Issuer::of(&kept)?;
    let asked: Asked = found.lead_on(&kept).await?;
    let next = kept.led_on(asked, clock);
    file.put(next.clone());
    file.write()?;
    Ok(next)
}

/// What is kept, without its secrets.
///
/// # Errors
/// The file can't be read.
pub fn status(keeping: &Keeping) -> Result<Vec<Kept>, AuthError> {
    Ok(keeping.open()?.all().to_vec())
}

/// Has the issuer end what is kept of it, and forgets it. When the issuer can't be asked it is forgotten all the same, and
/// the error says so.
///
/// # Errors
/// Nothing is kept; the issuer could not be asked.
pub async fn logout(issuer: Option<&str>, keeping: &Keeping) -> Result<Kept, AuthError> {
    let mut file = keeping.open()?;
    let kept = file.find(issuer)?.clone();
    file.remove(&kept.issuer);
    file.write()?;
    match Issuer::of(&kept)?.revoke(&kept).await {
        Ok(()) => Ok(kept),
        Err(source) => Err(AuthError::ForgottenOnly { issuer: kept.issuer, source: Box::new(source) }),
    }
}
