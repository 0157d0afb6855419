//! Who may administer: the peer of the socket by its uid, a caller over TCP by its token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use callgate_store::{Actor, Role};

use crate::desk::Desk;
use crate::problem::{AdminCode, AdminError};

/// Where a request came from; the accept loop puts it into every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// The admin socket: the kernel tells the user at the other end.
    Socket {
        /// That user.
        uid: u32,
        /// The user that this process runs as.
        own_uid: u32,
    },
    /// TCP.
    Tcp {
        /// Over TLS. Without, the listener is on loopback.
        tls: bool,
    },
    /// This very process: an act done without a running gate.
    Inside(Actor),
}

/// Who asks, once let in.
#[derive(Debug, Clone)]
pub(crate) struct Asker(pub(crate) Arc<Actor>);

/// Lets a request in, or answers why not.
pub(crate) async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match judge(&desk, &parts).await {
        Ok(actor) => {
            parts.extensions.insert(Asker(Arc::new(actor)));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn judge(desk: &Desk, request: &Parts) -> Result<Actor, AdminError> {
    let tls = match request.extensions.get::<Peer>() {
        Some(Peer::Inside(actor)) => return Ok(actor.clone()),
        Some(Peer::Socket { uid, own_uid }) => return socket_user(*uid, *own_uid),
        Some(Peer::Tcp { tls }) => *tls,
        // Nothing that the accept loop sends is without a peer; whatever is gets nothing.
        None => return Err(AdminError::new(AdminCode::UserRefused, "it is not known who asks")),
    };
    // Before the token is looked at: a page in a browser must not even learn whether it guessed one.
    same_place(&request.headers, &request.uri, tls)?;
    let token = bearer(&request.headers).ok_or_else(|| {
        let detail = "send `Authorization: Bearer cga_…`; `callgate admin-tokens create` makes one, over the socket";
        AdminError::new(AdminCode::TokenMissing, detail)
    })?;
    let Some(token) = desk.registry().store().admin_tokens_verify(token).await? else {
        let detail = "this token is not known here, or was removed: check that it was copied whole";
        return Err(AdminError::new(AdminCode::TokenUnknown, detail));
    };
    if token.role == Role::Read && !matches!(request.method, Method::GET | Method::HEAD) {
        let detail = format!("the token `{}` has the role `read`: changes need one with the role `write`", token.name);
        return Err(AdminError::new(AdminCode::RoleTooWeak, detail));
    }
    Ok(Actor::Token(token.name))
}

/// The folder of the socket keeps other users out already; this holds where somebody opened it.
fn socket_user(uid: u32, own_uid: u32) -> Result<Actor, AdminError> {
    if uid == own_uid || uid == 0 {
        return Ok(Actor::Uid(uid));
    }
    let detail = format!("user {uid} may not administer this gate: run the command as user {own_uid} or as root");
    Err(AdminError::new(AdminCode::UserRefused, detail))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Refuses what a browser was led here to ask (DNS rebinding, cross-site requests). Without TLS the listener is on
/// loopback, so the host asked for must be loopback by name or address: a rebound name is neither. With TLS the
/// certificate binds the name, and only the origin is left to compare.
fn same_place(headers: &HeaderMap, uri: &Uri, tls: bool) -> Result<(), AdminError> {
    let authority =
        headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|own| own.as_str()));
    let Some(authority) = authority else {
        return Err(AdminError::new(AdminCode::HostRefused, "the request names no host"));
    };
    if !tls && !is_loopback(authority) {
        let detail = format!("`{authority}` is not this machine by name: ask for `localhost` or a loopback address");
        return Err(AdminError::new(AdminCode::HostRefused, detail));
    }
    let scheme = if tls { "https" } else { "http" };
    let own_origin = format!("{scheme}://{authority}");
    for origin in headers.get_all(header::ORIGIN) {
        if !origin.as_bytes().eq_ignore_ascii_case(own_origin.as_bytes()) {
            let detail = "pages of other origins may not use the admin API; call it from a program, without `Origin`";
            return Err(AdminError::new(AdminCode::OriginRefused, detail));
        }
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>, tls: bool, expect: Option<AdminCode>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let got = same_place(&headers, &Uri::from_static("/v1/status"), tls).err().map(|error| error.code);
        assert_eq!(got, expect, "{host} {origin:?} {tls}");
    }

    #[test]
    fn pages_of_other_places_are_kept_out() {
        check("localhost:8081", None, false, None);
        check("127.0.0.1:8081", Some("http://127.0.0.1:8081"), false, None);
        check("[::1]:8081", None, false, None);
        check("rebound.example:8081", None, false, Some(AdminCode::HostRefused));
        check("127.0.0.1.rebound.example", None, false, Some(AdminCode::HostRefused));
        check("10.0.0.1:8081", None, false, Some(AdminCode::HostRefused));
        check("localhost:8081", Some("http://localhost:3000"), false, Some(AdminCode::OriginRefused));
        check("localhost:8081", Some("null"), false, Some(AdminCode::OriginRefused));
        check("admin.example.com", None, true, None);
        check("admin.example.com", Some("https://admin.example.com"), true, None);
        check("admin.example.com", Some("http://admin.example.com"), true, Some(AdminCode::OriginRefused));
    }

    #[test]
    fn the_socket_is_for_the_own_user_and_root() {
        assert_eq!(socket_user(1000, 1000).unwrap(), Actor::Uid(1000));
        assert_eq!(socket_user(0, 1000).unwrap(), Actor::Uid(0));
        assert_eq!(socket_user(1001, 1000).unwrap_err().code, AdminCode::UserRefused);
        assert_eq!(socket_user(1000, 0).unwrap_err().code, AdminCode::UserRefused);
    }

    #[test]
    fn one_token_and_only_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, "bearer cga_1".parse().unwrap());
        assert_eq!(bearer(&headers), Some("cga_1"));
        headers.append(header::AUTHORIZATION, "Bearer cga_2".parse().unwrap());
        assert_eq!(bearer(&headers), None);
    }
}
