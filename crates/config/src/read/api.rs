//! One API.

use crate::access::Access;
use crate::config::{Api, KeyPlaces, PathSwitches, TokenRules, Unlisted};
use crate::read::gate::section;
use crate::read::guards::{self, Level};
use crate::read::{effect, issuers, route, upstream};
use crate::settings::Section;
use crate::tree::Entry;
use crate::walk::{Walk, is_token};

pub(super) fn api(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<Api> {
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let host = fields.read(walk, "host", host);
    let path = fields.read(walk, "path", path).unwrap_or_else(|| "/".to_owned());
    let public_url = fields.read(walk, "public_url", |walk, entry| {
        upstream::url(walk, entry, &entry.value)?;
        entry.value.text().map(str::to_owned)
    });
    let upstream = fields.read(walk, "upstream", |walk, entry| upstream::upstream(walk, entry, own));
    let keys = fields.read(walk, "keys", |walk, entry| keys(walk, entry, own));
    let tokens = fields.read(walk, "tokens", |walk, entry| tokens(walk, entry, own)).unwrap_or_default();
    let words = [("refuse", Unlisted::Refuse), ("forward", Unlisted::Forward)];
    let unlisted = fields.read(walk, "unlisted", |walk, entry| walk.choice(entry, &entry.value, &words));
    let paths = fields.read(walk, "paths", |walk, entry| paths(walk, entry, own)).unwrap_or_default();
    let keep_override_headers = fields.read(walk, "keep_override_headers", Walk::flag).unwrap_or(false);
    let read = guards::guards(walk, &fields, own, Level::Api);
    let mut guards = read.guards;
    // Safe by default: an API is never public because a line was forgotten.
    guards.access = guards.access.or(Some(Access::KEY));
    let routes = fields
        .read(walk, "routes", |walk, entry| Some(route::routes(walk, entry, section(own, "routes")?, &path, &paths)));
    let routes = routes.unwrap_or_default();

    let query_key = keys.as_ref().is_some_and(|keys| keys.query.is_some());
    if query_key && guards.cors.as_ref().is_some_and(|cors| cors.origins.iter().any(|origin| origin == "*")) {
        let message = "any page in a browser may call this API, with keys in URLs that browsers keep and pass on";
        walk.warning(fields.place("cors"), message, "name the origins, or write `keys: { query: false }`");
    }
    effect::check(walk, &fields, &guards, &read.limits, &routes);
    effect::check_unlisted(walk, &fields, unlisted, &routes);
    if let Some(upstream) = &upstream {
        effect::check_websocket(walk, &fields, upstream, &guards, &routes);
    }
    Some(Api {
        name: entry.key.clone(),
        host,
        path,
        public_url,
        upstream: upstream?,
        keys: keys.unwrap_or_else(KeyPlaces::by_default),
        tokens,
        guards,
        unlisted: unlisted.unwrap_or_default(),
        routes: routes.into_iter().map(|read| read.route).collect(),
        paths,
        keep_override_headers,
    })
}

/// A host as callers send it, lower case, without a port.
fn host(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    let named = text.strip_prefix("*.").unwrap_or(text);
    let help = if text.contains("://") {
        "write the name alone: `books.example.com`".to_owned()
    } else if !text.is_ascii() {
        "write it as it goes over the wire, in Punycode: `xn--…`".to_owned()
    } else if let Some((name, _)) = text.split_once(':') {
        format!("write it without the port, which belongs to `listen`: `{name}`")
    } else if text.contains('*') && !text.starts_with("*.") {
        "`*` stands for one whole label at the beginning: `*.example.com`".to_owned()
    } else {
        "write a host name, for example `books.example.com`".to_owned()
    };
    if upstream::is_host(named) {
        return Some(text.to_ascii_lowercase());
    }
    walk.error(entry.value.span, format!("`{text}` is not a host"), help);
    None
}

/// A prefix of whole segments: `/`, `/a/b`.
fn path(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    if text == "/" {
        return Some(text.to_owned());
    }
    let help = match crate::config::Pattern::parse(text) {
        Ok(_) if text.ends_with('/') => {
            format!("write it without the slash at the end: `{}`", text.trim_end_matches('/'))
        }
        Ok(pattern) if pattern.is_literal() => return Some(pattern.shape()),
        Ok(_) => "a prefix has no names and no `**`: write those under `routes`".to_owned(),
        Err(fault) => format!("{}: {}", fault.message, fault.help),
    };
    walk.error(entry.value.span, format!("`{text}` is not a path prefix"), help);
    None
}

/// Whose tokens count, for whom they must be, and which of their claims names the consumer.
fn tokens(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<TokenRules> {
    let own = section(own, "tokens")?;
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let issuers = fields.read(walk, "issuers", |walk, entry| Some(issuers::named(walk, entry)));
    let (takes_own, foreign) = issuers.unwrap_or((true, Vec::new()));
    let audience = fields.read(walk, "audience", |walk, entry| {
        if takes_own {
            upstream::url(walk, entry, &entry.value)?;
            return entry.value.text().map(str::to_owned);
        }
        issuers::audience(walk, entry)
    });
    let consumer_claim = fields.read(walk, "consumer", |walk, entry| issuers::claim(walk, entry, own));
    if fields.has("consumer") && foreign.is_empty() {
        let message =
            "`consumer` has no effect: a token of the gate's own issuer is its client's, which belongs to a consumer";
        walk.error(fields.place("consumer"), message, "leave it out, or name another issuer in `issuers`");
    }
    Some(TokenRules { own: takes_own, foreign, audience, consumer_claim })
}

fn keys(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<KeyPlaces> {
    let fields = walk.fields(&entry.value, entry.key_span, section(own, "keys")?)?;
    let off = |entry: &Entry| entry.value.scalar().and_then(|scalar| scalar.flag()) == Some(false);
    let header = fields.read(walk, "header", |walk, entry| {
        if off(entry) {
            return Some(None);
        }
        let name = walk.field_name(entry, &entry.value)?;
        if matches!(name.as_str(), "authorization" | "cookie" | "host") {
            let help = "`bearer: true` reads `Authorization: Bearer`; a header of the key's own is `X-API-Key`";
            walk.error(entry.value.span, format!("a key can't stand in `{name}` as it is"), help);
        }
        Some(Some(name))
    });
    let bearer = fields.read(walk, "bearer", Walk::flag);
    let query = fields.read(walk, "query", |walk, entry| {
        if off(entry) {
            return Some(None);
        }
        let name = walk.text(entry, &entry.value)?;
        if !is_token(name) || name == "true" {
            let help = "write the parameter's name, for example `api_key`, or `false`";
            walk.wrong(entry, entry.value.span, &entry.value.described(), help);
            return None;
        }
        Some(Some(name.to_owned()))
    });
    let default = KeyPlaces::by_default();
    let places = KeyPlaces {
        header: header.unwrap_or(default.header),
        bearer: bearer.unwrap_or(default.bearer),
        query: query.unwrap_or(default.query),
    };
    if places.header.is_none() && !places.bearer && places.query.is_none() {
        walk.error(
            entry.key_span,
            "there is no place left where a key could stand",
            "allow one of `header`, `bearer` and `query`",
        );
    }
    Some(places)
}

fn paths(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<PathSwitches> {
    let fields = walk.fields(&entry.value, entry.key_span, section(own, "paths")?)?;
    let mut switch = |name| {
        let words = [("refuse", false), ("allow", true)];
        fields.read(walk, name, |walk, entry| walk.choice(entry, &entry.value, &words)).unwrap_or(false)
    };
    Some(PathSwitches {
        encoded_separators: switch("encoded_separators"),
        semicolons: switch("semicolons"),
        case_variants: switch("case_variants"),
    })
}

impl Default for TokenRules {
    fn default() -> TokenRules {
        TokenRules { own: true, foreign: Vec::new(), audience: None, consumer_claim: None }
    }
}

// === impl KeyPlaces ===

impl KeyPlaces {
    /// `X-API-Key` and `Authorization: Bearer`.
    #[must_use]
    pub fn by_default() -> KeyPlaces {
        KeyPlaces { header: Some("x-api-key".to_owned()), bearer: true, query: None }
    }
}
