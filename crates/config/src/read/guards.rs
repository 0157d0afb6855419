//! What an API and a route can both say.

use std::collections::BTreeSet;
use std::time::Duration;

use callgate_model::{Limit, Subject, consumer};
use ipnet::IpNet;

use crate::access::{Access, Credential};
use crate::config::{Guards, IpRules, Rule};
use crate::read::gate::{self, section};
use crate::read::limits::{self, Placed};
use crate::read::{cors, headers, websocket};
use crate::settings::{ROOT, Section};
use crate::tree::Entry;
use crate::walk::{Fields, Walk, is_token};

/// Whose guards are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Api,
    Route,
}

/// Guards with the places that later checks point at.
pub(super) struct Read {
    pub(super) guards: Guards,
    pub(super) limits: Vec<Placed<Limit>>,
}

/// Reads the guards of an API or a route; `section` is its own.
pub(super) fn guards(walk: &mut Walk<'_>, fields: &Fields<'_>, section: &'static Section, level: Level) -> Read {
    let default_per = if level == Level::Api { Subject::Api } else { Subject::Route };
    let limits = fields.read(walk, "limits", |walk, entry| Some(limits::limits(walk, entry, &default_per)));
    let limits = limits.unwrap_or_default();
    let own_websocket = gate::section(section, "websocket");
    let guards = Guards {
        mode: fields.read(walk, "mode", gate::mode).unwrap_or_default(),
        observe: observe(walk, fields, level),
        access: fields.read(walk, "access", |walk, entry| access(walk, entry, section)),
        ip: fields.read(walk, "ip", ip).unwrap_or_default(),
        accepts: fields.read(walk, "accepts", media),
        produces: fields.read(walk, "produces", media),
        well_formed: fields.read(walk, "well_formed", Walk::flag),
        scopes: fields.read(walk, "scopes", scopes).unwrap_or_default(),
        limits: limits.iter().map(|limit| limit.value.clone()).collect(),
        concurrent: fields.read(walk, "concurrent", |walk, entry| walk.count32(entry, 1, 1_000_000)),
        timeout: fields.read(walk, "timeout", Walk::duration),
        idle: fields.read(walk, "idle", Walk::duration),
        total: fields.read(walk, "total", total).flatten(),
        body_max: fields.read(walk, "body_max", Walk::bytes),
        cors: fields.read(walk, "cors", |walk, entry| cors::cors(walk, entry, section)),
        headers: fields.read(walk, "headers", |walk, entry| headers::headers(walk, entry, section)).unwrap_or_default(),
        websocket: own_websocket
            .and_then(|own| fields.read(walk, "websocket", |walk, entry| websocket::websocket(walk, entry, own))),
        repeats_by_key: fields.read(walk, "idempotency_key", |walk, entry| {
            walk.choice(entry, &entry.value, &[("repeat", true), ("ignore", false)])
        }),
    };
    ineffective(walk, fields, &guards);
    Read { guards, limits }
}

/// `public`, some of `key`, `token` and `certificate` as a list, or `{ all: … }` of them.
fn access(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<Access> {
    if !entry.value.entries().is_empty() {
        let fields = walk.fields(&entry.value, entry.key_span, section(own, "access")?)?;
        let words = fields.read(walk, "all", access_words)?;
        let access = Access::all(&words.iter().copied().flatten().collect::<Vec<_>>());
        if access.kinds().count() == words.len() && words.len() > 1 {
            return Some(access);
        }
        let message = "`all` needs two or three different credentials, and these are not";
        walk.error(fields.place("all"), message, "write `{ all: [key, token] }`, or one word alone");
        return None;
    }
    let words = access_words(walk, entry)?;
    let access = Access::any(&words.iter().copied().flatten().collect::<Vec<_>>());
    if words.len() > 1 && words.contains(&None) {
        let message = "`public` lets everybody in, so what is beside it has no effect";
        walk.error(entry.value.span, message, "write `access: public`, or leave `public` out");
        return None;
    }
    if words != [None] && access.kinds().count() != words.len() {
        walk.error(entry.value.span, "`access` names something twice", "write `[key, certificate]`, or one word");
        return None;
    }
    Some(access)
}

/// The words of `access`; none stands for `public`.
fn access_words(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<Option<Credential>>> {
    let kinds = Credential::ALL.map(|kind| (kind.name(), Some(kind)));
    let words: Vec<_> = kinds.into_iter().chain([("public", None)]).collect();
    let nodes = walk.many(entry);
    let count = nodes.len();
    let found: Vec<_> = nodes.into_iter().filter_map(|node| walk.choice(entry, node, &words)).collect();
    (found.len() == count && count > 0).then_some(found)
}

/// The single rules that only watch. A rule that isn't written here can't be watched here.
fn observe(walk: &mut Walk<'_>, fields: &Fields<'_>, level: Level) -> BTreeSet<Rule> {
    let Some(entry) = fields.get("observe") else { return BTreeSet::new() };
    let words: Vec<(&str, Rule)> = Rule::ALL.iter().map(|rule| (rule.name(), *rule)).collect();
    let mut rules = BTreeSet::new();
    for node in walk.many(entry) {
        let Some(rule) = walk.choice(entry, node, &words) else { continue };
        let name = node.text().unwrap_or_default();
        let by_default = level == Level::Api
            && matches!(rule, Rule::Access | Rule::Cleartext | Rule::BodyMax | Rule::Unlisted | Rule::Websocket);
        if level == Level::Route && matches!(rule, Rule::Unlisted | Rule::Cleartext) {
            walk.error(
                node.span,
                format!("`{name}` is a rule of the API, not of a route"),
                "move it to the API's `observe`",
            );
        } else if !by_default && !fields.has(name) {
            let help = format!("write `{name}` beside `observe`, or leave it out of the list");
            walk.error(node.span, format!("there is no `{name}` here to observe"), help);
        } else {
            rules.insert(rule);
        }
    }
    rules
}

/// Addresses allowed and denied; of a listener too.
pub(super) fn ip(walk: &mut Walk<'_>, entry: &Entry) -> Option<IpRules> {
    let listen = section(&ROOT, "listen")?;
    let fields = walk.fields(&entry.value, entry.key_span, section(listen, "ip")?)?;
    let allow = fields.read(walk, "allow", Walk::networks).unwrap_or_default();
    let deny = fields.read(walk, "deny", Walk::networks).unwrap_or_default();
    if !fields.has("allow") && !fields.has("deny") {
        walk.error(entry.key_span, "`ip` says nothing", "write `allow` or `deny`, or leave `ip` out");
    }
    for network in &allow {
        if let Some(denied) = deny.iter().find(|denied| denied.contains(network)) {
            let message = format!("`allow` has {network}, which `deny` takes back with {denied}");
            walk.error(fields.place("allow"), message, "`deny` wins: remove one of the two");
        }
    }
    Some(IpRules { allow, deny })
}

/// Whether some address is in both lists; empty lists hold every address.
pub(super) fn overlap(left: &[IpNet], right: &[IpNet]) -> bool {
    left.is_empty()
        || right.is_empty()
        || left.iter().any(|one| right.iter().any(|other| one.contains(other) || other.contains(one)))
}

/// Media type patterns, lower case.
fn media(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<String>> {
    let mut patterns: Vec<String> = Vec::new();
    for node in walk.many(entry) {
        let Some(text) = walk.text(entry, node) else { continue };
        if text.contains(';') {
            let help = "leave them out: a type is taken with any parameters";
            walk.error(node.span, format!("`{text}` has parameters"), help);
        } else if is_media_type(text) {
            patterns.push(text.to_ascii_lowercase());
        } else {
            let help = "write `application/json`, `application/*+json`, `text/*` or `*/*`";
            walk.error(node.span, format!("`{text}` is not a media type"), help);
        }
    }
    Some(patterns)
}

/// Whether a text is a media type or a pattern of them: `a/b`, `a/*+suffix`, `a/*`, `*/*`.
pub(crate) fn is_media_type(text: &str) -> bool {
    let word = |text: &str| is_token(text) && !text.contains('*');
    match text.split_once('/') {
        Some(("*", subtype)) => subtype == "*",
        Some((kind, subtype)) => word(kind) && (subtype == "*" || word(subtype.strip_prefix("*+").unwrap_or(subtype))),
        None => false,
    }
}

pub(super) fn scopes(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<String>> {
    let mut scopes: Vec<String> = Vec::new();
    for node in walk.many(entry) {
        let Some(text) = walk.text(entry, node) else { continue };
        if !consumer::is_scope(text) {
            let help = "printable ASCII without spaces, quotes and backslashes, for example `orders:write`";
            walk.error(node.span, format!("`{text}` is not a scope"), help);
        } else if !scopes.iter().any(|scope| scope == text) {
            scopes.push(text.to_owned());
        }
    }
    Some(scopes)
}

/// The inner `None` stands for `off`.
fn total(walk: &mut Walk<'_>, entry: &Entry) -> Option<Option<Duration>> {
    match entry.value.text() {
        Some("off") => Some(None),
        _ => walk.duration(entry).map(Some),
    }
}

/// Settings that another one beside them leaves without any effect.
fn ineffective(walk: &mut Walk<'_>, fields: &Fields<'_>, guards: &Guards) {
    if fields.has("observe") && guards.mode == callgate_model::Mode::Observe {
        let message = "`observe` has no effect beside `mode: observe`, which watches every rule here";
        walk.error(fields.place("observe"), message, "keep one of them");
    }
    if guards.access == Some(Access::PUBLIC) && !guards.scopes.is_empty() {
        let message = "`scopes` has no effect with `access: public`: nobody shows a credential";
        walk.error(fields.place("scopes"), message, "leave it out, or write `access: key`");
    }
    if let (Some(total), Some(timeout)) = (guards.total, guards.timeout)
        && total <= timeout
    {
        let message = "`timeout` has no effect: `total` ends the call before it";
        walk.error(fields.place("timeout"), message, "write a `timeout` shorter than `total`, or leave it out");
    }
    if let (Some(true), Some(accepts)) = (guards.well_formed, &guards.accepts)
        && !accepts.iter().any(|pattern| pattern.contains("json") || pattern.contains("xml") || pattern.ends_with("/*"))
    {
        let message = "`well_formed` has no effect: `accepts` takes neither JSON nor XML";
        walk.error(fields.place("well_formed"), message, "leave it out, or add a JSON or XML type to `accepts`");
    }
}
