//! From the checked configuration to a snapshot. Everything that can be done once is done here, not on the way of a call.

use std::collections::HashMap;
use std::sync::Arc;

use callgate_config as config;
use callgate_config::{Config, Credential, Segment};
use callgate_identity::foreign::ForeignIssuer;
use callgate_model::{Limit, Subject};
use callgate_transport::tls::{self, CertificateFacts, ClientTlsSet, ServerTls, Tickets, TlsError};
use callgate_transport::upstream::{Check, Member, Protocol, Room, Server, Servers};
use callgate_wire::path;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use thiserror::Error;

use super::authorities::{Asked, KnownAuthority};
use super::builtin;
use super::issuers::CompiledIssuer;
use super::{
    Api, Cells, Guards, Health, Hosts, KeyPlaces, ListenerPolicy, Plan, Rewrite, RewritePart, Route, Snapshot, Trusted,
};
use crate::policy::Watched;
use crate::policy::content::TypeList;
use crate::policy::cors::CorsPolicy;
use crate::policy::fields::FieldPolicy;
use crate::policy::ip::{AddressSet, IpPolicy};
use crate::policy::limits::{LimitPolicy, fingerprint};
use crate::route::Tree;

/// Why a checked configuration does not compile: what only the files beside it can tell.
#[derive(Debug, Error)]
pub enum CompileError {
    /// A certificate or key file of a listener.
    #[error("`listen[{index}].tls` can't be used")]
    Listener {
        /// Its place in `listen`.
        index: usize,
        /// Which of its certificates, and which of the two files: `certificate` or `key`.
        pair: Option<(usize, &'static str)>,
        /// What is wrong.
        source: TlsError,
    },
    /// The certificate or key file of the administration API.
    #[error("`admin.tls` can't be used")]
    Admin {
        /// Which of the two: `certificate` or `key`.
        file: Option<&'static str>,
        /// What is wrong.
        source: TlsError,
    },
    /// The authorities that vouch for callers' certificates.
    #[error("`authorities.{name}.ca` can't be used")]
    Authority {
        /// Its name.
        name: String,
        /// What is wrong.
        source: TlsError,
    },
    /// The authorities that another issuer is trusted by.
    #[error("`issuers[{index}].ca` can't be used")]
    Issuer {
        /// Its place in `issuers`.
        index: usize,
        /// What is wrong.
        source: TlsError,
    },
    /// The certificate authorities of an upstream, or the certificate that it is shown.
    #[error("`apis.{api}.upstream.tls` can't be used")]
    Tls {
        /// Whose.
        api: Box<str>,
        /// Which of its files: `ca`, `certificate` or `key`.
        file: Option<&'static str>,
        /// What is wrong.
        source: TlsError,
    },
}

/// In the place of a listener's number.
const ADMIN: usize = usize::MAX;

/// What the compilation of one snapshot carries along.
struct Compiler<'a> {
    earlier: Option<&'a Cells>,
    earlier_tls: Option<&'a ClientTlsSet>,
    cells: Cells,
    client_tls: ClientTlsSet,
    own_certificates: Vec<(Arc<str>, CertificateFacts)>,
    rooms: Vec<(Arc<str>, Arc<str>, Arc<Room>)>,
    workers: usize,
    global: Watched,
}

// === impl Snapshot ===

impl Snapshot {
    /// Compiles a configuration. Cells of limits that the previous snapshot knows keep their state.
    ///
    /// # Errors
    /// [`CompileError`]; the previous snapshot stays in use.
    pub fn compile(config: Arc<Config>, previous: Option<&Snapshot>) -> Result<Snapshot, CompileError> {
        let global = Watched::compile(config.mode, [], Watched::default());
        let mut compiler = Compiler {
            earlier: previous.map(|snapshot| &snapshot.cells),
            earlier_tls: previous.map(|snapshot| &snapshot.client_tls),
            cells: Cells::default(),
            client_tls: ClientTlsSet::default(),
            own_certificates: Vec::new(),
            rooms: Vec::new(),
            workers: config.workers_or_cores(),
            global,
        };
        let issuers = compiler.issuers(&config, previous)?;
        let mut hosts = Hosts::default();
        let mut resources = Vec::new();
        for api in &config.apis {
            let own = config.issuer.as_ref().filter(|_| api.tokens.own);
            let compiled = Arc::new(Api { issuers: foreign(api, &issuers), ..compiler.api(api, own)? });
            hosts.add(api.host.as_deref(), &compiled);
            resources.extend(
                api.resource(own).filter(|_| compiled.takes_tokens).and_then(|named| {
                    Some(((api.host.as_deref(), config::resource_metadata_path(&named)?), named, api))
                }),
            );
        }
        for (place, named, api) in &resources {
            // Several APIs may be one resource, under one audience.
            let same: Vec<_> = resources.iter().filter(|(other, ..)| other == place).map(|(.., api)| *api).collect();
            if same.first().is_some_and(|first| std::ptr::eq(*first, *api)) {
                let about = builtin::resource(place.0, &place.1, named, &same, config.issuer.as_ref());
                hosts.add(place.0, &Arc::new(compiler.api(&about, None)?));
            }
        }
        if let Some(issuer) = &config.issuer {
            let compiled = Arc::new(Api { local: true, ..compiler.api(&builtin::issuer(), None)? });
            builtin::place(&mut hosts, issuer, &compiled);
        }
        let plans = config.plans.iter().map(|(name, plan)| compiler.plan(name, plan)).collect();
        let authorities = compiler.authorities(&config)?;
        let bound = bound_listeners(&config, previous);
        let mut tickets = Tickets::default();
        let mut listeners = Vec::with_capacity(bound.len());
        for (index, listen) in bound.iter().enumerate() {
            let earlier = previous.map(|snapshot| &snapshot.tickets);
            listeners.push(listener(index, listen, global, &authorities, earlier, &mut tickets)?);
        }
        let earlier = previous.map(|snapshot| &snapshot.tickets);
        let admin = admin(&config, earlier, &mut tickets)?;
        let trusted = config.trusted_proxies.clone();
        Ok(Snapshot {
            generation: previous.map_or(1, |snapshot| snapshot.generation + 1),
            issuers,
            hosts,
            plans,
            listeners,
            admin,
            trusted: trusted.map(|setting| Trusted { proxies: AddressSet::new(&setting.ips), setting }),
            lockout: config.lockout,
            bound,
            cells: compiler.cells,
            tickets,
            client_tls: compiler.client_tls,
            own_certificates: compiler.own_certificates,
            rooms: compiler.rooms,
            config,
        })
    }
}

/// The listeners that calls arrive through. Their rules and certificates follow the file as long as the sockets are the
/// ones it asks for.
fn bound_listeners(config: &Config, previous: Option<&Snapshot>) -> Vec<config::Listen> {
    match previous {
        Some(previous) if !same_sockets(&previous.bound, &config.listen) => previous.bound.clone(),
        _ => config.listen.clone(),
    }
}

/// Whether the same addresses are listened on, each with TLS or without as before: what a reload can't change.
pub(crate) fn same_sockets(one: &[config::Listen], other: &[config::Listen]) -> bool {
    let socket = |listen: &config::Listen| (listen.address, listen.tls.is_empty());
    one.iter().map(socket).eq(other.iter().map(socket))
}

fn protocol(protocol: config::UpstreamProtocol) -> Protocol {
    match protocol {
        config::UpstreamProtocol::Http1 => Protocol::Http1,
        config::UpstreamProtocol::Http2 => Protocol::Http2,
        config::UpstreamProtocol::Auto => Protocol::Auto,
    }
}

fn health(health: &config::UpstreamHealth) -> Health {
    let check = Check {
        path: PathAndQuery::try_from(&*health.path).unwrap_or(PathAndQuery::from_static("/")),
        statuses: health.statuses.iter().filter_map(|status| StatusCode::from_u16(*status).ok()).collect(),
        timeout: health.timeout,
    };
    Health { check, every: health.every, rise: health.rise, fall: health.fall }
}

fn listener(
    index: usize,
    listen: &config::Listen,
    global: Watched,
    authorities: &HashMap<&str, Arc<KnownAuthority>>,
    earlier: Option<&Tickets>,
    tickets: &mut Tickets,
) -> Result<ListenerPolicy, CompileError> {
    let asked = listen.client_certificates.iter().filter_map(|name| authorities.get(name.as_str()).cloned());
    let asked = (!listen.client_certificates.is_empty()).then(|| Asked::new(asked.collect()));
    let files: Vec<_> = listen.tls.iter().map(|pair| (pair.certificate.clone(), pair.key.clone())).collect();
    let by = asked.as_ref().map(Asked::authorities).unwrap_or_default();
    let tls = || tls::server_tls(&files, &by, tickets.of(earlier, index, &by)?);
    let tls = (!files.is_empty()).then(tls).transpose();
    let tls = tls.map_err(|source| CompileError::Listener { index, pair: pair_of(&listen.tls, &source), source })?;
    Ok(ListenerPolicy {
        tls: tls.as_ref().map(|tls| Arc::clone(&tls.config)),
        names: tls.as_ref().map(|tls| Arc::clone(&tls.names)),
        certificates: tls.map_or_else(Vec::new, |tls| tls.certificates),
        asked,
        name: listen.address.to_string().into(),
        ip: IpPolicy::compile(&listen.ip, &format!("listen[{index}]")),
        cleartext_allowed: listen.cleartext == config::Cleartext::Allow,
        redirect_https: listen.redirect_https,
        relayed: listen.proxy_protocol,
        watched: global,
    })
}

fn admin(config: &Config, earlier: Option<&Tickets>, tickets: &mut Tickets) -> Result<Option<ServerTls>, CompileError> {
    let Some(pair) = config.admin.as_ref().and_then(|admin| admin.tls.as_ref()) else { return Ok(None) };
    let files = [(pair.certificate.clone(), pair.key.clone())];
    let tls = tickets.of(earlier, ADMIN, &[]).and_then(|tickets| tls::server_tls(&files, &[], tickets));
    let tls = tls.map_err(|source| {
        let file = pair_of(std::slice::from_ref(pair), &source).map(|(_, file)| file);
        CompileError::Admin { file, source }
    })?;
    Ok(Some(tls))
}

/// Which file of which pair an error is about.
fn pair_of(pairs: &[config::Certificate], error: &TlsError) -> Option<(usize, &'static str)> {
    let path = error.path()?;
    pairs.iter().enumerate().find_map(|(index, pair)| match () {
        () if pair.certificate == path => Some((index, "certificate")),
        () if pair.key == path => Some((index, "key")),
        () => None,
    })
}

// === impl CompileError ===

impl CompileError {
    /// The setting that it is about, as the keys and numbers that lead to it in the file.
    #[must_use]
    pub fn place(&self) -> Vec<String> {
        let steps = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect();
        match self {
            CompileError::Listener { index, pair: Some((pair, file)), .. } => {
                steps(&["listen", &index.to_string(), "tls", &pair.to_string(), file])
            }
            CompileError::Listener { index, pair: None, .. } => steps(&["listen", &index.to_string(), "tls"]),
            CompileError::Admin { file: Some(file), .. } => steps(&["admin", "tls", file]),
            CompileError::Admin { file: None, .. } => steps(&["admin", "tls"]),
            CompileError::Authority { name, .. } => steps(&["authorities", name, "ca"]),
            CompileError::Issuer { index, .. } => steps(&["issuers", &index.to_string(), "ca"]),
            CompileError::Tls { api, file: Some(file), .. } => steps(&["apis", api, "upstream", "tls", file]),
            CompileError::Tls { api, file: None, .. } => steps(&["apis", api, "upstream"]),
        }
    }
}

// === impl Compiler ===

impl Compiler<'_> {
    fn authorities<'c>(&mut self, config: &'c Config) -> Result<HashMap<&'c str, Arc<KnownAuthority>>, CompileError> {
        let compile = |authority: &'c config::Authority| {
            let compiled = KnownAuthority::compile(authority, self.earlier, &mut self.cells);
            let compiled =
                compiled.map_err(|source| CompileError::Authority { name: authority.name.clone(), source })?;
            Ok((authority.name.as_str(), Arc::new(compiled)))
        };
        config.authorities.iter().map(compile).collect()
    }

    fn issuers(&mut self, config: &Config, previous: Option<&Snapshot>) -> Result<Vec<CompiledIssuer>, CompileError> {
        let known = config.issuers.iter().enumerate().map(|(index, setting)| {
            let tls = match self.client_tls.of(self.earlier_tls, setting.ca.as_deref(), None) {
                Ok(tls) => Some(tls.config),
                Err(source) if CompiledIssuer::needs_tls(setting) => {
                    return Err(CompileError::Issuer { index, source });
                }
                // On a machine that trusts nobody, an issuer on loopback still has its keys there.
                Err(_) => None,
            };
            Ok(CompiledIssuer::new(setting, tls, previous))
        });
        known.collect()
    }

    fn api(&mut self, api: &config::Api, issuer: Option<&config::Issuer>) -> Result<Api, CompileError> {
        let place = format!("apis.{}", api.name);
        let keys = KeyPlaces {
            header: api.keys.header.as_ref().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()),
            bearer: api.keys.bearer,
            query: api.keys.query.clone(),
        };
        let guards = self.guards(&api.guards, &place, &place, self.global, keys.header.as_ref());
        let routes: Vec<Route> =
            api.routes.iter().enumerate().map(|(index, route)| self.route(api, index, route, &guards, &keys)).collect();
        let takes = |kind| {
            let mut all = routes.iter().map(|route| route.guards.access).chain([guards.access]).flatten();
            all.any(|access| access.takes(kind))
        };
        let (takes_keys, takes_tokens) = (takes(Credential::Key), takes(Credential::Token));
        Ok(Api {
            name: api.name.as_str().into(),
            path: api.path.clone(),
            matching_path: path::matching_form(&api.path).into_owned(),
            keys,
            servers: self.servers(api)?,
            health: api.upstream.health.as_ref().map(health),
            base_path: api.upstream.base_path.clone(),
            host_from_caller: api.upstream.host_from_caller,
            guards,
            tree: Tree::build(api.routes.iter().map(|route| (&route.pattern, method_rank(route.method.as_deref())))),
            routes,
            unlisted: if api.routes.is_empty() { config::Unlisted::Forward } else { api.unlisted },
            paths: api.paths,
            keep_override_headers: api.keep_override_headers,
            takes_keys,
            takes_tokens,
            public_url: api.public_url.as_deref().map(Into::into),
            resource_metadata: api
                .resource(issuer)
                .filter(|_| takes_tokens)
                .and_then(|named| resource_metadata(&named)),
            takes_own_tokens: api.tokens.own,
            issuers: Box::default(),
            foreign_audience: api.tokens.audience.as_deref().or(api.public_url.as_deref()).map(Into::into),
            consumer_claim: api.tokens.consumer_claim.as_deref().map(Into::into),
            audiences: audiences(api, issuer),
            local: false,
        })
    }

    fn route(
        &mut self,
        api: &config::Api,
        index: usize,
        route: &config::Route,
        above: &Guards,
        keys: &KeyPlaces,
    ) -> Route {
        let place = format!("apis.{}.routes[{index}]", api.name);
        // Its number changes when another route is written above it, and its limits must not.
        let identity = format!("apis.{} {} {}", api.name, route.method.as_deref().unwrap_or("*"), route.pattern.text);
        let prefix = api.path.trim_end_matches('/');
        Route {
            template: format!("{prefix}{}", route.pattern.text).into(),
            method: route.method.as_ref().and_then(|method| Method::from_bytes(method.as_bytes()).ok()),
            guards: self.guards(&route.guards, &place, &identity, above.watched, keys.header.as_ref()),
            rewrite: route.rewrite.as_deref().map(|text| Rewrite::compile(text, &route.pattern.segments)),
            respond: route.respond.clone(),
        }
    }

    /// How the servers of an API are spoken to over TLS.
    fn client_tls(&mut self, api: &config::Api) -> Result<Arc<rustls::ClientConfig>, CompileError> {
        let config::Upstream { tls_ca, tls_certificate, .. } = &api.upstream;
        let pair = tls_certificate.as_ref();
        let files = pair.map(|pair| (pair.certificate.as_path(), pair.key.as_path()));
        let tls = self.client_tls.of(self.earlier_tls, tls_ca.as_deref(), files).map_err(|source| {
            let of_pair = || pair_of(pair.map(std::slice::from_ref).unwrap_or_default(), &source).map(|(_, file)| file);
            let is_ca = source.path().is_some() && source.path() == tls_ca.as_deref();
            let file = of_pair().or(is_ca.then_some("ca"));
            CompileError::Tls { api: api.name.as_str().into(), file, source }
        })?;
        let own = tls.certificate.map(|certificate| (Arc::from(api.name.as_str()), certificate));
        self.own_certificates.extend(own);
        Ok(tls.config)
    }

    fn servers(&mut self, api: &config::Api) -> Result<Servers, CompileError> {
        let upstream = &api.upstream;
        let tls_config = if upstream.tls { Some(self.client_tls(api)?) } else { None };
        let members = upstream.servers.iter().map(|server| {
            let name = server.to_string();
            let default_port = if upstream.tls { ":443" } else { ":80" };
            let authority = name.strip_suffix(default_port).unwrap_or(&name);
            let identity = fingerprint(&(&api.name, "server", upstream.tls, &name));
            let known = self.cells.name(self.earlier, fingerprint(&("name", &server.host, server.port)));
            let plain = Server::new(&server.host, server.port, tls_config.clone(), upstream.idle)
                .speaking(protocol(upstream.protocol))
                .known_by(known);
            let room = upstream.max_connections.map(|max| {
                // With another number it is another room: connections of the one before end as they would have.
                let identity = fingerprint(&(identity, "room", max, self.workers));
                self.cells.room(self.earlier, identity, max, self.workers)
            });
            let known = room.clone().map(|room| (Arc::from(api.name.as_str()), Arc::from(name.as_str()), room));
            self.rooms.extend(known);
            Member {
                server: room.map_or(plain.clone(), |room| plain.within(room)),
                host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")),
                weight: server.weight,
                standing: self.cells.standing(self.earlier, identity),
                name: name.into(),
            }
        });
        let members = members.collect();
        Ok(Servers::new(members, self.cells.budget(self.earlier, fingerprint(&(&api.name, "repeats")))))
    }

    /// `place` is where they are written, `identity` what they are about, whatever is written around them.
    fn guards(
        &mut self,
        guards: &config::Guards,
        place: &str,
        identity: &str,
        above: Watched,
        key_header: Option<&HeaderName>,
    ) -> Guards {
        let list = |types: &Option<Vec<String>>, word: &str| {
            types.as_ref().map(|types| TypeList::compile(types, format!("{place}.{word}")))
        };
        let concurrent = guards.concurrent.map(|max| {
            let counter = self.cells.counter(self.earlier, fingerprint(&(identity, "concurrent")));
            (max, counter)
        });
        Guards {
            watched: Watched::compile(guards.mode, guards.observe.iter().copied(), above),
            access: guards.access,
            ip: IpPolicy::compile(&guards.ip, place),
            accepts: list(&guards.accepts, "accepts"),
            produces: list(&guards.produces, "produces"),
            well_formed: guards.well_formed,
            scopes: guards.scopes.clone(),
            limits: self.limits(&guards.limits, place, identity),
            concurrent,
            timeout: guards.timeout,
            idle: guards.idle,
            total: guards.total,
            body_max: guards.body_max,
            cors: guards.cors.as_ref().map(|cors| CorsPolicy::compile(cors, key_header, place)),
            fields: FieldPolicy::compile(&guards.headers),
            websocket: guards.websocket,
            repeats_by_key: guards.repeats_by_key,
            place: place.into(),
        }
    }

    fn limits(&mut self, limits: &[Limit], place: &str, identity: &str) -> Vec<LimitPolicy> {
        let (earlier, cells) = (self.earlier, &mut self.cells);
        let mut cell = |fingerprint| cells.limit(earlier, fingerprint);
        let place = |index| format!("{place}.limits[{index}]");
        let limits = limits.iter().enumerate();
        limits.map(|(index, limit)| LimitPolicy::compile(limit, place(index), identity, &mut cell)).collect()
    }

    fn plan(&mut self, name: &str, plan: &config::Plan) -> (Arc<str>, Arc<Plan>) {
        let place = format!("plans.{name}");
        let shared_name: Arc<str> = name.into();
        let quotas = plan.quotas.iter().map(|quota| {
            let which = fingerprint(&(&quota.name, quota.period, quota.per == Subject::Key));
            (Arc::new(quota.clone()), which)
        });
        let compiled = Plan {
            name: Arc::clone(&shared_name),
            limits: self.limits(&plan.limits, &place, &place),
            quotas: quotas.collect(),
            concurrent: plan.concurrent.map(|max| (max, fingerprint(&(&place, "concurrent")))),
            watched: Watched::compile(plan.mode, [], self.global),
        };
        (shared_name, Arc::new(compiled))
    }
}

/// What a client may have named when it asked for a token for this API. The issuer itself stands for "nothing named".
fn audiences(api: &config::Api, issuer: Option<&config::Issuer>) -> Vec<Box<str>> {
    match &api.tokens.audience {
        Some(audience) => vec![audience.as_str().into()],
        None => {
            api.resource(issuer).into_iter().chain(issuer.map(|issuer| issuer.url.clone())).map(Into::into).collect()
        }
    }
}

/// The other issuers whose tokens it takes.
fn foreign(api: &config::Api, issuers: &[CompiledIssuer]) -> Box<[Arc<ForeignIssuer>]> {
    let named = |known: &&CompiledIssuer| api.tokens.foreign.contains(&known.setting.url);
    issuers.iter().filter(named).map(|known| Arc::clone(&known.issuer)).collect()
}

/// Where a caller without a token learns whom to ask for one (RFC 9728 section 5.1).
fn resource_metadata(named: &str) -> Option<Box<str>> {
    let path = config::resource_metadata_path(named)?;
    let resource = named.parse::<http::Uri>().ok()?;
    Some(format!("{}://{}{path}", resource.scheme_str()?, resource.authority()?).into())
}

/// A named method is more specific than `*`; and GET, which is HEAD's stand-in, is less so than HEAD itself.
fn method_rank(method: Option<&str>) -> u8 {
    match method {
        None => 0,
        Some("GET") => 1,
        Some(_) => 2,
    }
}

// === impl Rewrite ===

impl Rewrite {
    /// Takes `/v2/orders/{id}/{**}` apart; the names are those of the pattern.
    #[must_use]
    pub fn compile(text: &str, pattern: &[Segment]) -> Rewrite {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            parts.push(RewritePart::Literal(before.to_owned()));
            if name == "**" {
                parts.push(RewritePart::Rest(pattern.len()));
            } else if let Some(place) =
                pattern.iter().position(|segment| matches!(segment, Segment::Any(known) if known == name))
            {
                parts.push(RewritePart::Segment(place));
            }
            rest = behind;
        }
        parts.push(RewritePart::Literal(rest.to_owned()));
        parts.retain(|part| !matches!(part, RewritePart::Literal(text) if text.is_empty()));
        Rewrite { parts }
    }

    /// The path to forward for a normalised path below the API's prefix.
    #[must_use]
    pub fn apply(&self, path: &str) -> String {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let mut out = String::with_capacity(path.len() + 32);
        for part in &self.parts {
            match part {
                RewritePart::Literal(text) => out.push_str(text),
                RewritePart::Segment(place) => out.push_str(segments.get(*place).copied().unwrap_or_default()),
                RewritePart::Rest(place) => {
                    for (nth, segment) in segments.iter().skip(*place).enumerate() {
                        if nth > 0 {
                            out.push('/');
                        }
                        out.push_str(segment);
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_puts_the_segments_in() {
        let pattern = [Segment::Literal("orders".into()), Segment::Any("id".into())];
        assert_eq!(Rewrite::compile("/v2/{id}/order", &pattern).apply("/orders/7"), "/v2/7/order");
        assert_eq!(Rewrite::compile("/v2/{**}", &pattern).apply("/orders/7/a/b"), "/v2/a/b");
        assert_eq!(Rewrite::compile("/fixed", &pattern).apply("/orders/7"), "/fixed");
    }
}
