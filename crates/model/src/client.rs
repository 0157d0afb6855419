//! OAuth clients and the tokens issued to them, as the store keeps them and the gate reads them.

use serde::{Deserialize, Serialize};

/// How a client comes to a token (RFC 6749 section 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// On its own account, with its own secret (section 4.4).
    ClientCredentials,
    /// For a person who signed in and agreed, by a code and the proof that it came back to who asked (section 4.1, RFC 7636).
    AuthorizationCode,
    /// For that person again, by a token that is worth one answer (section 6).
    RefreshToken,
}

/// A program that asks for tokens. Its name is its `client_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The number that the store gave it; never given again.
    pub id: i64,
    /// Unique: 1 to 64 of `a-z A-Z 0-9 . _ -`. A removed client's name may be given again; its tokens are not the new one's.
    pub name: String,
    /// The consumer whose plan its tokens are held to.
    pub consumer_id: i64,
    /// HMAC-SHA-256 of its secret under the pepper below. Never leaves the store and the registry.
    #[serde(skip)]
    pub secret_hash: [u8; 32],
    /// Which pepper the hash was made with.
    #[serde(skip)]
    pub pepper_id: u32,
    /// How it may come to tokens.
    pub grants: Vec<Grant>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Where a person's browser may be sent back to; each one is [`crate::redirect::is_redirect`].
    pub redirects: Vec<String>,
    /// It can keep no secret, and has none: a program in a browser, on a desk, on a phone.
    pub public: bool,
    /// The last token number given before it was made: tokens up to here are of an earlier client of this name.
    pub tokens_after: i64,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
}

/// An access token as the store remembers it; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its place among all tokens of the store, from 1; never given again. Revocation compares these, never clocks.
    pub number: i64,
    /// Whose it is.
    pub client_id: i64,
    /// On whose behalf, when a person signed in.
    pub user_id: Option<i64>,
    /// What it descends from, when a person signed in.
    pub family_id: Option<i64>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whom it is for (RFC 8707): where it is taken.
    pub audience: String,
    /// When it was issued, Unix milliseconds.
    pub issued_ms: i64,
    /// From when it is not valid any more, Unix milliseconds.
    pub expires_ms: i64,
}

/// Whose tokens a revocation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokensOf {
    /// The one with this number.
    Token(i64),
    /// Every one of the client with this number.
    Client(i64),
    /// Every one on behalf of the user with this number.
    User(i64),
    /// Every one that descends from one code.
    Family(i64),
}

/// A revocation: every token of this subject with a number up to this one is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Whose.
    pub of: TokensOf,
    /// Up to this number, itself included.
    pub up_to: i64,
    /// When the last of them would have expired, and the cut can be forgotten; Unix milliseconds.
    pub until_ms: i64,
}

// === impl Grant ===

impl Grant {
    /// Every grant that there is.
    pub const ALL: [Grant; 3] = [Grant::ClientCredentials, Grant::AuthorizationCode, Grant::RefreshToken];

    /// Its name, as OAuth writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::AuthorizationCode => "authorization_code",
            Grant::RefreshToken => "refresh_token",
        }
    }

    /// The grant with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Grant> {
        Grant::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

// === impl TokensOf ===

impl TokensOf {
    /// The kind and the number, as the store keeps them.
    #[must_use]
    pub const fn parts(self) -> (&'static str, i64) {
        match self {
            TokensOf::Token(number) => ("token", number),
            TokensOf::Client(number) => ("client", number),
            TokensOf::User(number) => ("user", number),
            TokensOf::Family(number) => ("family", number),
        }
    }

    /// The same, read back.
    #[must_use]
    pub fn from_parts(kind: &str, number: i64) -> Option<TokensOf> {
        match kind {
            "token" => Some(TokensOf::Token(number)),
            "client" => Some(TokensOf::Client(number)),
            "user" => Some(TokensOf::User(number)),
            "family" => Some(TokensOf::Family(number)),
            _ => None,
        }
    }
}
