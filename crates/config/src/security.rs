//! Weak spots of a configuration that is otherwise right: for `callgate check --security`.
//!
//! Each is a choice that somebody may have made on purpose; what it costs is said, and what would remove it. Keys without
//! expiry are in the store, not in the file: the command line adds those.

use callgate_model::{Mode, Subject};
use ipnet::IpNet;

use crate::access::{Access, Credential};
use crate::config::{Api, Cleartext, Config, Guards, LogTarget, Route};

/// A body this large, times the connections that one address may hold, is what a flood can make the upstream swallow.
const BODY_LARGE: u64 = 64 * 1024 * 1024;
/// Networks wider than this hold strangers, and services that nobody thought of: a /8 has 16 million addresses.
const PREFIX_V4_MIN: u8 = 16;
const PREFIX_V6_MIN: u8 = 48;

/// One weak spot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Weakness {
    /// The setting, as a path into the file.
    pub place: String,
    /// What is weak about it.
    pub text: String,
    /// What would remove it.
    pub remedy: String,
}

/// Every weak spot, the gate's first.
#[must_use]
pub fn security(config: &Config) -> Vec<Weakness> {
    let mut found = Found(Vec::new());
    gate(&mut found, config);
    for (index, listen) in config.listen.iter().enumerate() {
        if listen.cleartext == Cleartext::Allow {
            let text = format!("keys travel unencrypted to {}: whoever sees the traffic has them", listen.address);
            found.add(format!("listen[{index}].cleartext"), text, "add `tls`, and leave `cleartext: allow` out");
        }
    }
    for api in &config.apis {
        self::api(&mut found, api);
    }
    found.0
}

struct Found(Vec<Weakness>);

impl Found {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Weakness { place: place.into(), text: text.into(), remedy: remedy.into() });
    }
}

fn gate(found: &mut Found, config: &Config) {
    if config.mode == Mode::Observe {
        found.add("mode", "the whole gate only watches: nothing is refused", "write `mode: enforce`, or leave it out");
    }
    for network in config.trusted_proxies.iter().flat_map(|proxies| &proxies.ips) {
        if is_wide(network) {
            let text = format!("{network} is wide: everybody in it chooses the address that limits and ip lists see");
            found.add("trusted_proxies.ips", text, "name the proxies' own addresses");
        }
    }
    issuers(found, config);
    if config.lockout.is_none() {
        found.add("lockout", "wrong keys are never slowed down", "leave `lockout: off` out");
    }
    if let Some(admin) = config.admin.as_ref().filter(|admin| !admin.address.ip().is_loopback()) {
        let text = format!("the administration API can be reached from outside, on {}", admin.address);
        found.add("admin.address", text, "bind it to `127.0.0.1`, or use the socket in `data_dir`");
    }
    if let Some(health) = config.health.filter(|health| !health.ip().is_loopback()) {
        let text = format!("metrics are open to whoever reaches {health}: they name APIs, routes and their traffic");
        found.add("health", text, "bind it to an inner address");
    }
    if config.log.access == LogTarget::Off {
        found.add(
            "log.access",
            "there is no access log to look into after an attack",
            "write `access: stdout` or a file",
        );
    }
    let wants_keys =
        config.apis.iter().any(|api| api.guards.access.is_some_and(|access| access.takes(Credential::Key)));
    if wants_keys && config.plans.is_empty() && !config.apis.iter().any(bounds_keys) {
        let text = "no plan and no limit bounds what one key may do";
        found.add("plans", text, "write a plan: `plans: { free: { limits: [10/s], quota: 1000/day } }`");
    }
    for (name, plan) in config.plans.iter().filter(|(_, plan)| plan.mode == Mode::Observe) {
        let counted = plan.limits.len() + plan.quotas.len();
        let text = format!("the plan's {counted} limits and quotas only watch");
        found.add(format!("plans.{name}.mode"), text, "write `mode: enforce`, or leave it out");
    }
}

/// Of issuers of tokens that are not the gate.
fn issuers(found: &mut Found, config: &Config) {
    for (index, known) in config.issuers.iter().enumerate() {
        for network in &known.ips {
            if is_wide(network) {
                let text = format!(
                    "{network} is wide: what `{}` says of its keys may lead the gate to any service in it",
                    known.url
                );
                found.add(format!("issuers[{index}].ips"), text, "name the issuer's own addresses");
            }
        }
    }
    for (index, known) in config.issuers.iter().enumerate().filter(|(_, known)| known.consumers.is_empty()) {
        // Where nobody else lets callers in, there is nobody whom it could pass for.
        let beside_others = |api: &&Api| {
            let takes_keys = api.guards.access.is_some_and(|access| access.takes(Credential::Key));
            let others = api.tokens.own || api.tokens.foreign.len() > 1 || takes_keys;
            others && api.tokens.foreign.contains(&known.url)
        };
        if let Some(api) = config.apis.iter().find(beside_others) {
            let text =
                format!("tokens of `{}` can name every consumer of `{}`, also those of others", known.url, api.name);
            found.add(
                format!("issuers[{index}].consumers"),
                text,
                "write `consumers` beside its `url`, with those that are its own",
            );
        }
    }
}

fn api(found: &mut Found, api: &Api) {
    let place = format!("apis.{}", api.name);
    let everything = std::iter::once(&api.guards).chain(api.routes.iter().map(|route| &route.guards));
    if !everything.clone().any(|guards| limited_per(guards, |per| *per == Subject::Ip)) {
        let text = "no limit per ip: one address can try keys, and call, as fast as it likes";
        found.add(format!("{place}.limits"), text, "write a limit such as `50/s per ip`");
    }
    if api.guards.access == Some(Access::PUBLIC) && api.guards.limits.is_empty() {
        let text = "everybody may call, and nothing bounds how fast";
        found.add(format!("{place}.access"), text, "write a limit such as `50/s per ip`, or `access: key`");
    }
    if let Some(query) = &api.keys.query {
        let text = format!("keys in the query (`{query}`) are kept by browsers, proxies and logs on the way");
        found.add(format!("{place}.keys.query"), text, "write `query: false`, and let callers send the header");
    }
    if api.guards.body_max.is_none() {
        let text = "the size of bodies was not thought about: 10 MiB are taken";
        found.add(format!("{place}.body_max"), text, "write the largest body that this API needs, such as `64KiB`");
    }
    let far = api.upstream.servers.iter().find(|server| !is_local(&server.host));
    if let Some(server) = far.filter(|_| !api.upstream.tls) {
        let text = format!("calls go unencrypted to {}, which is another machine", server.host);
        found.add(format!("{place}.upstream"), text, "write `https` in its URL, or keep that network closed to others");
    }
    guards(found, &api.guards, &place);
    for route in &api.routes {
        self::route(found, api, route, &place);
    }
}

fn route(found: &mut Found, api: &Api, route: &Route, api_place: &str) {
    let key = format!("{} {}", route.method.as_deref().unwrap_or("*"), route.pattern.text);
    let place = format!("{api_place}.routes[{key}]");
    let opens = route.guards.access == Some(Access::PUBLIC) && api.guards.access != Some(Access::PUBLIC);
    if opens && route.respond.is_none() && route.guards.limits.is_empty() && api.guards.limits.is_empty() {
        let text = "everybody may call this route, and nothing bounds how fast";
        found.add(format!("{place}.access"), text, "write a limit such as `10/s per ip`");
    }
    let guarded_by_ip = !route.guards.ip.allow.is_empty() || !api.guards.ip.allow.is_empty();
    if opens && route.pattern.rest && !guarded_by_ip {
        let text = "everything below this path is public, also what is added to the upstream later";
        found.add(format!("{place}.access"), text, "name the public paths one by one");
    }
    guards(found, &route.guards, &place);
}

/// What is weak wherever it stands.
fn guards(found: &mut Found, guards: &Guards, place: &str) {
    if guards.mode == Mode::Observe {
        found.add(format!("{place}.mode"), "the rules here only watch", "write `mode: enforce`, or leave it out");
    }
    for rule in &guards.observe {
        let text = format!("`{}` only watches here", rule.name());
        found.add(format!("{place}.observe"), text, "take it out of `observe` once its records look right");
    }
    if guards.cors.as_ref().is_some_and(|cors| cors.origins.iter().any(|origin| origin == "*")) {
        let text = "every page of every site may call this from its visitors' browsers";
        found.add(format!("{place}.cors.origins"), text, "name the origins that need it");
    }
    if let Some(bytes) = guards.body_max.filter(|bytes| *bytes > BODY_LARGE) {
        let text = format!("bodies of up to {} MiB are taken", bytes >> 20);
        found.add(
            format!("{place}.body_max"),
            text,
            "write a smaller size, and a larger one on the routes that need it",
        );
    }
}

fn is_wide(network: &IpNet) -> bool {
    network.prefix_len() < if network.addr().is_ipv4() { PREFIX_V4_MIN } else { PREFIX_V6_MIN }
}

fn bounds_keys(api: &Api) -> bool {
    let mut all = std::iter::once(&api.guards).chain(api.routes.iter().map(|route| &route.guards));
    all.any(|guards| limited_per(guards, |per| matches!(per, Subject::Key | Subject::Consumer)))
}

fn limited_per(guards: &Guards, wanted: impl Fn(&Subject) -> bool) -> bool {
    guards.limits.iter().any(|limit| wanted(&limit.per))
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
