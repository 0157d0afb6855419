//! Refusals: the gate's own answers to calls that it did not forward.
//!
//! One stable code each (DESIGN section 4), sent as `application/problem+json` (RFC 9457) with
//! `type: urn:callgate:refusal:<code>`. `docs/refusals.md` is generated from the table in this file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::phase::Phase;

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $phase:ident $title:literal $hint:literal;)*) => {
        /// The stable code of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code { $(#[doc = $title] #[serde(rename = $name)] $variant,)* }

        impl Code {
            /// Every code, in the order of the phases.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code as it is written on the wire.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Code::$variant => $name,)* } }

            /// The HTTP status that it is sent with.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(Code::$variant => $status,)* } }

            /// The phase in which it arises.
            #[must_use]
            pub fn phase(self) -> Phase { match self { $(Code::$variant => Phase::$phase,)* } }

            /// A short sentence that is the same for every occurrence (RFC 9457 `title`).
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Code::$variant => $title,)* } }

            /// What a caller can do about it, where the occurrence itself knows nothing better.
            #[must_use]
            pub fn hint(self) -> &'static str { match self { $(Code::$variant => $hint,)* } }
        }
    };
}

codes! {
    Overloaded "overloaded" 503 Accept "The gate is at one of its bounds." "Try again after the time in Retry-After.";
    MalformedRequest "malformed_request" 400 Read "The request is not well-formed HTTP." "Send one Host, one all-digit Content-Length or exactly `Transfer-Encoding: chunked`, and a path without encoded separators or dot segments.";
    RequestTimeout "request_timeout" 408 Read "The request did not arrive in time." "Send the whole head at once, and the body without long pauses.";
    UriTooLong "uri_too_long" 414 Read "The request target is too long." "Move long parameters into the body.";
    Misdirected "misdirected" 421 Read "The host asked for does not belong to this connection." "Open a connection for that host name.";
    HeadTooLarge "head_too_large" 431 Read "The request head is too large." "Send fewer or shorter header fields, for example smaller cookies.";
    MethodUnsupported "method_unsupported" 501 Read "The gate does not serve this method." "CONNECT and TRACE are never forwarded; use another method.";
    NoSuchRoute "no_such_route" 404 Route "No API or route answers here." "Compare the host and the path with the API's documentation.";
    MethodNotAllowed "method_not_allowed" 405 Route "This route does not take this method." "Use one of the methods in the Allow field.";
    CorsRefused "cors_refused" 403 Route "This origin may not call this API from a browser." "Ask the API's operator to add the origin to `cors.origins`.";
    IpDenied "ip_denied" 403 Admit "Calls from this address are not taken." "Call from an address that the operator allowed.";
    RateLimited "rate_limited" 429 Meter "Too many calls in too short a time." "Wait for the time in Retry-After, then call more slowly.";
    CredentialInClear "credential_in_clear" 403 Admit "A credential arrived over an unencrypted connection." "Call over https, and rotate the credential: it may have been read on its way.";
    UnsupportedContentType "unsupported_content_type" 415 Admit "The body's content type is not taken here." "Send one of the types in the Accept field, and say so in Content-Type.";
    NotAcceptable "not_acceptable" 406 Admit "None of the types asked for is made here." "Ask for one of the types that the route produces.";
    UpgradeRefused "upgrade_refused" 403 Admit "No WebSocket is opened here." "Call without an upgrade, or ask the API's operator to write `websocket: allow`.";
    WebsocketVersion "websocket_version" 426 Admit "This version of WebSocket is not spoken here." "Send `Sec-WebSocket-Version: 13`.";
    BodyTooLarge "body_too_large" 413 Admit "The body is too large." "Send a smaller body, or several of them.";
    CredentialMissing "credential_missing" 401 Identify "This needs a credential, and the call brought none." "Send the credential in the place that the API names.";
    CredentialUnknown "credential_unknown" 401 Identify "The credential is not known here." "Check that it was copied whole and belongs to this API.";
    CredentialExpired "credential_expired" 401 Identify "The credential has expired." "Ask for a new one, or rotate it in time.";
    CredentialNotYetValid "credential_not_yet_valid" 401 Identify "The credential is not valid yet." "Wait until its start, or use the one before it.";
    CredentialRevoked "credential_revoked" 401 Identify "The credential was revoked." "Ask for a new one: a token from its issuer, a key from the API's operator.";
    TokenMisdirected "token_misdirected" 401 Identify "The token is for another audience." "Ask the issuer for a token with the `resource` that `detail` names.";
    TokenUnproven "token_unproven" 401 Identify "The call does not fit what its token is bound to." "Do as `detail` says; a DPoP proof is made anew for each call, by the key that the token was asked for with.";
    ConsumerUnknown "consumer_unknown" 403 Identify "The token is good, and of nobody who is known here." "Ask the API's operator to make a consumer for you.";
    IssuerUnavailable "issuer_unavailable" 503 Identify "The token's issuer could not be asked for its keys." "Try again after the time in Retry-After.";
    CredentialAmbiguous "credential_ambiguous" 400 Identify "The call brought more than one credential of one kind." "Send exactly one.";
    CertificateMissing "certificate_missing" 401 Identify "This needs a client certificate, and the connection has none." "Connect with a certificate that the API's operator knows.";
    CertificateUnknown "certificate_unknown" 401 Identify "The client certificate is not of a caller known here." "Use a certificate that is valid and that the API's operator knows.";
    LockedOut "locked_out" 429 Identify "Too many wrong credentials came from this address." "Wait for the time in Retry-After; a valid credential is still taken.";
    ScopeMissing "scope_missing" 403 Authorize "The credential lacks a scope that this route needs." "Ask for a credential with the scope that `detail` names.";
    NotAllowed "not_allowed" 403 Authorize "The credential is not for this API or this address." "Use the credential that was issued for it.";
    QuotaExhausted "quota_exhausted" 429 Meter "The quota of this period is used up." "Wait for the next period (Retry-After), or ask for a larger plan.";
    TooManyAtOnce "too_many_at_once" 429 Meter "Too many calls at the same time." "Wait for running calls to end before starting new ones.";
    StoreUnavailable "store_unavailable" 503 Meter "The gate could not account for this call in time." "Try again after the time in Retry-After.";
    BodyMalformed "body_malformed" 400 Check "The body is not well-formed for its declared type." "Send a body that a parser of the declared Content-Type accepts.";
    ContractViolated "contract_violated" 400 Check "The call does not fit the API's contract." "Correct every violation that the answer lists.";
    NoHealthyUpstream "no_healthy_upstream" 503 Forward "No server of this API is able to answer." "Try again after the time in Retry-After.";
    UpstreamBusy "upstream_busy" 503 Forward "The API's server has as many calls as it may have." "Try again after the time in Retry-After; nothing of this call has reached the server.";
    UpstreamUnreachable "upstream_unreachable" 502 Forward "The API's server could not be reached." "Look at `detail`: a call that the server broke off may have taken effect, any other can be repeated. If it lasts, tell the API's operator the call id.";
    UpstreamTimeout "upstream_timeout" 504 Forward "The API's server did not answer in time." "The call may have taken effect; check before repeating it.";
    UpstreamInvalid "upstream_invalid" 502 Forward "The API's server gave an answer that is not HTTP." "The call may have taken effect; tell the API's operator the call id.";
    Draining "draining" 503 Forward "The gate is shutting down." "Try again: another instance answers.";
    ResponseViolated "response_violated" 502 Inspect "The API's answer does not fit what it promised." "The call took effect; do not repeat it blindly. Tell the API's operator the call id.";
}

impl Code {
    /// The code with this name, as a person typed it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// The `type` member of the problem document.
    #[must_use]
    pub fn urn(self) -> String {
        format!("urn:callgate:refusal:{}", self.name())
    }
}

/// One refusal of one call: what the caller is told, and what only the operator may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which refusal.
    pub code: Code,
    /// For the caller: names the setting and the caller's own numbers, never the contents of a list, never which entry of
    /// one matched.
    pub detail: Cow<'static, str>,
    /// For the operator: the setting that refused, as a path into the configuration (`apis.bookshop.limits[0]`), or
    /// nothing where no setting decides (framing).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// For the operator: what the gate saw, and what would let the call pass.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gate_side: Option<String>,
    /// Seconds until the same call could pass; sent as Retry-After, on 429 and 503 only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_s: Option<u64>,
    /// Fields that belong on the answer: `Allow`, `Accept`, `WWW-Authenticate`.
    #[serde(skip, default)]
    pub fields: Vec<(&'static str, String)>,
}

/// What a phase returns when it refuses. Boxed: the way of a good call carries a pointer, not the whole text.
pub type Refused = Box<Refusal>;

// === impl Refusal ===

impl Refusal {
    /// A refusal with its text for the caller.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Refused {
        Box::new(Refusal {
            code,
            detail: detail.into(),
            rule: None,
            gate_side: None,
            retry_after_s: None,
            fields: Vec::new(),
        })
    }

    /// Names the setting that refused.
    #[must_use]
    pub fn rule(mut self: Box<Self>, rule: impl Into<String>) -> Refused {
        self.rule = Some(rule.into());
        self
    }

    /// Adds what only the operator may see.
    #[must_use]
    pub fn gate_side(mut self: Box<Self>, text: impl Into<String>) -> Refused {
        self.gate_side = Some(text.into());
        self
    }

    /// Adds the moment from which the call could pass. Whole seconds, rounded up, at least one: a caller that waits this
    /// long is not refused for the same reason.
    #[must_use]
    pub fn retry_after_ns(mut self: Box<Self>, wait_ns: u64) -> Refused {
        self.retry_after_s = Some(wait_ns.div_ceil(1_000_000_000).max(1));
        self
    }

    /// Adds a field to the answer.
    #[must_use]
    pub fn field(mut self: Box<Self>, name: &'static str, value: impl Into<String>) -> Refused {
        self.fields.push((name, value.into()));
        self
    }

    /// The problem document (RFC 9457) as it is sent.
    #[must_use]
    pub fn problem_json(&self, call_id: &str) -> String {
        let mut problem = serde_json::json!({
            "type": self.code.urn(),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "code": self.code.name(),
            "hint": self.code.hint(),
            "call_id": call_id,
        });
        if let (Some(wait_s), Some(members)) = (self.retry_after_s, problem.as_object_mut()) {
            members.insert("retry_after".to_owned(), wait_s.into());
        }
        let mut text = problem.to_string();
        text.push('\n');
        text
    }

    /// The same in plain text, for callers that accept no JSON.
    #[must_use]
    pub fn problem_text(&self, call_id: &str) -> String {
        format!(
            "{} {}: {}\n{}\nhint: {}\ncall: {call_id}\n",
            self.code.status(),
            self.code.name(),
            self.code.title(),
            self.detail,
            self.code.hint(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
    }

    #[test]
    fn a_problem_names_code_status_and_call() {
        let refusal = Refusal::new(Code::RateLimited, "limit `burst`: 10 calls/s per key").retry_after_ns(1);
        let problem: serde_json::Value = serde_json::from_str(&refusal.problem_json("c1")).unwrap();
        assert_eq!(problem["type"], "urn:callgate:refusal:rate_limited");
        assert_eq!(problem["status"], 429);
        assert_eq!(problem["call_id"], "c1");
        assert_eq!(problem["retry_after"], 1, "a nanosecond is rounded up to a whole second");
    }

    #[test]
    fn what_the_operator_sees_never_reaches_the_caller() {
        let refusal =
            Refusal::new(Code::IpDenied, "ip").rule("apis.a.ip.deny[3]").gate_side("10.6.6.6 is in 10.6.0.0/16");
        for text in [refusal.problem_json("c"), refusal.problem_text("c")] {
            assert!(!text.contains("10.6") && !text.contains("deny[3]"), "{text}");
        }
    }
}
