//! What a configuration comes to, one line an API and one a route: for `callgate check`.

use crate::access::Access;
use crate::config::{Api, Config, Guards, Route, Unlisted, Upstream, Websocket};
use callgate_model::Mode;

/// One line: where callers find something, what answers, and under which rules.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The API's name.
    pub api: String,
    /// The method and pattern of a route; none for the API itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Where callers find it: host and path, the path alone where any host will do.
    pub place: String,
    /// What answers: a URL, or the status of an answer of the gate's own.
    pub target: String,
    /// Who may call.
    pub access: String,
    /// What else holds, as it was written.
    pub rules: Vec<String>,
}

/// Every API and route, in the file's order.
#[must_use]
pub fn mapping(config: &Config) -> Vec<Line> {
    let mut lines = Vec::new();
    for api in &config.apis {
        lines.push(api_line(api, config));
        lines.extend(api.routes.iter().map(|route| route_line(api, route)));
    }
    lines
}

fn api_line(api: &Api, config: &Config) -> Line {
    let mut rules = rules(&api.guards);
    if api.routes.is_empty() {
        rules.push("everything below is forwarded".to_owned());
    } else if api.unlisted == Unlisted::Forward {
        rules.push("unlisted calls are forwarded".to_owned());
    }
    if !api.tokens.foreign.is_empty() {
        let own = api.tokens.own.then_some("self");
        let all: Vec<&str> = own.into_iter().chain(api.tokens.foreign.iter().map(String::as_str)).collect();
        rules.push(format!("tokens of {}", all.join(", ")));
    }
    if config.mode == Mode::Observe {
        rules.push("the gate only observes".to_owned());
    }
    let below = if api.path == "/" { "/**".to_owned() } else { format!("{}/**", api.path) };
    Line {
        api: api.name.clone(),
        route: None,
        place: format!("{}{below}", api.host.as_deref().unwrap_or_default()),
        target: url(&api.upstream),
        access: access(api.guards.access),
        rules,
    }
}

fn route_line(api: &Api, route: &Route) -> Line {
    let prefix = if api.path == "/" { "" } else { &api.path };
    let target = match (&route.respond, &route.rewrite) {
        (Some(respond), _) => format!("answer {}", respond.status),
        (None, Some(rewrite)) => format!("{}{rewrite}", url(&api.upstream)),
        (None, None) => format!("{}{}", url(&api.upstream), route.pattern.text),
    };
    Line {
        api: api.name.clone(),
        route: Some(format!("{} {}", route.method.as_deref().unwrap_or("*"), route.pattern.text)),
        place: format!("{}{prefix}{}", api.host.as_deref().unwrap_or_default(), route.pattern.text),
        target,
        access: route.guards.access.or(api.guards.access).map_or_else(|| access(None), |found| access(Some(found))),
        rules: rules(&route.guards),
    }
}

fn access(access: Option<Access>) -> String {
    access.unwrap_or(Access::KEY).to_string()
}

fn url(upstream: &Upstream) -> String {
    let scheme = if upstream.tls { "https" } else { "http" };
    let servers: Vec<String> = upstream.servers.iter().map(ToString::to_string).collect();
    match servers.as_slice() {
        [one] => format!("{scheme}://{one}{}", upstream.base_path),
        several => format!("{scheme}://{{{}}}{}", several.join(","), upstream.base_path),
    }
}

/// What an entry says beside its access, shortly.
fn rules(guards: &Guards) -> Vec<String> {
    let mut rules = Vec::new();
    rules.extend(guards.limits.iter().map(|limit| match limit.text.contains(" per ") {
        true => limit.text.clone(),
        false => format!("{} per {}", limit.text, limit.per),
    }));
    rules.extend(guards.concurrent.map(|most| format!("{most} at once")));
    if !guards.scopes.is_empty() {
        rules.push(format!("scopes {}", guards.scopes.join(" ")));
    }
    let networks = |word: &str, networks: &[ipnet::IpNet]| {
        let list: Vec<String> = networks.iter().map(ToString::to_string).collect();
        (!list.is_empty()).then(|| format!("{word} {}", list.join(" ")))
    };
    rules.extend(networks("allow", &guards.ip.allow));
    rules.extend(networks("deny", &guards.ip.deny));
    rules.extend(guards.accepts.as_ref().map(|types| format!("accepts {}", types.join(" "))));
    rules.extend(guards.produces.as_ref().map(|types| format!("produces {}", types.join(" "))));
    rules.extend(guards.body_max.map(|bytes| format!("body up to {}", size(bytes))));
    rules.extend(guards.timeout.map(|timeout| format!("timeout {timeout:?}")));
    if let Some(Websocket::Allow(_)) = guards.websocket {
        rules.push("websocket".to_owned());
    }
    if guards.repeats_by_key == Some(true) {
        rules.push("repeated by Idempotency-Key".to_owned());
    }
    if guards.mode == Mode::Observe {
        rules.push("observed".to_owned());
    } else if !guards.observe.is_empty() {
        let names: Vec<&str> = guards.observe.iter().map(|rule| rule.name()).collect();
        rules.push(format!("observed: {}", names.join(" ")));
    }
    rules
}

/// A size as an operator would write it.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

impl std::fmt::Display for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.route {
            None => write!(formatter, "{}: {} → {}  {}", self.api, self.place, self.target, self.access)?,
            Some(route) => {
                let (method, _) = route.split_once(' ').unwrap_or((route, ""));
                write!(formatter, "  {method} {} → {}  {}", self.place, self.target, self.access)?;
            }
        }
        if self.rules.is_empty() { Ok(()) } else { write!(formatter, "  {}", self.rules.join(", ")) }
    }
}
