//! Admit: what can be judged without knowing the caller.

use callgate_config::Rule;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, Subject, bounds};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Version};

use super::credential::Presented;
use super::meter;
use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::limiter::{Cell, Charges};
use crate::policy::size;
use crate::snapshot::ListenerPolicy;

/// The listener's addresses: they hold for whatever comes through it, wherever it leads.
///
/// # Errors
/// `ip_denied`.
pub(crate) fn listener_addresses(call: &mut Call<'_>) -> Result<(), Refused> {
    let client = call.record.client;
    match call.listener() {
        Some(ListenerPolicy { ip: Some(policy), watched, .. }) => {
            call.judge(watched.only_watches(Rule::Ip), policy.check(client))
        }
        _ => Ok(()),
    }
}

/// Addresses: the API's rules, and every matching route's.
///
/// # Errors
/// `ip_denied`.
pub(crate) fn addresses(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let client = call.record.client;
    for guards in routed.guards() {
        if let Some(policy) = &guards.ip {
            call.judge(guards.only_watches(Rule::Ip), policy.check(client))?;
        }
    }
    Ok(())
}

/// Limits per address, charged before any credential is looked at: guessing must not be free.
///
/// # Errors
/// `rate_limited`.
pub(crate) fn limits_per_address(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let mut charges = Charges::new(&call.gate.addresses);
    for guards in routed.guards() {
        for policy in guards.limits.iter().filter(|policy| policy.limit.per == Subject::Ip) {
            let subject = call.gate.addresses.ip(policy.fingerprint, call.record.client);
            charges.add(Cell::Shared(subject), policy.limit.rate, policy, guards.only_watches(Rule::Limits));
        }
    }
    meter::settle(call, &mut charges)
}

/// A credential over clear text may have been read on its way, so it passes only where nobody could: on loopback, or
/// through a proxy that took it in over https. The client's address decides, not the neighbour's: a proxy on this machine
/// may have taken the call in from anywhere, and a forwarded address is never loopback.
///
/// # Errors
/// `credential_in_clear`.
pub(crate) fn clear_text(call: &mut Call<'_>, routed: &Routed<'_>, presented: &Presented) -> Result<(), Refused> {
    let allowed = call.listener().is_some_and(|listener| listener.cleartext_allowed);
    // Which client asks, the issuer finds out by itself; a secret is in whatever is sent there.
    let has_secret = routed.api.local && *call.record.method == *Method::POST.as_str();
    if presented.is_nothing() && !has_secret || call.secure || allowed || call.record.client.is_loopback() {
        return Ok(());
    }
    let detail = "The credential came over plain http. It is not taken that way, and should be replaced.";
    let refusal = Refusal::new(Code::CredentialInClear, detail)
        .rule(format!("listen[{}].cleartext", call.arrival.listener))
        .gate_side("give the listener `tls`, put a trusted proxy before it, or write `cleartext: allow`");
    call.judge(routed.api.guards.only_watches(Rule::Cleartext), Err(refusal))
}

/// What a head says of a body to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyHint {
    /// There is none.
    Nothing,
    /// There is one.
    Body,
    /// HTTP/2 declares neither a length nor a framing, so an unusual caller may still send something, or may end the stream.
    Unknown,
}

/// Content type, what the caller accepts, and the declared size.
///
/// # Errors
/// `unsupported_content_type`, `not_acceptable`, `body_too_large`.
pub(crate) fn content<B>(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    request: &Incoming<B>,
    hint: BodyHint,
) -> Result<(), Refused> {
    let headers = request.headers();
    if hint != BodyHint::Nothing
        && let Some((accepts, guards)) = routed.pick(|guards| guards.accepts.as_ref())
    {
        match (hint, accepts.check_request(headers)) {
            // Told only if something comes.
            (BodyHint::Unknown, Err(refusal)) if !guards.only_watches(Rule::Accepts) => {
                call.refused_if_body = Some(refusal);
            }
            (BodyHint::Unknown, _) => {}
            (_, judgement) => call.judge(guards.only_watches(Rule::Accepts), judgement)?,
        }
    }
    if let Some((produces, guards)) = routed.pick(|guards| guards.produces.as_ref())
        && headers.contains_key(ACCEPT)
    {
        call.judge(guards.only_watches(Rule::Produces), produces.check_accept(headers))?;
    }
    let (body_max, guards) = body_max(routed);
    call.judge(guards.only_watches(Rule::BodyMax), size::check(declared(headers), body_max))
}

/// The cap of a request body, and whose it is.
pub(crate) fn body_max<'a>(routed: &Routed<'a>) -> (u64, &'a crate::snapshot::Guards) {
    routed.pick(|guards| guards.body_max).unwrap_or((bounds::BODY_BYTES_DEFAULT, &routed.api.guards))
}

/// The declared length of a body.
pub(crate) fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

// === impl BodyHint ===

impl BodyHint {
    /// `ended` is whether the connection knows already that nothing comes.
    pub(crate) fn of(parts: &Parts, ended: bool) -> BodyHint {
        let headers = &parts.headers;
        let says_so =
            declared(headers).map(|bytes| bytes > 0).or(headers.contains_key(TRANSFER_ENCODING).then_some(true));
        match says_so {
            _ if ended => BodyHint::Nothing,
            Some(true) => BodyHint::Body,
            Some(false) => BodyHint::Nothing,
            None if parts.version != Version::HTTP_2 => BodyHint::Nothing,
            None if headers.contains_key(CONTENT_TYPE) => BodyHint::Body,
            None if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) => BodyHint::Body,
            None => BodyHint::Unknown,
        }
    }
}
