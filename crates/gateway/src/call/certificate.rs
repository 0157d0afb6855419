//! The client certificate of a call's connection, and whose it is.

use std::cell::RefCell;
use std::sync::Arc;

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_transport::tls::ClientCertificate;

use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;
use crate::snapshot::authorities::Verdict;

/// How long a verdict holds: certificates on the way to the authority end too, and connections live for days.
const HOLDS_MS: i64 = 60_000;

/// What a connection's client showed in its handshake. One worker's.
#[derive(Debug)]
pub struct Shown {
    certificate: Arc<ClientCertificate>,
    /// The last verdict, until when it holds (Unix milliseconds), and by which authorities and callers it was made.
    verdict: RefCell<Option<(i64, u64, Verdict)>>,
}

// === impl Shown ===

impl Shown {
    /// Not judged yet.
    #[must_use]
    pub fn new(certificate: Arc<ClientCertificate>) -> Shown {
        Shown { certificate, verdict: RefCell::default() }
    }
}

/// Who calls by the certificate of the connection. The consumer is looked up on every call: one that was removed calls no
/// more.
///
/// # Errors
/// `certificate_missing`, `certificate_unknown`.
pub(super) fn caller(call: &Call<'_>, routed: &Routed<'_>) -> Result<Caller, Refused> {
    let asked = call.listener().and_then(|listener| listener.asked.as_ref());
    let (Some(asked), Some(shown)) = (asked, &call.arrival.certificate) else {
        let detail = format!("API `{}` needs a client certificate.", routed.api.name);
        let gate_side = match asked {
            Some(_) => "the client was asked for one, and showed none",
            None => "this listener does not ask for any: `client_certificates` is missing on it",
        };
        return Err(refusal(routed, Code::CertificateMissing, detail).gate_side(gate_side));
    };
    let now_ms = call.began_ms();
    let mut verdict = shown.verdict.borrow_mut();
    let holds = verdict.as_ref().is_some_and(|(until_ms, by, _)| now_ms < *until_ms && *by == asked.fingerprint);
    if !holds {
        *verdict = Some((now_ms + HOLDS_MS, asked.fingerprint, asked.judge(&shown.certificate, now_ms)));
    }
    let unknown = |why: &str| {
        let detail = format!("The client certificate is not taken: {why}.");
        refusal(routed, Code::CertificateUnknown, detail)
    };
    match verdict.as_ref().map(|(_, _, verdict)| verdict) {
        Some(Verdict::Known(caller)) => match call.gate.keys.consumer_named(&caller.consumer) {
            Some(consumer) => Ok(Caller::Certificate { consumer, caller: Arc::clone(caller) }),
            None => Err(unknown("none of its names is of a caller that is known here")
                .gate_side(format!("`{}` is of a consumer that does not exist (any more)", caller.name))),
        },
        Some(Verdict::Unknown(why)) => Err(unknown(why)),
        None => Err(unknown("it was not looked at")),
    }
}

fn refusal(routed: &Routed<'_>, code: Code, detail: String) -> Refused {
    // RFC 9110 section 11.6.1 wants a challenge beside a 401; no scheme is registered for what happens below HTTP.
    Refusal::new(code, detail)
        .rule(format!("{}.access", routed.access().1.place))
        .field("www-authenticate", format!("ClientCertificate realm=\"{}\"", routed.api.name))
}
