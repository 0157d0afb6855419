use callgate_model::Grant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ShownOnce;

/// How a client comes to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientGrant {
    /// On its own account, with its own secret (RFC 6749 section 4.4).
    ClientCredentials,
    /// For a person who signs in and agrees (section 4.1), with a proof key (RFC 7636).
    AuthorizationCode,
    /// For that person again, without asking (section 6).
    RefreshToken,
}

/// A program that asks for access tokens, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// Its name, unique; what it sends as `client_id`.
    pub client_id: String,
    /// The consumer whose plan its tokens are held to.
    pub consumer: String,
    /// How it may come to tokens.
    pub grants: Vec<ClientGrant>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Where a person's browser may be sent back to.
    pub redirects: Vec<String>,
    /// It has no secret.
    pub public: bool,
    /// When it was made.
    pub created_ms: i64,
}

/// Every client, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Clients {
    /// The clients.
    pub clients: Vec<Client>,
    /// There are more than one answer holds.
    pub truncated: bool,
}

/// A client to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCreate {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// Whose it is; without one, a consumer of the client's own name, which is made if it is missing.
    #[serde(default)]
    pub consumer: Option<String>,
    /// How it may come to tokens; at least one way.
    pub grants: Vec<ClientGrant>,
    /// The scopes that it may ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where a person's browser may be sent back to: exactly these, but for the port on loopback.
    #[serde(default)]
    pub redirects: Vec<String>,
    /// It can keep no secret, and gets none.
    #[serde(default)]
    pub public: bool,
}

/// A new client, or a new secret: the only answer that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientCreated {
    /// What the client proves with that it is itself; a public one has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ShownOnce>,
    /// Where it asks for tokens; nothing while this gate issues none.
    pub token_endpoint: Option<String>,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: Client,
}

// === impl Client ===

impl Client {
    /// A client of the consumer with this name.
    #[must_use]
    pub fn of(client: callgate_model::Client, consumer: String) -> Client {
        Client {
            client_id: client.name,
            consumer,
            grants: client.grants.into_iter().map(ClientGrant::from).collect(),
            scopes: client.scopes,
            redirects: client.redirects,
            public: client.public,
            created_ms: client.created_ms,
        }
    }
}

impl From<Grant> for ClientGrant {
    fn from(grant: Grant) -> ClientGrant {
        match grant {
            Grant::ClientCredentials => ClientGrant::ClientCredentials,
            Grant::AuthorizationCode => ClientGrant::AuthorizationCode,
            Grant::RefreshToken => ClientGrant::RefreshToken,
        }
    }
}

impl From<ClientGrant> for Grant {
    fn from(grant: ClientGrant) -> Grant {
        match grant {
            ClientGrant::ClientCredentials => Grant::ClientCredentials,
            ClientGrant::AuthorizationCode => Grant::AuthorizationCode,
            ClientGrant::RefreshToken => Grant::RefreshToken,
        }
    }
}
