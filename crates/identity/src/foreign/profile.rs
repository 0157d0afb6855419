//! Whose habits a token has: what says that it is an access token, who its client is, whom it is for, what it may do.
//!
//! That it is no ID token is the point of most of these rules. An ID token is signed by the same keys, and it is shown to
//! programs that must not call with it.

use callgate_model::Profile;

use super::algorithm::Algorithm;
use super::claims::Claims;

/// What a token says, once a profile has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Who asked for it.
    pub(super) client: Box<str>,
    /// On whose behalf; the client itself where the token says nothing.
    pub(super) subject: Box<str>,
    /// Whom it is for.
    pub(super) audiences: Box<[Box<str>]>,
    /// What it may do.
    pub(super) scopes: Box<[Box<str>]>,
}

/// Why a signed token is no access token, for the operator.
pub(super) type Fault = &'static str;

const ALL: &[Algorithm] = &[Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Ed25519];
const RSA: &[Algorithm] = &[Algorithm::Rs256, Algorithm::Ps256];
const RS256: &[Algorithm] = &[Algorithm::Rs256];

/// What only ID tokens say (OpenID Connect Core sections 2 and 3.3.2.11).
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// By what such tokens may be signed.
pub(super) const fn algorithms(profile: Profile) -> &'static [Algorithm] {
    match profile {
        Profile::Rfc9068 | Profile::Keycloak => ALL,
        Profile::Auth0 => RSA,
        Profile::Entra | Profile::Cognito => RS256,
    }
}

/// Which claim names the client, for what a configuration leaves unsaid.
pub const fn client_claim(profile: Profile) -> &'static str {
    match profile {
        Profile::Rfc9068 | Profile::Cognito => "client_id",
        Profile::Keycloak | Profile::Auth0 | Profile::Entra => "azp",
    }
}

/// Reads a token whose signature was found good. `typ` is what its header says.
pub(super) fn read(profile: Profile, typ: Option<&str>, claims: &Claims) -> Result<Said, Fault> {
    match profile {
        Profile::Rfc9068 => standard(typ, claims)?,
        Profile::Keycloak => keycloak(typ, claims)?,
        Profile::Entra => entra(typ, claims)?,
        Profile::Auth0 => auth0(typ, claims)?,
        Profile::Cognito => cognito(claims)?,
    }
    let client = match claims.name(client_claim(profile))? {
        None if profile == Profile::Entra => claims.name("appid")?,
        found => found,
    };
    let client = client.ok_or("without a client")?;
    let mut audiences = claims.names("aud")?;
    if audiences.is_empty() && profile == Profile::Cognito {
        // Only a token that was asked for with a resource names one; the others are for their own client.
        audiences.push(client.into());
    }
    let scopes: &[&str] = match profile {
        Profile::Entra => &["scp", "roles"],
        Profile::Auth0 => &["scope", "permissions"],
        Profile::Rfc9068 | Profile::Keycloak | Profile::Cognito => &["scope"],
    };
    let mut found: Vec<Box<str>> = scopes.iter().flat_map(|name| claims.scopes(name)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(Said {
        client: client.into(),
        subject: claims.name("sub")?.unwrap_or(client).into(),
        audiences: audiences.into(),
        scopes: found.into(),
    })
}

/// RFC 9068 section 4: the type says it, and what section 2.2 requires is there.
fn standard(typ: Option<&str>, claims: &Claims) -> Result<(), Fault> {
    if !is_at_jwt(typ) {
        return Err("no access token: its type is not `at+jwt`");
    }
    match ["sub", "client_id", "aud"].iter().all(|name| claims.has(name)) {
        true => Ok(()),
        false => Err("without one of `sub`, `client_id` and `aud`"),
    }
}

/// Every token of Keycloak says in a claim what it is: `Bearer` or `DPoP`, and `ID`, `Refresh`, `Logout` and others. One that
/// says `DPoP` without being bound to a key was cut.
fn keycloak(typ: Option<&str>, claims: &Claims) -> Result<(), Fault> {
    match claims.text("typ") {
        Some("Bearer") if is_jwt(typ) || is_at_jwt(typ) => Ok(()),
        Some("DPoP") if (is_jwt(typ) || is_at_jwt(typ)) && claims.has("cnf") => Ok(()),
        _ => Err("no access token: its claim `typ` is neither `Bearer` nor `DPoP`"),
    }
}

/// Access tokens of Entra ID say who the client is and how it authenticated, ID tokens don't; and they have a scope or a role.
fn entra(typ: Option<&str>, claims: &Claims) -> Result<(), Fault> {
    let of_client = ["azpacr", "appidacr"].iter().any(|name| claims.has(name));
    let may = ["scp", "roles"].iter().any(|name| claims.has(name));
    match is_jwt(typ) && of_client && may && !is_of_id_tokens(claims) {
        true => Ok(()),
        false => Err("no access token: it lacks `azpacr`, or `scp` and `roles`, or says what only ID tokens say"),
    }
}

/// ID tokens of Auth0 are for their client, and access tokens for an API that is none.
fn auth0(typ: Option<&str>, claims: &Claims) -> Result<(), Fault> {
    let for_client = claims.names("aud")?.iter().any(|audience| Some(&**audience) == claims.text("azp"));
    match is_jwt(typ) && !for_client && !is_of_id_tokens(claims) {
        true => Ok(()),
        false => Err("no access token: it is for its own client, or says what only ID tokens say"),
    }
}

/// Every token of Cognito says in a claim what it is.
fn cognito(claims: &Claims) -> Result<(), Fault> {
    match claims.text("token_use") {
        Some("access") => Ok(()),
        _ => Err("no access token: its claim `token_use` is not `access`"),
    }
}

fn is_of_id_tokens(claims: &Claims) -> bool {
    OF_ID_TOKENS.iter().any(|name| claims.has(name))
}

/// Types are media types without `application/`, compared without case (RFC 7515 section 4.1.9).
fn is_type(typ: Option<&str>, wanted: &str) -> bool {
    typ.is_some_and(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == wanted
    })
}

fn is_at_jwt(typ: Option<&str>) -> bool {
    is_type(typ, "at+jwt")
}

fn is_jwt(typ: Option<&str>) -> bool {
    typ.is_none() || is_type(typ, "jwt")
}

#[cfg(test)]
mod tests;
