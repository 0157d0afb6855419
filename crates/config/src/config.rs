//! The checked configuration: what the other crates read. Every value here is already valid; the texts, places and
//! mistakes stay behind in the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use callgate_model::{Limit, Mode, Profile, Quota, Secret, bounds};
use ipnet::IpNet;

use crate::access::Access;
use crate::issuer::Issuer;

/// A whole `callgate.yaml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The global switch: observe puts every rule of the gate into observe.
    pub mode: Mode,
    /// Where calls arrive; at least one.
    pub listen: Vec<Listen>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub health: Option<SocketAddr>,
    /// The store, secrets and the admin socket; absolute.
    pub data_dir: PathBuf,
    /// Data-plane threads; none means one per core.
    pub workers: Option<usize>,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: Option<TrustedProxies>,
    /// How much memory the gate may take.
    pub memory: MemoryBound,
    /// The access log.
    pub log: Log,
    /// Against guessing credentials; none means off.
    pub lockout: Option<Lockout>,
    /// The admin API over TCP; off unless written.
    pub admin: Option<AdminListen>,
    /// How a gate that is told to stop goes.
    pub drain: Drain,
    /// The first word of minted keys; `cg` unless written.
    pub key_brand: String,
    /// What consumers can be on.
    pub plans: BTreeMap<String, Plan>,
    /// Who vouches for callers' certificates, in the file's order.
    pub authorities: Vec<Authority>,
    /// The gate's own authorization server; none issues and takes no tokens.
    pub issuer: Option<Issuer>,
    /// The issuers beside it whose tokens count somewhere, each once.
    pub issuers: Vec<KnownIssuer>,
    /// The guarded APIs, in the file's order.
    pub apis: Vec<Api>,
    /// Files that this configuration read besides itself (certificates, secrets): a change in one is a change of it.
    pub watched: Vec<PathBuf>,
}

// === impl Config ===

impl Config {
    /// Data-plane threads: those of the file, or one per core.
    #[must_use]
    pub fn workers_or_cores(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificates, the first being the one for clients that send no name; empty means clear text.
    pub tls: Vec<Certificate>,
    /// The authorities whose certificates clients are asked for; empty asks for none.
    pub client_certificates: Vec<String>,
    /// Whether credentials pass over clear text from anywhere.
    pub cleartext: Cleartext,
    /// Answer every call with 308 to the same target over https, on this port.
    pub redirect_https: Option<u16>,
    /// Connections begin with a PROXY header, and come from trusted proxies alone.
    pub proxy_protocol: bool,
    /// Addresses that may connect, judged like every other ip rule.
    pub ip: IpRules,
}

/// Whether credentials pass over an unencrypted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cleartext {
    /// Only from loopback, or through a trusted proxy that says https.
    #[default]
    Local,
    /// From anywhere.
    Allow,
}

/// A certificate chain and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, leaf first; absolute path.
    pub certificate: PathBuf,
    /// The private key; absolute path.
    pub key: PathBuf,
}

/// Certificate authorities that vouch for callers, and the callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name in this file.
    pub name: String,
    /// Their own certificates, as a PEM file; absolute path.
    pub ca: PathBuf,
    /// Whom they vouch for; at least one.
    pub callers: Vec<CertificateCaller>,
}

/// Who calls with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateCaller {
    /// A subject alternative name: a host in lower case, or a URI as it is.
    pub name: String,
    /// Whose it is.
    pub consumer: String,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// An issuer of tokens that is not this gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssuer {
    /// Its identifier, letter by letter as it stands in tokens.
    pub url: String,
    /// Whose habits its tokens have.
    pub profile: Profile,
    /// Where its keys are, if its metadata is not to be asked for that.
    pub jwks: Option<String>,
    /// Addresses on which it may be although they are not public.
    pub ips: Vec<IpNet>,
    /// Certificate authorities to trust it by, besides the system's; absolute path.
    pub ca: Option<PathBuf>,
    /// The only consumers that it can name; empty means every one.
    pub consumers: Vec<String>,
}

/// Whose tokens count at an API, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// Those of the gate's own issuer.
    pub own: bool,
    /// Those of these issuers, by their URL.
    pub foreign: Vec<String>,
    /// Whom a token must be for; none means `public_url` or the gate's own issuer.
    pub audience: Option<String>,
    /// The claim of a foreign token that names the consumer; none means its client.
    pub consumer_claim: Option<String>,
}

/// Proxies whose forwarding field is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their addresses.
    pub ips: Vec<IpNet>,
    /// The one field that they write.
    pub header: ForwardHeader,
}

/// Which field carries the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// How much memory the gate may take before it refuses new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryBound {
    /// A share of what the cgroup allows, where it bounds anything.
    Automatic,
    /// As much as there is.
    Off,
    /// So many bytes.
    Bytes(u64),
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Where it goes.
    pub access: LogTarget,
    /// When the gate itself moves a full file aside; of files alone.
    pub rotate: Option<Rotate>,
}

/// When the access log's file is full, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate {
    /// Bytes of a file.
    pub size: u64,
    /// Files beside the one that is written.
    pub keep: u32,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Nowhere. Records, metrics and recent calls are kept all the same.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to; absolute.
    File(PathBuf),
}

/// After `failures` wrong credentials `within` a time, wrong credentials from that address hear 429 `for_` a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// How many.
    pub failures: u32,
    /// Within.
    pub within: Duration,
    /// For.
    pub for_: Duration,
}

/// The admin API over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminListen {
    /// Its address; off loopback `tls` is required.
    pub address: SocketAddr,
    /// Its certificate.
    pub tls: Option<Certificate>,
}

/// How a gate that is told to stop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Not ready, and still taking connections.
    pub delay: Duration,
    /// Then: for connections to end by themselves.
    pub timeout: Duration,
}

/// A named set of limits and quotas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Per consumer unless they say `per key`.
    pub limits: Vec<Limit>,
    /// Per consumer unless they say `per key`.
    pub quotas: Vec<Quota>,
    /// Calls of one consumer at once.
    pub concurrent: Option<u32>,
    /// Whether the plan refuses.
    pub mode: Mode,
}

/// One API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its name.
    pub name: String,
    /// The host it answers on, lower case; none means any. `*.example.com` stands for one more label.
    pub host: Option<String>,
    /// The prefix it answers under: `/` or `/a/b` without a slash at the end.
    pub path: String,
    /// Where callers find it, for documents and redirects.
    pub public_url: Option<String>,
    /// The servers that answer.
    pub upstream: Upstream,
    /// How keys are presented.
    pub keys: KeyPlaces,
    /// Which tokens count.
    pub tokens: TokenRules,
    /// What holds for the whole API.
    pub guards: Guards,
    /// Whether calls that match no route are forwarded.
    pub unlisted: Unlisted,
    /// The routes, in the file's order; empty forwards everything below the prefix.
    pub routes: Vec<Route>,
    /// Paths that are refused elsewhere and let through here.
    pub paths: PathSwitches,
    /// `X-HTTP-Method-Override` and its like are dropped unless this is set.
    pub keep_override_headers: bool,
}

/// What happens to calls that match no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// 404 or 405.
    #[default]
    Refuse,
    /// Forwarded under the API's guards.
    Forward,
}

/// The refusals of unusual paths (DESIGN section 4), each switchable per API. All false by default: refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathSwitches {
    /// Let `%2F` and `%5C` through, still encoded.
    pub encoded_separators: bool,
    /// Let `;` in a segment through.
    pub semicolons: bool,
    /// Let a path through that equals a guarded one but for its case.
    pub case_variants: bool,
}

/// The servers of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Whether its servers are reached over TLS.
    pub tls: bool,
    /// Its servers, at least one, each once.
    pub servers: Vec<UpstreamServer>,
    /// A path put before every forwarded one: `` or `/base`.
    pub base_path: String,
    /// Send the caller's `Host` instead of the upstream's.
    pub host_from_caller: bool,
    /// How long a connection without a call is kept.
    pub idle: Duration,
    /// Which HTTP it is spoken to in.
    pub protocol: UpstreamProtocol,
    /// How many connections each of its servers may have, over all workers.
    pub max_connections: Option<u32>,
    /// Extra certificate authorities (PEM), beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// What its servers are shown when they ask for a certificate.
    pub tls_certificate: Option<Certificate>,
    /// How its servers are asked whether they are well.
    pub health: Option<UpstreamHealth>,
}

/// How the servers of an upstream are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamHealth {
    /// A path on the server, with a query or without.
    pub path: String,
    /// Between two checks of a server.
    pub every: Duration,
    /// Until the whole answer; at most `every`.
    pub timeout: Duration,
    /// Good statuses; any from 200 to 299 if there is none.
    pub statuses: Vec<u16>,
    /// Good checks in a row before a server that was left out is let in.
    pub rise: u32,
    /// Failed ones before it is left out.
    pub fall: u32,
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Its share of the calls, beside the others' weights.
    pub weight: u32,
}

impl std::fmt::Display for UpstreamServer {
    /// `host:port`, an IPv6 address in brackets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

/// Which HTTP an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, in clear text too.
    Http2,
    /// What an https server chooses.
    Auto,
}

/// Where a key may stand in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlaces {
    /// The header, lower case; `x-api-key` unless written.
    pub header: Option<String>,
    /// `Authorization: Bearer`.
    pub bearer: bool,
    /// The query parameter; off unless written.
    pub query: Option<String>,
}

/// Addresses allowed and denied. Deny wins; an empty `allow` allows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpRules {
    /// Allowed.
    pub allow: Vec<IpNet>,
    /// Denied.
    pub deny: Vec<IpNet>,
}

/// What an API and a route can both say. `None` and empty mean: not said here.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// Observe puts every rule written here into observe.
    pub mode: Mode,
    /// Single rules that only watch.
    pub observe: BTreeSet<Rule>,
    /// Who may call.
    pub access: Option<Access>,
    /// Addresses.
    pub ip: IpRules,
    /// Types of request bodies, as patterns: `application/json`, `application/*+json`, `text/*`.
    pub accepts: Option<Vec<String>>,
    /// Types of responses, as patterns.
    pub produces: Option<Vec<String>>,
    /// Whether JSON and XML bodies must be well-formed.
    pub well_formed: Option<bool>,
    /// Scopes the credential must have, all of them.
    pub scopes: Vec<String>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Calls at once (of the API, or of the route).
    pub concurrent: Option<u32>,
    /// Until the upstream's response head.
    pub timeout: Option<Duration>,
    /// Between two bytes of a body.
    pub idle: Option<Duration>,
    /// From the head of the call to the end of its answer.
    pub total: Option<Duration>,
    /// Bytes of a request body.
    pub body_max: Option<u64>,
    /// Cross-origin calls from browsers.
    pub cors: Option<Cors>,
    /// Fields set and removed.
    pub headers: HeaderRules,
    /// Whether a call may become a WebSocket.
    pub websocket: Option<Websocket>,
    /// Whether a call with an `Idempotency-Key` may be sent again (`idempotency_key: repeat`).
    pub repeats_by_key: Option<bool>,
}

/// Whether a call may become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Websocket {
    /// It may not.
    Refuse,
    /// It may, on these terms.
    Allow(WebsocketTerms),
}

/// What an open WebSocket is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsocketTerms {
    /// Without a byte in either direction.
    pub idle: Duration,
    /// From its opening to its end.
    pub lifetime: Duration,
    /// Bytes of one message.
    pub message_max: u64,
}

impl Default for WebsocketTerms {
    fn default() -> WebsocketTerms {
        WebsocketTerms {
            idle: bounds::WEBSOCKET_IDLE_DEFAULT,
            lifetime: bounds::WEBSOCKET_LIFETIME_DEFAULT,
            message_max: bounds::WEBSOCKET_MESSAGE_BYTES_DEFAULT,
        }
    }
}

/// The rules that can be put into observe one by one, named as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// `access`
    Access,
    /// `ip`
    Ip,
    /// `cleartext`
    Cleartext,
    /// `accepts`
    Accepts,
    /// `produces`
    Produces,
    /// `well_formed`
    WellFormed,
    /// `scopes`
    Scopes,
    /// `limits`
    Limits,
    /// `concurrent`
    Concurrent,
    /// `body_max`
    BodyMax,
    /// `cors`
    Cors,
    /// `unlisted`
    Unlisted,
    /// `websocket`
    Websocket,
}

impl Rule {
    /// Every rule.
    pub const ALL: &'static [Rule] = &[
        Rule::Access,
        Rule::Ip,
        Rule::Cleartext,
        Rule::Accepts,
        Rule::Produces,
        Rule::WellFormed,
        Rule::Scopes,
        Rule::Limits,
        Rule::Concurrent,
        Rule::BodyMax,
        Rule::Cors,
        Rule::Unlisted,
        Rule::Websocket,
    ];

    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Access => "access",
            Rule::Ip => "ip",
            Rule::Cleartext => "cleartext",
            Rule::Accepts => "accepts",
            Rule::Produces => "produces",
            Rule::WellFormed => "well_formed",
            Rule::Scopes => "scopes",
            Rule::Limits => "limits",
            Rule::Concurrent => "concurrent",
            Rule::BodyMax => "body_max",
            Rule::Cors => "cors",
            Rule::Unlisted => "unlisted",
            Rule::Websocket => "websocket",
        }
    }
}

/// Cross-origin calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// `https://shop.example.com`, or `*` alone.
    pub origins: Vec<String>,
    /// Whether cookies and credentials may be sent; never with `*`.
    pub credentials: bool,
    /// Request fields a browser may send, besides the safelisted and the API's key header; empty means those alone.
    pub headers: Vec<String>,
    /// Response fields a script may read, besides the gate's own.
    pub expose: Vec<String>,
    /// How long a preflight is remembered.
    pub max_age: Duration,
}

/// Fields set and removed. Names are lower case; values may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderRules {
    /// Set on the way to the upstream.
    pub request_set: Vec<(String, Secret)>,
    /// Removed on the way to the upstream.
    pub request_remove: Vec<String>,
    /// Set on the way back.
    pub response_set: Vec<(String, Secret)>,
    /// Removed on the way back.
    pub response_remove: Vec<String>,
}

/// One line under `routes`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Upper case; none means any (`*`).
    pub method: Option<String>,
    /// The pattern below the API's prefix: `/orders/{id}`, `/admin/**`.
    pub pattern: Pattern,
    /// What it says.
    pub guards: Guards,
    /// The path to forward instead, with the pattern's names: `/v2/orders/{id}`, `/v2/{**}`.
    pub rewrite: Option<String>,
    /// The gate answers itself.
    pub respond: Option<Respond>,
}

/// A path pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// Its segments before `**`; none for `/` itself.
    pub segments: Vec<Segment>,
    /// Whether it ends in `/**`, which also matches the bare path and the path with a slash.
    pub rest: bool,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Exactly this, in the form that the gate brings paths into; empty only at the end, for a path with a slash there.
    Literal(String),
    /// `{name}`: any one segment that is not empty.
    Any(String),
}

/// An answer of the gate's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// Fields, names lower case (`location` for a redirect).
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}
