//! People who sign in at the issuer, and what they hold there.

use serde::{Deserialize, Serialize};

/// The cookie of a session, where the issuer is reached over TLS. A browser takes a cookie of this prefix only from the host
/// itself, for all of it, over TLS (RFC 6265bis section 4.1.3.2): nobody beside or below the host can plant one.
pub const SESSION_COOKIE: &str = "__Host-callgate";
/// The same on loopback in the clear, where browsers refuse the prefix. Cookies know no ports there, so it has a name of its
/// own, and the gate takes it out of what goes to upstreams and of what they answer.
pub const LOOPBACK_SESSION_COOKIE: &str = "callgate-session";

/// A person with an account of this gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The number that the store gave it; never given again.
    pub id: i64,
    /// Unique among users and clients: it is the `sub` of tokens, as a client's name is.
    pub name: String,
    /// May not sign in, and nothing issued before works.
    pub disabled: bool,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
}

/// A browser in which somebody signed in. Its secret is the cookie's value, of which the store keeps a keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The number that the store gave it.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// The address that signed in.
    pub address: String,
    /// What its browser calls itself, cut short.
    pub agent: String,
    /// When it began, Unix milliseconds.
    pub created_ms: i64,
    /// When it was last used, to the minute; Unix milliseconds.
    pub used_ms: i64,
}

/// What a person granted a client, by one sign-in: every token that descends from one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// The number that the store gave it; never given again.
    pub id: i64,
    /// To which client.
    pub client_id: i64,
    /// By whom.
    pub user_id: i64,
    /// What was granted; a token may carry less.
    pub scopes: Vec<String>,
    /// Whom its tokens are for.
    pub audience: String,
    /// When its code was redeemed, Unix milliseconds.
    pub created_ms: i64,
    /// When a token was last issued from it, Unix milliseconds.
    pub used_ms: i64,
    /// From when on nothing more is issued from it, however much it is used; Unix milliseconds.
    pub ends_ms: i64,
}
