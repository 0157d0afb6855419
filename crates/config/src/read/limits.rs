//! Limits and the mistakes they invite.

use callgate_model::{Limit, Subject};

use crate::tree::{Entry, Span, Value};
use crate::walk::Walk;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// The limits of one entry; what could not be read was noted.
pub(super) fn limits(walk: &mut Walk<'_>, entry: &Entry, default_per: &Subject) -> Vec<Placed<Limit>> {
    let mut limits: Vec<Placed<Limit>> = Vec::new();
    for (text, span) in texts(walk, entry) {
        match Limit::parse(&text, default_per) {
            Ok(value) if limits.iter().any(|other| other.value.name == value.name) => {
                let message = format!("two limits here are called `{}`", value.name);
                walk.error(span, message, "give one of them a name of its own: `name: 10/s per ip`");
            }
            Ok(value) => {
                elsewhere(walk, span, &value.per, default_per);
                limits.push(Placed { value, span });
            }
            Err(help) => walk.error(span, format!("`{text}` is not a limit"), help),
        }
    }
    limits
}

/// A limit has one count where it is written: on an API it can't count each route, on a route not the whole API.
fn elsewhere(walk: &mut Walk<'_>, span: Span, per: &Subject, default_per: &Subject) {
    match (default_per, per) {
        (Subject::Api, Subject::Route) => {
            walk.error(
                span,
                "a limit per route belongs to a route",
                "write it on the routes that it is about, or `per api` here",
            );
        }
        (Subject::Route, Subject::Api) => {
            walk.error(span, "a limit per api belongs to the API", "write it beside `routes`, or `per route` here");
        }
        _ => {}
    }
}

/// The texts of a list of limits or quotas. `- login: 5/min` reads as a mapping of one pair: it is the name and the rest.
pub(super) fn texts(walk: &mut Walk<'_>, entry: &Entry) -> Vec<(String, Span)> {
    let nodes = walk.many(entry);
    let mut texts = Vec::with_capacity(nodes.len());
    for node in nodes {
        if let Value::Map(pairs) = &node.value {
            if let [pair] = pairs.as_slice()
                && let Some(rest) = pair.value.text()
            {
                let span = Span { end: pair.value.span.end.max(pair.key_span.end), ..pair.key_span };
                texts.push((format!("{}: {rest}", pair.key), span));
            } else {
                walk.error(
                    node.span,
                    format!("`{}` is a list of texts", entry.key),
                    "write for example `[10/s per ip, 100/min]`",
                );
            }
        } else if let Some(text) = walk.text(entry, node) {
            texts.push((text.to_owned(), node.span));
        }
    }
    texts
}

/// A header's value is the caller's to choose: a limit per value bounds nobody unless another limit does.
pub(super) fn header_alone(walk: &mut Walk<'_>, limits: &[Placed<Limit>], above: &[Limit]) {
    let bounded = limits.iter().map(|limit| &limit.value).chain(above).any(|limit| {
        matches!(limit.per, Subject::Ip | Subject::Key | Subject::Consumer | Subject::Api | Subject::Route)
    });
    for limit in limits.iter().filter(|_| !bounded) {
        if let Subject::Header(name) = &limit.value.per {
            let message = format!("callers choose the value of `{name}`, so this limit alone bounds nobody");
            walk.error(limit.span, message, "add another limit beside it, for example `50/s per ip`");
        }
    }
}
