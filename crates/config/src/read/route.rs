//! Lines under `routes`: `METHOD /path: {…}`.

use std::collections::HashMap;

use callgate_model::Limit;

use crate::config::{PathSwitches, Pattern, Respond, Route};
use crate::read::gate::section;
use crate::read::guards::{self, Level};
use crate::read::headers;
use crate::read::limits::Placed;
use crate::settings::Section;
use crate::tree::{Entry, Node, Span, Value};
use crate::walk::{Fields, Walk, is_token, or_list};

/// A route with the places that later checks point at.
pub(super) struct Read {
    pub(super) route: Route,
    pub(super) limits: Vec<Placed<Limit>>,
    /// `GET|HEAD /x` becomes two routes; what is wrong with it is said once.
    pub(super) first_of_several: bool,
    places: Vec<(String, Span)>,
    span: Span,
}

/// The key of a route: methods (none stands for `*`) and a pattern.
type Key = (Vec<Option<String>>, Pattern);

pub(super) fn routes(
    walk: &mut Walk<'_>,
    entry: &Entry,
    own: &'static Section,
    prefix: &str,
    paths: &PathSwitches,
) -> Vec<Read> {
    let mut routes: Vec<Read> = Vec::new();
    // By what makes two routes match the same calls, the line of the first.
    let mut seen: HashMap<(Option<String>, String), usize> = HashMap::new();
    if let Value::Map(_) = entry.value.value {
        walk.wrong(
            entry,
            entry.key_span,
            "a mapping",
            "write a list: `- GET /books: {}`, each route on a line of its own",
        );
        return routes;
    }
    for node in walk.many(entry) {
        let Some(line) = line(walk, node) else { continue };
        let Some((methods, pattern)) = key(walk, &line) else { continue };
        surroundings(walk, &line, &pattern, prefix, paths);
        let Some(read) = route(walk, &line, own, &pattern) else { continue };
        for (index, method) in methods.into_iter().enumerate() {
            let tie = seen.get(&(method.clone(), pattern.shape())).copied();
            if let Some(first) = tie {
                let message = format!("`{}` and the route on line {first} match the same calls", line.key);
                walk.error(
                    line.key_span,
                    message,
                    "the most specific route counts, and neither is: make one of the two",
                );
            } else {
                seen.insert((method.clone(), pattern.shape()), line.key_span.line);
            }
            let route = Route { method, ..read.route.clone() };
            let (limits, places) = (read.limits.clone(), read.places.clone());
            routes.push(Read { route, limits, places, first_of_several: index == 0, span: line.key_span });
        }
    }
    routes
}

/// One line as key and value. `- GET /books` alone is a route that says nothing of its own.
fn line(walk: &mut Walk<'_>, node: &Node) -> Option<Entry> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_nothing() => {
            let nothing = Node { span: node.span, value: Value::Map(Vec::new()) };
            return Some(Entry { key: scalar.text.clone(), key_span: node.span, value: nothing });
        }
        Value::Map(pairs) => match pairs.as_slice() {
            [pair] => return Some(pair.clone()),
            [first, second, ..] => {
                let help = format!("indent it further, below `{}:`", first.key);
                walk.error(second.key_span, format!("`{}` stands beside the route instead of in it", second.key), help);
                return Some(first.clone());
            }
            [] => {}
        },
        _ => {}
    }
    walk.error(node.span, format!("a route can't be {}", node.described()), "write `- GET /books: {}`");
    None
}

fn key(walk: &mut Walk<'_>, line: &Entry) -> Option<Key> {
    let Some((methods, path)) = line.key.split_once(char::is_whitespace).map(|(methods, path)| (methods, path.trim()))
    else {
        let help = match line.key.strip_prefix('/') {
            Some(_) => format!("write the method before it: `GET {0}`, or `\"* {0}\"` for every method", line.key),
            None => "write `METHOD /path`, for example `GET /books`".to_owned(),
        };
        walk.error(line.key_span, format!("`{}` is not a route", line.key), help);
        return None;
    };
    let pattern = match Pattern::parse(path) {
        Ok(pattern) => pattern,
        Err(fault) => {
            walk.error(line.key_span, fault.message, fault.help);
            return None;
        }
    };
    let mut known = Vec::new();
    for method in methods.split('|') {
        known.push(self::method(walk, line, method)?);
    }
    if known.len() > 1 && known.contains(&None) {
        walk.error(line.key_span, "`*` stands for every method, so the others have no effect", "write `*` alone");
    }
    Some((known, pattern))
}

/// A method; the inner `None` stands for `*`.
fn method(walk: &mut Walk<'_>, line: &Entry, text: &str) -> Option<Option<String>> {
    let message = match text {
        "*" => return Some(None),
        "CONNECT" | "TRACE" => format!("{text} is never forwarded"),
        _ if !is_token(text) => format!("`{text}` is not a method"),
        _ if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            let help = format!("methods are told apart by case: write `{}`", text.to_ascii_uppercase());
            walk.error(line.key_span, format!("`{text}` is not a method"), help);
            return None;
        }
        _ => return Some(Some(text.to_owned())),
    };
    walk.error(line.key_span, message, "write a method such as `GET`, several as `GET|HEAD`, or `*` for every one");
    None
}

/// A pattern that is right by itself and wrong in its API.
fn surroundings(walk: &mut Walk<'_>, line: &Entry, pattern: &Pattern, prefix: &str, paths: &PathSwitches) {
    if pattern.text.contains(';') && !paths.semicolons {
        let help = "write `paths: { semicolons: allow }` in the API, or another path";
        walk.error(line.key_span, "no call can match: paths with `;` are refused", help);
    }
    let upper = pattern.text.to_ascii_uppercase();
    if (upper.contains("%2F") || upper.contains("%5C")) && !paths.encoded_separators {
        let help = "write `paths: { encoded_separators: allow }` in the API, or another path";
        walk.error(line.key_span, "no call can match: paths with `%2F` or `%5C` are refused", help);
    }
    let shape = pattern.shape();
    if prefix != "/" && (shape == prefix || shape.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))) {
        let message =
            format!("callers find this route at `{prefix}{}`: routes begin below the API's `path`", pattern.text);
        let shorter = pattern.text.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or("/");
        walk.warning(line.key_span, message, format!("if that is not meant, write `{shorter}`"));
    }
}

fn route(walk: &mut Walk<'_>, line: &Entry, own: &'static Section, pattern: &Pattern) -> Option<Read> {
    let fields = walk.fields(&line.value, line.key_span, own)?;
    let rewrite = fields.read(walk, "rewrite", |walk, entry| {
        let text = walk.text(entry, &entry.value)?;
        if let Err(fault) = pattern.check_rewrite(text) {
            walk.error(entry.value.span, fault.message, fault.help);
            return None;
        }
        Some(text.to_owned())
    });
    let respond = fields.read(walk, "respond", |walk, entry| respond(walk, entry, own));
    let read = guards::guards(walk, &fields, own, Level::Route);
    if respond.is_some() {
        beside_respond(walk, &fields, &read);
    }
    let places = line.value.entries().iter().map(|entry| (entry.key.clone(), entry.key_span)).collect();
    let route = Route { method: None, pattern: pattern.clone(), guards: read.guards, rewrite, respond };
    Some(Read { route, limits: read.limits, first_of_several: true, places, span: line.key_span })
}

/// Settings that are about the upstream have no effect where there is none.
fn beside_respond(walk: &mut Walk<'_>, fields: &Fields<'_>, read: &guards::Read) {
    let headers = &read.guards.headers;
    let changes_request = !headers.request_set.is_empty() || !headers.request_remove.is_empty();
    for name in ["rewrite", "timeout", "headers", "idempotency_key"] {
        if fields.has(name) && (name != "headers" || changes_request) {
            let name = if name == "headers" { "headers.request" } else { name };
            let message = format!("`{name}` has no effect beside `respond`: nothing is forwarded");
            walk.error(fields.place(name.split('.').next().unwrap_or(name)), message, "leave one of the two out");
        }
    }
}

fn respond(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<Respond> {
    let fields = walk.fields(&entry.value, entry.key_span, section(own, "respond")?)?;
    let status = fields.read(walk, "status", |walk, entry| walk.count(entry, 200, 599));
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let values = fields.read(walk, "headers", headers::values).unwrap_or_default();
    let body = fields.read(walk, "body", |walk, entry| match entry.value.scalar() {
        Some(scalar) => Some(scalar.text.clone()),
        None => {
            walk.wrong(entry, entry.value.span, &entry.value.described(), "write a text; quote JSON: '{\"a\": 1}'");
            None
        }
    });
    let body = body.unwrap_or_default();
    if matches!(status, 204 | 205 | 304) && !body.is_empty() {
        walk.error(
            fields.place("body"),
            format!("a {status} has no body"),
            "leave `body` out, or write another status",
        );
    }
    let location = values.iter().any(|(name, _)| name == "location");
    let redirects = [301, 302, 303, 307, 308];
    if redirects.contains(&status) && !location {
        let help = "write `headers: { Location: \"https://www.example.com/\" }`";
        walk.error(fields.place("status"), format!("a {status} needs a `Location`"), help);
    }
    for reserved in ["content-length", "transfer-encoding", "connection"] {
        if values.iter().any(|(name, _)| name == reserved) {
            let message = format!("{} can't be set by hand", or_list([reserved]));
            walk.error(fields.place("headers"), message, "leave it out: the gate frames its own answers");
        }
    }
    let headers = values.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect();
    Some(Respond { status, headers, body })
}

// === impl Read ===

impl Read {
    /// Where a setting's key stands.
    pub(super) fn place(&self, name: &str) -> Span {
        self.places.iter().find(|(key, _)| key == name).map_or(self.span, |(_, span)| *span)
    }
}
