//! The compiled configuration that workers read: immutable, swapped whole, never changed in place.
//!
//! Keys are not in it: they change one by one, and live in a table of their own (`identity::KeyTable`).

pub mod authorities;
mod builtin;
mod cells;
mod compile;
pub mod hosts;
mod issuers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use callgate_config::{
    Access, Config, Credential, Listen, Lockout, PathSwitches, Respond, Rule, TrustedProxies, Unlisted, Websocket,
};
use callgate_identity::foreign::ForeignIssuer;
use callgate_model::{Mode, Quota};
use callgate_transport::tls::{ByName, CertificateFacts, ClientTlsSet, ServerTls, Tickets};
use callgate_transport::upstream::{Check, Room, Servers};
use http::{HeaderName, Method};

pub use authorities::Asked;
pub use cells::Cells;
pub use compile::CompileError;
pub(crate) use compile::same_sockets;
pub use hosts::Hosts;
pub use issuers::CompiledIssuer;

use crate::limiter::Counter;
use crate::policy::content::TypeList;
use crate::policy::cors::CorsPolicy;
use crate::policy::fields::FieldPolicy;
use crate::policy::ip::IpPolicy;
use crate::policy::limits::LimitPolicy;
use crate::policy::{Watched, ip::AddressSet};
use crate::route::Tree;

/// One compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots of this process, from 1.
    pub generation: u64,
    /// The issuers beside the gate's own. What is known of their keys is handed on to the next snapshot.
    pub issuers: Vec<CompiledIssuer>,
    /// What it was compiled from, for `check`, the admin API and the next reload's report.
    pub config: Arc<Config>,
    /// Host and path to API.
    pub hosts: Hosts,
    /// By plan name.
    pub plans: HashMap<Arc<str>, Arc<Plan>>,
    /// Per listener, in the configuration's order.
    pub listeners: Vec<ListenerPolicy>,
    /// The certificate of the administration API over TCP.
    pub admin: Option<ServerTls>,
    /// Whose forwarding fields are believed.
    pub trusted: Option<Trusted>,
    /// Against guessing credentials.
    pub lockout: Option<Lockout>,
    /// The listeners as they are bound; other addresses need a restart, and until then the old rules hold.
    pub bound: Vec<Listen>,
    /// The cells of limits per api and route, and how servers stand; handed on to the next snapshot.
    pub cells: Cells,
    /// The keys of session tickets; handed on too, so that clients resume over a reload.
    pub tickets: Tickets,
    /// How servers with TLS are spoken to; handed on too, so that connections to them stay in use.
    pub client_tls: ClientTlsSet,
    /// The certificates that servers are shown, by the name of the API.
    pub own_certificates: Vec<(Arc<str>, CertificateFacts)>,
    /// Servers that may have only so many connections, by the name of their API and their own.
    pub rooms: Vec<(Arc<str>, Arc<str>, Arc<Room>)>,
}

/// What holds for one listener.
#[derive(Debug)]
pub struct ListenerPolicy {
    /// Its name in records: the configured address.
    pub name: Arc<str>,
    /// Addresses.
    pub ip: Option<IpPolicy>,
    /// Its certificates; none in clear text.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The same by the names in them.
    pub names: Option<Arc<ByName>>,
    /// What there is to know of them, in the file's order.
    pub certificates: Vec<CertificateFacts>,
    /// The authorities that clients are asked for certificates by.
    pub asked: Option<Asked>,
    /// Whether credentials pass in clear text from anywhere.
    pub cleartext_allowed: bool,
    /// Every call is redirected to https on this port.
    pub redirect_https: Option<u16>,
    /// Whether its connections begin with a PROXY header.
    pub relayed: bool,
    /// Whether its rules only watch.
    pub watched: Watched,
}

/// Compiled `trusted_proxies`.
#[derive(Debug)]
pub struct Trusted {
    /// Their addresses.
    pub proxies: AddressSet,
    /// The setting itself.
    pub setting: TrustedProxies,
}

/// One API.
#[derive(Debug)]
pub struct Api {
    /// Its name.
    pub name: Arc<str>,
    /// Its prefix: `/` or `/a/b`.
    pub path: String,
    /// The same in the form in which paths are compared.
    pub matching_path: String,
    /// How keys are presented.
    pub keys: KeyPlaces,
    /// The servers that answer.
    pub servers: Servers,
    /// How they are asked whether they are well.
    pub health: Option<Health>,
    /// Put before every forwarded path.
    pub base_path: String,
    /// Send the caller's `Host`.
    pub host_from_caller: bool,
    /// What holds for the whole API.
    pub guards: Guards,
    /// Its routes, as a tree of numbers into the list below.
    pub tree: Tree,
    /// Its routes.
    pub routes: Vec<Route>,
    /// What happens to calls that match none.
    pub unlisted: Unlisted,
    /// Unusual paths let through.
    pub paths: PathSwitches,
    /// Whether `X-HTTP-Method-Override` and its like are forwarded.
    pub keep_override_headers: bool,
    /// Whether any place of it takes keys: then key fields never go upstream.
    pub takes_keys: bool,
    /// Whether any place of it takes tokens.
    pub takes_tokens: bool,
    /// Where callers know it, if the file says so.
    pub public_url: Option<Box<str>>,
    /// Where it is written whose tokens it takes, as a URL.
    pub resource_metadata: Option<Box<str>>,
    /// Whether those of the gate's own issuer are among them.
    pub takes_own_tokens: bool,
    /// The other issuers whose tokens it takes.
    pub issuers: Box<[Arc<ForeignIssuer>]>,
    /// Whom theirs must be for.
    pub foreign_audience: Option<Box<str>>,
    /// Which of their claims names the consumer; none means their client.
    pub consumer_claim: Option<Box<str>>,
    /// Whom a token may be for, the one to ask for first.
    pub audiences: Vec<Box<str>>,
    /// It is the gate's own: what is forwarded elsewhere is answered inside.
    pub local: bool,
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What one check is.
    pub check: Check,
    /// Between two checks of a server.
    pub every: Duration,
    /// Good ones in a row before a server that was left out is let in.
    pub rise: u32,
    /// Failed ones before it is left out.
    pub fall: u32,
}

/// Where a key may stand.
#[derive(Debug)]
pub struct KeyPlaces {
    /// The field.
    pub header: Option<HeaderName>,
    /// `Authorization: Bearer`.
    pub bearer: bool,
    /// The query parameter.
    pub query: Option<String>,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Its template with the API's prefix, for records and metrics.
    pub template: Arc<str>,
    /// None is any method.
    pub method: Option<Method>,
    /// What it says.
    pub guards: Guards,
    /// The path to forward instead.
    pub rewrite: Option<Rewrite>,
    /// The gate answers itself.
    pub respond: Option<Respond>,
}

/// A path to forward instead, with the places of the pattern's names.
#[derive(Debug)]
pub struct Rewrite {
    /// Literal parts and, between them, what of the path is put in.
    pub parts: Vec<RewritePart>,
}

/// One part of a rewritten path.
#[derive(Debug, PartialEq, Eq)]
pub enum RewritePart {
    /// Text as it stands.
    Literal(String),
    /// The segment at this place of the path.
    Segment(usize),
    /// Everything from the segment at this place.
    Rest(usize),
}

/// Compiled guards of an API or a route. None means: not said here.
#[derive(Debug)]
pub struct Guards {
    /// Where it is written: `apis.bookshop`, `apis.bookshop.routes[2]`.
    pub place: Arc<str>,
    /// Its rules that only watch.
    pub watched: Watched,
    /// Who may call.
    pub access: Option<Access>,
    /// Addresses.
    pub ip: Option<IpPolicy>,
    /// Types of request bodies.
    pub accepts: Option<TypeList>,
    /// Types of responses.
    pub produces: Option<TypeList>,
    /// Whether bodies must be well-formed.
    pub well_formed: Option<bool>,
    /// Scopes, all of them needed.
    pub scopes: Vec<String>,
    /// Limits.
    pub limits: Vec<LimitPolicy>,
    /// Calls at once.
    pub concurrent: Option<(u32, Counter)>,
    /// Until the upstream's response head.
    pub timeout: Option<Duration>,
    /// Between two bytes.
    pub idle: Option<Duration>,
    /// From head to end.
    pub total: Option<Duration>,
    /// Bytes of a request body.
    pub body_max: Option<u64>,
    /// Cross-origin calls.
    pub cors: Option<CorsPolicy>,
    /// Fields set and removed.
    pub fields: FieldPolicy,
    /// Whether a call may become a WebSocket.
    pub websocket: Option<Websocket>,
    /// Whether a call with an `Idempotency-Key` may be sent again.
    pub repeats_by_key: Option<bool>,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub name: Arc<str>,
    /// Its limits.
    pub limits: Vec<LimitPolicy>,
    /// Its quotas, each with a fingerprint of name, period and subject.
    pub quotas: Vec<(Arc<Quota>, u64)>,
    /// Calls of one consumer at once, and the fingerprint of the counting cell.
    pub concurrent: Option<(u32, u64)>,
    /// Whether its rules only watch.
    pub watched: Watched,
}

// === impl Snapshot ===

impl Snapshot {
    /// What the global switch puts into observe.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched::compile(self.config.mode, [], Watched::default())
    }

    /// Whether the whole gate only watches.
    #[must_use]
    pub fn only_watches(&self) -> bool {
        self.config.mode == Mode::Observe
    }
}

// === impl Api ===

impl Api {
    /// Whether a credential of this kind counts anywhere in it; a key, if none does.
    #[must_use]
    pub fn takes(&self, kind: Credential) -> bool {
        match kind {
            Credential::Key => self.takes_keys || !self.takes_tokens,
            Credential::Token => self.takes_tokens,
            Credential::Certificate => false,
        }
    }
}

// === impl Guards ===

impl Guards {
    /// Whether this rule only watches here.
    #[must_use]
    pub fn only_watches(&self, rule: Rule) -> bool {
        self.watched.only_watches(rule)
    }
}
