//! The authorization server's HTTP (OAuth 2.1, narrow): who asks, for what, and the answer as the standards write it.
//!
//! It is a built-in API of the gate: every request has passed the phases (records, limits, sizes) before it comes here, and
//! this crate knows no sockets. What it decides by, and what it changes, is in `identity`. Start reading at [`Issuer`];
//! then [`form`] and [`client`], where a request that could be read in two ways is refused.

mod authorize;
mod client;
mod form;
mod metadata;
mod pages;
mod proof;
mod reply;
mod token;

use std::net::IpAddr;

use bytes::Bytes;
use callgate_identity::Registry;
use http::{Method, Request, Response, StatusCode};

use form::Form;
use reply::{Fault, json};

/// Where the metadata lies (RFC 8414 section 3).
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
/// Where the public keys lie.
pub const JWKS: &str = "/.well-known/jwks.json";
/// Where a person's browser is sent to (RFC 6749 section 3.1).
pub const AUTHORIZE: &str = "/oauth/authorize";
/// Where tokens are asked for (RFC 6749 section 3.2).
pub const TOKEN: &str = "/oauth/token";
/// Where tokens are looked into (RFC 7662).
pub const INTROSPECT: &str = "/oauth/introspect";
/// Where tokens are revoked (RFC 7009).
pub const REVOKE: &str = "/oauth/revoke";

/// From where a request comes, as the gate knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The address of who asks, behind proxies that are trusted.
    pub address: IpAddr,
    /// The host that was asked, with a port where one was named.
    pub authority: String,
}

/// The authorization server.
#[derive(Debug, Clone)]
pub struct Issuer {
    registry: Registry,
}

// === impl Issuer ===

impl Issuer {
    /// An issuer over this registry, under the URL that the registry says.
    #[must_use]
    pub fn new(registry: Registry) -> Issuer {
        Issuer { registry }
    }

    /// Answers a request with its whole body.
    pub async fn answer(&self, request: Request<Bytes>, visitor: Visitor) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        match (request.method(), &*path) {
            (&Method::GET | &Method::HEAD, METADATA) => metadata::metadata(&self.registry),
            (&Method::GET | &Method::HEAD, JWKS) => metadata::jwks(&self.registry),
            (&Method::GET, AUTHORIZE) => authorize::show(&self.registry, &request).await,
            (&Method::POST, AUTHORIZE) => authorize::decide(&self.registry, &request, &visitor).await,
            (&Method::POST, TOKEN | INTROSPECT | REVOKE) => {
                self.asked(&path, &request).await.unwrap_or_else(Fault::reply)
            }
            _ => json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": "not_found" })),
        }
    }

    async fn asked(&self, path: &str, request: &Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let form = Form::of(request)?;
        let tokens = self.registry.tokens();
        if path == INTROSPECT {
            // Only who can keep a secret may ask about tokens (RFC 7662 section 2.1).
            let client = client::authenticate(tokens, request.headers(), &form)?;
            return token::introspect(&self.registry, &client, &form).await;
        }
        let client = client::named(tokens, request.headers(), &form)?;
        match path {
            TOKEN => token::issue(&self.registry, client, &form, request.headers()).await,
            _ => token::revoke(&self.registry, &client, &form).await,
        }
    }
}

#[cfg(test)]
mod tests;
