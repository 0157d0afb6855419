//! What is known of a call so far: its record under construction, and what its answer must carry.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use callgate_model::record::{End, ProtocolVersion};
use callgate_model::refusal::Refused;
use callgate_model::{CallId, CallRecord, Phase};
use callgate_records::RecorderHandle;
use callgate_wire::grpc::Dialect;
use callgate_wire::media::Accept;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::time::Instant;

use super::certificate::{Held, Shown};
use super::foreign::Looking;
use super::guard::CallGuard;
use super::websocket::Handshake;
use crate::Gate;
use crate::caller::Caller;
use crate::snapshot::{ListenerPolicy, Snapshot};
use crate::watch::Credential;
use crate::worker::Worker;

/// What the connection knows of a call before its head is read.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which listener, by its place in the configuration.
    pub listener: usize,
    /// The address that the listener is bound to, for records.
    pub listener_name: Arc<str>,
    /// The other end of the connection; where a balancer relays it, the client's.
    pub peer: IpAddr,
    /// The balancer's own, by which the connection came.
    pub relay: Option<IpAddr>,
    /// Over TLS.
    pub tls: bool,
    /// What the client showed of itself in the TLS handshake.
    pub certificate: Option<Rc<Shown>>,
    /// The name that the client asked for in the TLS handshake.
    pub server_name: Option<Arc<str>>,
    /// The byte inspection refused the head; the request beside this is a stand-in.
    pub refused: Option<Refused>,
}

/// A call on its way through the phases.
#[derive(Debug)]
pub struct Call<'a> {
    /// What all workers share.
    pub gate: &'a Gate,
    /// The configuration that this call is judged by, from beginning to end.
    pub snapshot: &'a Snapshot,
    /// Where it came from.
    pub arrival: Arrival,
    /// Its record so far, in the hands of the guard that will make it.
    pub record: CallGuard,
    /// The clear-text rule's view: https to the gate, or to a trusted proxy that says so.
    pub secure: bool,
    /// When the whole call must have ended (`total`).
    pub deadline: Option<Instant>,
    /// Set if that is what the caller asked for (`grpc-timeout`), and not what the file says.
    pub deadline_asked: Option<Duration>,
    /// Which gRPC it speaks, if any: the form of a refusal, and the pace of its body.
    pub grpc: Option<Dialect>,
    /// The Accept fields, for the form of a refusal. Read only then: it costs a microsecond.
    pub accept: Vec<HeaderValue>,
    /// Its type is not taken here, if it has a body at all: over HTTP/2 only the body itself can tell.
    pub refused_if_body: Option<Refused>,
    /// Whether it waits for a key that its token names.
    pub looking: Looking,
    /// Who calls, once known.
    pub caller: Option<Caller>,
    /// The certificate that says so, or that was asked for beside the key that does.
    pub held: Option<Held>,
    /// The rule that asks for a credential only watches, so that its end ends nothing either.
    pub access_only_watches: bool,
    /// `RateLimit-Policy` and `RateLimit` so far.
    pub rates: Rates,
    /// The call offers to become a WebSocket; kept apart, because hardly any does.
    pub websocket: Option<Box<Handshake>>,
    /// Fields that later phases add to whatever answer is sent: CORS, caching.
    pub answer_fields: HeaderMap,
}

/// The two rate fields under construction.
#[derive(Debug, Default)]
pub struct Rates {
    /// `"name";q=10;w=1`, comma separated.
    pub policy: Vec<u8>,
    /// `"name";r=9;t=1`, comma separated.
    pub state: Vec<u8>,
}

// === impl Call ===

impl<'a> Call<'a> {
    /// Begins a call.
    pub fn begin<B>(worker: &'a Worker, snapshot: &'a Snapshot, arrival: Arrival, request: &Request<B>) -> Call<'a> {
        let gate = worker.gate();
        let began_ms = gate.clock.unix_ms();
        let id = CallId::from_parts(u64::try_from(began_ms).unwrap_or(0), &worker.random());
        let mut call = Call::at(gate, snapshot, arrival, request, id, began_ms, Some(gate.recorder.clone()));
        call.record.running = Some(worker.enter());
        call
    }

    /// The same without a worker, and for a dry walk without a recorder.
    pub fn at<B>(
        gate: &'a Gate,
        snapshot: &'a Snapshot,
        arrival: Arrival,
        request: &Request<B>,
        id: CallId,
        began_ms: i64,
        recorder: Option<RecorderHandle>,
    ) -> Call<'a> {
        let record = Box::new(CallRecord {
            call_id: id,
            started_ms: began_ms,
            duration_us: 0,
            listener: Arc::clone(&arrival.listener_name),
            protocol: match request.version() {
                http::Version::HTTP_2 => ProtocolVersion::Http2,
                http::Version::HTTP_10 => ProtocolVersion::Http10,
                _ => ProtocolVersion::Http11,
            },
            tls: arrival.tls,
            client: arrival.peer,
            peer: arrival.relay.unwrap_or(arrival.peer),
            // The request beside a refused head is a stand-in; what was really asked is not known.
            method: match arrival.refused {
                Some(_) => "-".into(),
                None => callgate_model::record::bounded(request.method().as_str()),
            },
            host: Box::default(),
            path: Box::default(),
            api: None,
            route: None,
            consumer: None,
            key_id: None,
            issuer: None,
            client_id: None,
            token: None,
            status: 0,
            phase: Phase::Accept,
            refusal: None,
            would_refuse: Vec::new(),
            request_bytes: 0,
            response_bytes: 0,
            upstream: None,
            websocket: None,
            end: End::Complete,
            user_agent: None,
            trace_id: None,
        });
        Call {
            gate,
            snapshot,
            secure: arrival.tls,
            arrival,
            record: CallGuard::new(record, recorder, gate.clock.clone()),
            deadline: None,
            deadline_asked: None,
            // gRPC is always a POST: other calls don't pay for the look.
            grpc: (request.method() == Method::POST).then(|| Dialect::of(request.headers())).flatten(),
            accept: Vec::new(),
            refused_if_body: None,
            looking: Looking::No,
            caller: None,
            held: None,
            access_only_watches: false,
            rates: Rates::default(),
            websocket: None,
            answer_fields: HeaderMap::new(),
        }
    }

    /// Notes that the call entered a phase.
    pub fn enter(&mut self, phase: Phase) {
        self.record.phase = phase;
    }

    /// What holds for the listener it came through; none when a reload took that listener away.
    #[must_use]
    pub fn listener(&self) -> Option<&'a ListenerPolicy> {
        self.snapshot.listeners.get(self.arrival.listener)
    }

    /// Takes a rule's judgement in: a refusal stands, unless the rule only watches; then it is noted, and the call goes on.
    ///
    /// # Errors
    /// The refusal, when the rule enforces.
    pub fn judge(&mut self, only_watches: bool, judgement: Result<(), Refused>) -> Result<(), Refused> {
        match judgement {
            Err(refusal) if only_watches => {
                self.record.would_refuse.push(*refusal);
                Ok(())
            }
            other => other,
        }
    }

    /// The credential whose end ends the call, if it has one.
    pub(crate) fn take_credential(&mut self) -> Option<Credential> {
        let (mut key, mut token, mut foreign) = (None, None, None);
        match self.caller.take() {
            Some(Caller::Key(of_key)) => key = Some(of_key),
            Some(Caller::Token(of_token)) => token = Some(of_token),
            Some(Caller::KeyAndToken(of_key, of_token)) => (key, token) = (Some(of_key), Some(of_token)),
            Some(Caller::Foreign(of_token, consumer)) => foreign = Some((of_token, consumer)),
            Some(Caller::KeyAndForeign(of_key, of_token)) => {
                foreign = Some((of_token, Arc::clone(&of_key.consumer)));
                key = Some(of_key);
            }
            Some(Caller::Certificate { .. }) | None => {}
        }
        let certificate = self.held.take();
        let any = key.is_some() || token.is_some() || foreign.is_some() || certificate.is_some();
        (any && !self.access_only_watches).then_some(Credential { key, token, foreign, certificate })
    }

    /// Whether the caller takes no JSON, so that a refusal is told in plain text.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        let fields: HeaderMap = self.accept.iter().map(|value| (ACCEPT, value.clone())).collect();
        !fields.is_empty() && !Accept::of(&fields).allows_json()
    }

    /// When it began, monotonic nanoseconds: the moment by which its credential and its limits are judged. Reading a clock
    /// takes as long as a look-up, and the phases before forwarding are over in microseconds.
    #[must_use]
    pub fn began_ns(&self) -> u64 {
        self.record.started_ns
    }

    /// The same by the wall clock, Unix milliseconds.
    #[must_use]
    pub fn began_ms(&self) -> i64 {
        self.record.started_ms
    }

    /// Monotonic nanoseconds now.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.gate.clock.mono_ns()
    }
}
