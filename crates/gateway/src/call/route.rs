//! Route: host, path and method lead to an API and to every route that matches.

use std::sync::Arc;

use callgate_config::{Access, Credential, Respond, Rule, Unlisted};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::path::{self, PathRules};
use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use tokio::time::Instant;

use super::read::{self, Incoming};
use super::state::Call;
use crate::answer::{self, Answer};
use crate::policy::cors::CorsPolicy;
use crate::snapshot::hosts::Lookup;
use crate::snapshot::{Api, Guards, Rewrite, Route};

/// Where a call leads.
#[derive(Debug)]
pub enum Destination<'a> {
    /// To an API.
    Api(Routed<'a>),
    /// To an answer of the gate's own, before any API: a redirect to https, `OPTIONS *`.
    Answer(Answer),
}

/// The API of a call and every route that matches it.
#[derive(Debug)]
pub struct Routed<'a> {
    /// The API.
    pub api: &'a Arc<Api>,
    /// Matching routes, from the least to the most specific. All their guards apply; single values come from the last that
    /// has one.
    pub routes: Vec<&'a Route>,
    /// The path below the API's prefix.
    pub path: String,
    /// That there is no such route, or not for this method, and whether that is only watched: told once the caller may know.
    unknown: Option<(Refused, bool)>,
    /// What the gate answers to OPTIONS when no route takes it.
    allow: Option<String>,
}

/// Finds the destination of a call.
///
/// # Errors
/// `no_such_route` where no API answers; `malformed_request` for paths that this API does not let through.
pub(crate) fn find<'a, B>(call: &mut Call<'a>, request: &Incoming<B>) -> Result<Destination<'a>, Refused> {
    if let Some(port) = call.listener().and_then(|listener| listener.redirect_https) {
        if request.host.is_empty() {
            // HTTP/1.0 may leave it out.
            let detail = "The request names no host, so there is nowhere to redirect it to.";
            return Err(Refusal::new(Code::MalformedRequest, detail));
        }
        return Ok(Destination::Answer(answer::redirect_to_https(request, port)));
    }
    if request.path == "*" {
        return Ok(Destination::Answer(answer::options("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
    }
    // `/users/%40me` and `/users/@me` are one place to every upstream, so they are one place to the rules.
    let matching = path::matching_form(&request.path);
    let api = match call.snapshot.hosts.find(&request.host, &matching) {
        Lookup::Api(api) => api,
        Lookup::ButForCase(api) => {
            let refusal = differs_in_case(&format!("apis.{}.path", api.name));
            call.judge(api.guards.watched.wholly(), Err(refusal))?;
            api
        }
        Lookup::Nothing => {
            let detail = "No API answers for this host and path.";
            return Err(Refusal::new(Code::NoSuchRoute, detail)
                .gate_side(format!("no API has host `{}` and a prefix of `{}`", call.record.host, call.record.path)));
        }
    };
    call.record.api = Some(Arc::clone(&api.name));
    let rules = PathRules { encoded_separators: api.paths.encoded_separators, semicolons: api.paths.semicolons };
    let usual = read::normalised(request.parts.uri.path(), rules).map(drop);
    call.judge(api.guards.watched.wholly(), usual)?;
    let asked = preflight_for(request);
    let routed = match_routes(call, api, below(&request.path, &api.path), request.method(), asked.as_ref());
    call.deadline = routed.pick(|guards| guards.total).map(|(total, _)| Instant::now() + total);
    if let Some(route) = routed.routes.last() {
        call.record.route = Some(Arc::clone(&route.template));
    }
    Ok(Destination::Api(routed))
}

/// Lets a call whose caller may know the API hear that there is no such route, or the methods it has.
///
/// # Errors
/// `no_such_route`, `method_not_allowed`.
pub(crate) fn known<'a>(call: &mut Call<'_>, mut routed: Routed<'a>) -> Result<Routed<'a>, Refused> {
    if let Some((refused, only_watches)) = routed.unknown.take() {
        call.judge(only_watches, Err(refused))?;
    }
    Ok(routed)
}

/// The answer to OPTIONS where no route takes it. It tells which methods there are, so it comes after [`known`].
pub(crate) fn options(routed: &Routed<'_>) -> Option<Answer> {
    routed.allow.as_deref().map(answer::options)
}

/// The method that a CORS preflight asks for.
fn preflight_for<B>(request: &Incoming<B>) -> Option<Method> {
    let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let is_preflight = *request.method() == Method::OPTIONS && request.headers().contains_key(ORIGIN);
    is_preflight.then(|| Method::from_bytes(wanted.as_bytes()).ok()).flatten()
}

/// Judges a call from a page of another origin, and answers a CORS preflight, which browsers send without a credential.
///
/// # Errors
/// `cors_refused`.
pub(crate) fn preflight<B>(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    request: &Incoming<B>,
) -> Result<Option<Answer>, Refused> {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else { return Ok(None) };
    let asked = preflight_for(request);
    let target = match &asked {
        Some(method) => &match_routes(call, routed.api, &routed.path, method, None),
        None => routed,
    };
    let Some((cors, guards)) = target.cors() else { return Ok(None) };
    // A page of the API's own host needs no leave, and is told nothing: by http it would be another origin all the same.
    if !CorsPolicy::is_own(&origin, &request.authority) {
        let judgement = cors.check(&origin);
        let allowed = judgement.is_ok();
        call.judge(guards.only_watches(Rule::Cors), judgement)?;
        if allowed {
            cors.mark(&origin, &mut call.answer_fields);
        }
    }
    if asked.is_none() {
        return Ok(None);
    }
    cors.mark_preflight(&target.methods(), &mut call.answer_fields);
    Ok(Some(answer::no_content()))
}

/// `asked` is the method that a preflight asks for.
fn match_routes<'a>(
    call: &Call<'_>,
    api: &'a Arc<Api>,
    path: &str,
    method: &Method,
    asked: Option<&Method>,
) -> Routed<'a> {
    let found = api.tree.find(&path::matching_form(path));
    let by_path = || found.matching.iter().filter_map(|index| api.routes.get(*index));
    let mut routes: Vec<&Route> = by_path().filter(|route| route.takes(method)).collect();
    let mut allow = None;
    if *method == Method::OPTIONS && routes.is_empty() && !found.matching.is_empty() {
        // The gate answers for the routes of this place, so their guards hold; for a preflight those of the one it is about.
        allow = Some(methods_of(by_path()));
        routes = by_path().filter(|route| asked.is_none_or(|asked| route.takes(asked))).collect();
    }
    let case_variant = found.but_for_case.filter(|_| !api.paths.case_variants).and_then(|index| api.routes.get(index));
    let unknown = if let Some(route) = case_variant {
        Some((differs_in_case(&route.guards.place), api.guards.watched.wholly()))
    } else if !routes.is_empty() || allow.is_some() || api.unlisted == Unlisted::Forward {
        None
    } else {
        let refusal = match by_path().next_back() {
            None => no_such_route(call, api),
            Some(last) => method_not_allowed(last, methods_of(by_path())),
        };
        Some((refusal, api.guards.only_watches(Rule::Unlisted)))
    };
    Routed { api, routes, path: path.to_owned(), unknown, allow }
}

fn no_such_route(call: &Call<'_>, api: &Api) -> Refused {
    let detail = format!("API `{}` has no route for this path.", api.name);
    let gate_side = format!("no route of `{}` matches `{}`, and unlisted: refuse", api.name, call.record.path);
    Refusal::new(Code::NoSuchRoute, detail).rule(format!("apis.{}.unlisted", api.name)).gate_side(gate_side)
}

fn method_not_allowed(route: &Route, allow: String) -> Refused {
    let detail = format!("This route takes {allow}.");
    Refusal::new(Code::MethodNotAllowed, detail).rule(route.guards.place.to_string()).field("allow", allow)
}

/// The path below a prefix, counted in segments: the path may spell the prefix in another way.
fn below<'p>(path: &'p str, prefix: &str) -> &'p str {
    let segments = prefix.split('/').filter(|segment| !segment.is_empty()).count();
    let mut rest = path;
    for _ in 0..segments {
        let behind = rest.get(1..).unwrap_or_default();
        rest = behind.find('/').and_then(|slash| behind.get(slash..)).unwrap_or_default();
    }
    if rest.is_empty() { "/" } else { rest }
}

fn differs_in_case(rule: &str) -> Refused {
    Refusal::new(Code::MalformedRequest, "The path differs from a known one only in upper and lower case.")
        .rule(rule.to_owned())
        .gate_side("an upstream that ignores case would serve a guarded path unguarded; `paths.case_variants: allow` lets it through")
}

fn methods_of<'a>(routes: impl Iterator<Item = &'a Route>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for route in routes {
        match &route.method {
            None => methods.extend(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            Some(method) if *method == Method::GET => methods.extend(["GET", "HEAD"]),
            Some(method) => methods.push(method.as_str()),
        }
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

// === impl Route ===

impl Route {
    /// HEAD is GET without a body (RFC 9110 section 9.3.2): whoever guards GET has guarded HEAD.
    fn takes(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(own) => own == method || (*own == Method::GET && *method == Method::HEAD),
        }
    }
}

// === impl Routed ===

impl<'a> Routed<'a> {
    /// Every guard that applies: the API's, then the routes', from the least to the most specific.
    pub fn guards(&self) -> impl DoubleEndedIterator<Item = &'a Guards> + '_ {
        std::iter::once(&self.api.guards).chain(self.routes.iter().map(|route| &route.guards))
    }

    /// A single value: that of the most specific place that has one.
    pub fn pick<T>(&self, pick: impl Fn(&'a Guards) -> Option<T>) -> Option<(T, &'a Guards)> {
        self.guards().rev().find_map(|guards| pick(guards).map(|value| (value, guards)))
    }

    /// Who may call. A key, unless something says otherwise.
    #[must_use]
    pub fn access(&self) -> (Access, &'a Guards) {
        self.pick(|guards| guards.access).unwrap_or((Access::KEY, &self.api.guards))
    }

    /// Whether a credential of this kind is looked for: the route takes one; or it is public and asks for scopes, which only
    /// a credential has.
    #[must_use]
    pub fn looks_for(&self, kind: Credential) -> bool {
        let access = self.access().0;
        access.takes(kind) || access.is_public() && self.asks_for_scopes() && self.api.takes(kind)
    }

    /// Whether any place asks for scopes.
    #[must_use]
    pub fn asks_for_scopes(&self) -> bool {
        self.scoped().next().is_some()
    }

    /// The places that ask for scopes.
    pub fn scoped(&self) -> impl Iterator<Item = &'a Guards> + '_ {
        self.guards().filter(|guards| !guards.scopes.is_empty())
    }

    /// The most specific route's own answer.
    #[must_use]
    pub fn respond(&self) -> Option<&'a Respond> {
        self.routes.last().and_then(|route| route.respond.as_ref())
    }

    /// The most specific route's other path.
    #[must_use]
    pub fn rewrite(&self) -> Option<&'a Rewrite> {
        self.routes.last().and_then(|route| route.rewrite.as_ref())
    }

    /// The cross-origin policy.
    #[must_use]
    pub fn cors(&self) -> Option<(&'a CorsPolicy, &'a Guards)> {
        self.pick(|guards| guards.cors.as_ref())
    }

    fn methods(&self) -> String {
        let listed = methods_of(self.routes.iter().copied());
        if self.routes.is_empty() { "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned() } else { listed }
    }
}
