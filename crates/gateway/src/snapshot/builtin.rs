//! The gate's own API: the issuer's endpoints. Its calls pass the phases of every call, under the rules that stand here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use callgate_config::{
    Access, Api, Cors, Guards, ISSUER_API, ISSUER_PATHS, Issuer, KeyPlaces, PathSwitches, Pattern, Respond, Route,
    TokenRules, Unlisted, Upstream,
};
use callgate_model::{Limit, Subject, bounds};
use serde_json::json;

use super::hosts::Hosts;

/// Methods and paths. What an unauthenticated caller can do costs little: reading documents, or one keyed hash; a password has
/// a pace and a queue of its own.
const ROUTES: [(&str, &str); 7] = [
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/authorize"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/revoke"),
];

/// Far above what a client needs that keeps its token until it ends, and far below what guessing needs.
const LIMIT: &str = "issuer: 20/s burst 100 per ip";

/// For an act of the store, which takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The issuer's API, as if it stood in the file.
pub(super) fn issuer() -> Api {
    let routes = ROUTES.iter().filter_map(|(method, path)| {
        let is_public = path.starts_with("/.well-known/");
        let guards = Guards {
            accepts: (*method == "POST").then(|| vec!["application/x-www-form-urlencoded".to_owned()]),
            // What says nothing but what everybody may know is for pages of every origin; the rest is for none.
            cors: is_public.then(any_origin),
            ..Guards::default()
        };
        let (method, pattern) = (Some((*method).to_owned()), Pattern::exactly(path)?);
        Some(Route { method, pattern, guards, rewrite: None, respond: None })
    });
    let limits = Limit::parse(LIMIT, &Subject::Ip).into_iter().collect();
    let (timeout, body_max) = (Some(TIMEOUT), Some(bounds::LOCAL_BODY_BYTES_MAX));
    public(None, "/", Guards { limits, timeout, body_max, ..Guards::default() }, routes.collect())
}

/// What there is to know of APIs that take tokens as one resource (RFC 9728 section 2): a document under their own host.
/// `issuer` is the gate's own, where there is one.
pub(super) fn resource(host: Option<&str>, path: &str, named: &str, apis: &[&Api], issuer: Option<&Issuer>) -> Api {
    let guards =
        apis.iter().flat_map(|api| std::iter::once(&api.guards).chain(api.routes.iter().map(|route| &route.guards)));
    let mut scopes: Vec<&str> = guards.flat_map(|guards| guards.scopes.iter().map(String::as_str)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let own = issuer.filter(|_| apis.iter().any(|api| api.tokens.own)).map(|issuer| &issuer.url);
    let mut servers: Vec<&String> = own.into_iter().chain(apis.iter().flat_map(|api| &api.tokens.foreign)).collect();
    let mut seen = HashSet::new();
    servers.retain(|url| seen.insert(*url));
    let document = json!({
        "resource": named,
        "authorization_servers": servers,
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
    });
    let fields = [("content-type", "application/json"), ("cache-control", "public, max-age=3600")];
    let respond = Respond {
        status: 200,
        headers: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: format!("{document}\n"),
    };
    let guards = Guards { cors: Some(any_origin()), ..Guards::default() };
    let route = Pattern::exactly("/").map(|pattern| Route {
        method: Some("GET".to_owned()),
        pattern,
        guards,
        rewrite: None,
        respond: Some(respond),
    });
    public(host.map(str::to_owned), path, Guards::default(), route.into_iter().collect())
}

fn public(host: Option<String>, path: &str, guards: Guards, routes: Vec<Route>) -> Api {
    Api {
        name: ISSUER_API.to_owned(),
        host,
        path: path.to_owned(),
        public_url: None,
        upstream: Upstream::nobody(),
        // A Bearer field is not looked at: which client asks, it says in its own way.
        keys: KeyPlaces { header: None, bearer: false, query: None },
        tokens: TokenRules::default(),
        guards: Guards { access: Some(Access::PUBLIC), ..guards },
        unlisted: Unlisted::Refuse,
        routes,
        paths: PathSwitches::default(),
        keep_override_headers: false,
    }
}

/// Puts it where it answers. On loopback whichever name this machine is called by; elsewhere alone on its host.
pub(super) fn place(hosts: &mut Hosts, issuer: &Issuer, api: &Arc<super::Api>) {
    if !issuer.is_loopback {
        hosts.add_alone(&issuer.host, api);
        return;
    }
    let mut names = vec![issuer.host.as_str(), "localhost", "127.0.0.1", "[::1]"];
    names.sort_unstable();
    names.dedup();
    for name in names {
        for path in ISSUER_PATHS {
            hosts.add_under(Some(name), path, api);
        }
    }
}

fn any_origin() -> Cors {
    Cors {
        origins: vec!["*".to_owned()],
        credentials: false,
        headers: Vec::new(),
        expose: Vec::new(),
        max_age: Duration::from_secs(3_600),
    }
}
