//! The client certificate of a call's connection, and whose it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use callgate_identity::tokens::proof;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_transport::tls::ClientCertificate;

use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;
use crate::snapshot::authorities::{Asked, Verdict};
use crate::worker::Worker;

/// How long a verdict holds: certificates on the way to the authority end too, and connections live for days.
const HOLDS_MS: i64 = 60_000;

/// What a connection's client showed in its handshake. One worker's.
#[derive(Debug)]
pub struct Shown {
    certificate: Arc<ClientCertificate>,
    /// The last verdict, until when it holds (Unix milliseconds), and by which authorities and callers it was made.
    verdict: RefCell<Option<(i64, u64, Verdict)>>,
}

/// The certificate that a call was let in by, as whose.
#[derive(Debug)]
pub struct Held {
    shown: Rc<Shown>,
    /// Where it came in, by its place in the configuration.
    listener: usize,
    /// The consumer's number.
    consumer: i64,
    /// The caller's; see `CertificateCaller`.
    caller: u64,
}

// === impl Shown ===

impl Shown {
    /// Not judged yet.
    #[must_use]
    pub fn new(certificate: Arc<ClientCertificate>) -> Shown {
        Shown { certificate, verdict: RefCell::default() }
    }

    /// What a token that is bound to it says (RFC 8705 section 3.1).
    pub(super) fn thumbprint(&self) -> Option<String> {
        self.certificate.der().map(proof::thumbprint)
    }

    /// What it comes to at this moment, by these authorities.
    fn judged<T>(&self, asked: &Asked, now_ms: i64, then: impl FnOnce(&Verdict) -> T) -> T {
        let mut last = self.verdict.borrow_mut();
        let holds = |(until_ms, by, _): &(i64, u64, Verdict)| now_ms < *until_ms && *by == asked.fingerprint;
        let (.., verdict) = match last.take().filter(holds) {
            Some(last_one) => last.insert(last_one),
            None => last.insert((now_ms + HOLDS_MS, asked.fingerprint, asked.judge(&self.certificate, now_ms))),
        };
        then(verdict)
    }
}

// === impl Held ===

impl Held {
    /// Of a call that is this caller's; none if that is not by its certificate.
    pub(super) fn of(call: &Call<'_>, caller: &Caller) -> Option<Held> {
        let (Caller::Certificate { consumer, caller }, Some(shown)) = (caller, &call.arrival.certificate) else {
            return None;
        };
        let (shown, listener) = (Rc::clone(shown), call.arrival.listener);
        Some(Held { shown, listener, consumer: consumer.id, caller: caller.number })
    }

    /// Whether a call with it would be let in as the same caller now: the file may have another one, or none, and the
    /// consumer may be gone.
    pub(crate) fn holds(&self, worker: &Worker, now_ms: i64) -> bool {
        let snapshot = worker.snapshot();
        let asked = snapshot.listeners.get(self.listener).and_then(|listener| listener.asked.as_ref());
        asked.is_some_and(|asked| {
            self.shown.judged(asked, now_ms, |verdict| match verdict {
                Verdict::Known(caller) if caller.number == self.caller => {
                    let consumer = worker.gate().keys.consumer_named(&caller.consumer);
                    consumer.is_some_and(|consumer| consumer.id == self.consumer)
                }
                Verdict::Known(_) | Verdict::Unknown(_) => false,
            })
        })
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
    let unknown = |why: &str| {
        let detail = format!("The client certificate is not taken: {why}.");
        refusal(routed, Code::CertificateUnknown, detail)
    };
    shown.judged(asked, now_ms, |verdict| match verdict {
        Verdict::Known(caller) => match call.gate.keys.consumer_named(&caller.consumer) {
            Some(consumer) => Ok(Caller::Certificate { consumer, caller: Arc::clone(caller) }),
            None => Err(unknown("none of its names is of a caller that is known here")
                .gate_side(format!("`{}` is of a consumer that does not exist (any more)", caller.name))),
        },
        Verdict::Unknown(why) => Err(unknown(why)),
    })
}

fn refusal(routed: &Routed<'_>, code: Code, detail: String) -> Refused {
    // RFC 9110 section 11.6.1 wants a challenge beside a 401; no scheme is registered for what happens below HTTP.
    Refusal::new(code, detail)
        .rule(format!("{}.access", routed.access().1.place))
        .field("www-authenticate", format!("ClientCertificate realm=\"{}\"", routed.api.name))
}
