//! The handshake of a WebSocket, on its way through the phases.
//!
//! The gate is a server to its client and a client to the upstream: each side has a handshake of its own, with a key of its
//! own, and extensions are offered to nobody. So what passes are frames that the gate can count and judge.

use callgate_config::{Rule, Websocket, WebsocketTerms};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_transport::switch::Offer;
use callgate_transport::upstream::Protocol;
use callgate_transport::websocket::{Relay, Terms};
use callgate_wire::websocket::handshake;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use tokio::time::Instant;

use super::admit as phase;
use super::cookies;
use super::inspect;
use super::route::Routed;
use super::state::Call;
use crate::answer::{Answer, Content};
use crate::body::UpstreamBody;
use crate::refused;
use crate::worker::Worker;

/// Both handshakes of one call.
#[derive(Debug)]
pub struct Handshake {
    /// The client's key; none over HTTP/2, where the stream itself is the offer (RFC 8441 section 5).
    key: Option<HeaderValue>,
    /// The gate's own, once forwarded.
    own_key: String,
    /// What the session is held to, once admitted.
    terms: WebsocketTerms,
    /// Of the frames that the gate sends as a client.
    mask: [u8; 4],
}

// === impl Handshake ===

impl Handshake {
    /// Whether the client opened a stream of HTTP/2 for it.
    fn is_stream(&self) -> bool {
        self.key.is_none()
    }
}

/// Read: notes an offer that is one. An offer of any other protocol is left alone, which refuses it (RFC 9110 section 7.8).
///
/// # Errors
/// `malformed_request`: a body would be read as frames by the one and as a request by the other.
pub(super) fn offer(call: &mut Call<'_>, parts: &mut Parts) -> Result<(), Refused> {
    if parts.extensions.get::<Offer>().is_none() {
        // HTTP/1.0 knows no upgrade, and an offer by it is ignored (RFC 9110 section 7.8).
        if parts.version == Version::HTTP_10 {
            forget(&mut parts.headers);
        }
        return Ok(());
    }
    let is_stream = parts.version == Version::HTTP_2;
    if !is_stream && !handshake::is_offered(&parts.headers) {
        parts.extensions.remove::<Offer>();
        forget(&mut parts.headers);
        return Ok(());
    }
    let has_body = parts.headers.contains_key(TRANSFER_ENCODING) || phase::declared(&parts.headers).unwrap_or(0) > 0;
    if has_body || parts.method != Method::GET {
        let detail = "The request is refused: a WebSocket is opened by a GET without a body (RFC 6455 section 4.1).";
        return Err(Refusal::new(Code::MalformedRequest, detail));
    }
    if !is_stream {
        handshake::check_key(&parts.headers).map_err(refused::head)?;
    }
    call.websocket = Some(Box::new(Handshake {
        key: parts.headers.get(SEC_WEBSOCKET_KEY).filter(|_| !is_stream).cloned(),
        own_key: String::new(),
        terms: WebsocketTerms::default(),
        mask: [0; 4],
    }));
    Ok(())
}

/// Removes what a handshake alone says: the offer itself goes no further, and a server should not see half of one.
fn forget(headers: &mut HeaderMap) {
    for name in [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
        headers.remove(name);
    }
}

/// Admit: whether the route opens WebSockets, told once the caller may know the API.
///
/// # Errors
/// `upgrade_refused`, `websocket_version`.
pub(super) fn admit(call: &mut Call<'_>, routed: &Routed<'_>, headers: &HeaderMap) -> Result<(), Refused> {
    if call.websocket.is_none() {
        return Ok(());
    }
    let (setting, guards) = routed.pick(|guards| guards.websocket).unwrap_or((Websocket::Refuse, &routed.api.guards));
    let terms = match setting {
        Websocket::Allow(terms) => terms,
        Websocket::Refuse => {
            let detail = "No WebSocket is opened on this route (setting `websocket`).";
            let refusal = Refusal::new(Code::UpgradeRefused, detail).rule(format!("{}.websocket", guards.place));
            call.judge(guards.only_watches(Rule::Websocket), Err(refusal))?;
            WebsocketTerms::default()
        }
    };
    // The file says so at its line; this is for observe mode, where every offer goes on.
    if routed.api.servers.iter().all(|member| member.server.protocol() == Protocol::Http2) {
        let detail = "The server of this API is spoken to in HTTP/2 alone, and WebSockets are opened over HTTP/1.1.";
        let rule = format!("apis.{}.upstream.protocol", routed.api.name);
        return Err(Refusal::new(Code::UpgradeRefused, detail).rule(rule));
    }
    let Some(handshake) = &mut call.websocket else { return Ok(()) };
    if handshake.is_stream()
        && let Some(route) = routed.routes.last().filter(|route| route.respond.is_some())
    {
        let detail = "This route gives a fixed answer (setting `respond`), and opens no WebSocket.";
        return Err(Refusal::new(Code::UpgradeRefused, detail).rule(format!("{}.respond", route.guards.place)));
    }
    if !handshake::has_version(headers) {
        let detail = "Only version 13 of WebSocket is spoken here (RFC 6455).";
        return Err(Refusal::new(Code::WebsocketVersion, detail)
            .field("upgrade", "websocket")
            .field("sec-websocket-version", "13"));
    }
    handshake.terms = terms;
    Ok(())
}

/// Forward: the gate's own offer to the upstream.
pub(super) fn offer_upstream(call: &mut Call<'_>, worker: &Worker, headers: &mut HeaderMap) {
    let Some(handshake) = &mut call.websocket else { return };
    let mut random = [0; 20];
    random.iter_mut().zip(worker.random().into_iter().chain(worker.random())).for_each(|(to, from)| *to = from);
    let [mask @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = random;
    let [_, _, _, _, key @ ..] = random;
    handshake.mask = mask;
    handshake.own_key = handshake::key(key);
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(key) = HeaderValue::from_str(&handshake.own_key) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// Inspect: the upstream answers, and opens no WebSocket. A stream is opened by any 2xx (RFC 8441 section 5), and there would
/// be nobody behind it.
///
/// # Errors
/// `upstream_invalid`.
pub(super) fn declined(call: &Call<'_>, routed: &Routed<'_>, status: StatusCode) -> Result<(), Refused> {
    if status.is_success() && call.websocket.as_deref().is_some_and(Handshake::is_stream) {
        let detail = "The server of this API answered as if no WebSocket had been offered to it.";
        return Err(Refusal::new(Code::UpstreamInvalid, detail).rule(format!("apis.{}.upstream", routed.api.name)));
    }
    Ok(())
}

/// Inspect: the upstream's 101 becomes the gate's.
///
/// # Errors
/// `upstream_invalid`: it agrees to something else than was offered.
pub(super) fn accept(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    headers: &mut HeaderMap,
    body: UpstreamBody,
) -> Result<Answer, Refused> {
    let invalid =
        |detail| Err(Refusal::new(Code::UpstreamInvalid, detail).rule(format!("apis.{}.upstream", routed.api.name)));
    let (Some(handshake), Some(upstream)) = (call.websocket.take(), body.into_switched()) else {
        return invalid("The server of this API switched to another protocol without being asked.");
    };
    if !handshake::is_accepted(headers, handshake.own_key.as_bytes()) {
        return invalid("The server of this API did not agree to the WebSocket that it was offered.");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return invalid("The server of this API agreed on an extension of WebSocket that nobody offered.");
    }
    inspect::clean(routed, headers);
    cookies::keep_from_caller(call, headers);
    for guards in routed.guards() {
        guards.fields.change_response(headers);
    }
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    let status = match &handshake.key {
        None => StatusCode::OK,
        Some(key) => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            if let Ok(accept) = HeaderValue::from_str(&handshake::accept(key.as_bytes())) {
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            }
            StatusCode::SWITCHING_PROTOCOLS
        }
    };
    let WebsocketTerms { idle, lifetime, message_max } = handshake.terms;
    let until = Instant::now() + lifetime;
    let until = call.deadline.map_or(until, |total| total.min(until));
    let relay = Relay::new(upstream, Terms { idle, until, message_bytes_max: message_max }, handshake.mask);
    Ok(Answer { status, headers: std::mem::take(headers), content: Content::Websocket(Box::new(relay)) })
}
