//! Header fields set and removed, and those that only the gate may touch.

use callgate_model::Secret;

use crate::config::HeaderRules;
use crate::read::gate::section;
use crate::settings::Section;
use crate::tree::{Entry, Value};
use crate::walk::{Fields, Walk};

/// Framing and hop-by-hop fields (RFC 9110 section 7.6.1): changing them by hand is how requests are smuggled.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What one direction says.
type Changes = (Vec<(String, Secret)>, Vec<String>);

pub(super) fn headers(walk: &mut Walk<'_>, entry: &Entry, guarded: &'static Section) -> Option<HeaderRules> {
    let section = section(guarded, "headers")?;
    let fields = walk.fields(&entry.value, entry.key_span, section)?;
    let request = fields.read(walk, "request", |walk, entry| changes(walk, entry, section)).unwrap_or_default();
    let response = fields.read(walk, "response", |walk, entry| changes(walk, entry, section)).unwrap_or_default();
    Some(HeaderRules {
        request_set: request.0,
        request_remove: request.1,
        response_set: response.0,
        response_remove: response.1,
    })
}

fn changes(walk: &mut Walk<'_>, entry: &Entry, headers: &'static Section) -> Option<Changes> {
    let fields = walk.fields(&entry.value, entry.key_span, section(headers, "request")?)?;
    let set = fields.read(walk, "set", values).unwrap_or_default();
    let remove = fields.read(walk, "remove", Walk::field_names).unwrap_or_default();
    refuse_reserved(walk, &fields, "set", set.iter().map(|(name, _)| name.as_str()));
    refuse_reserved(walk, &fields, "remove", remove.iter().map(String::as_str));
    for (name, _) in set.iter().filter(|(name, _)| remove.contains(name)) {
        let message = format!("`{name}` is both set and removed");
        walk.error(fields.place("remove"), message, "`set` replaces what was there: leave it out of `remove`");
    }
    Some((set, remove))
}

/// A mapping from header names to values, names lower case.
pub(super) fn values(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<(String, Secret)>> {
    let Value::Map(pairs) = &entry.value.value else {
        walk.wrong(
            entry,
            entry.value.span,
            &entry.value.described(),
            "write a mapping from header names to values: `{ X-Env: prod }`",
        );
        return None;
    };
    let mut values: Vec<(String, Secret)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        if !crate::walk::is_token(&pair.key) {
            let help = "letters, digits and `-`, for example `X-Env`";
            walk.error(pair.key_span, format!("`{}` is not a header name", pair.key), help);
            continue;
        }
        let name = pair.key.to_ascii_lowercase();
        if values.iter().any(|(other, _)| *other == name) {
            let help = "header names are the same in upper and lower case: keep one";
            walk.error(pair.key_span, format!("`{}` is written twice", pair.key), help);
        } else if let Some(value) = walk.secret(pair, &pair.value) {
            values.push((name, value));
        }
    }
    Some(values)
}

fn refuse_reserved<'n>(walk: &mut Walk<'_>, fields: &Fields<'_>, setting: &str, names: impl Iterator<Item = &'n str>) {
    for name in names {
        if FRAMING.contains(&name) {
            let help = if name == "host" {
                "leave it out; `upstream: { server: …, host: caller }` sends the caller's host"
            } else {
                "leave it out: HTTP needs this field for itself on each connection"
            };
            walk.error(fields.place(setting), format!("`{name}` can't be changed by hand"), help);
        } else if name.starts_with("callgate-") {
            let help = "the gate writes the `Callgate-*` fields by itself, and drops those from outside";
            walk.error(fields.place(setting), format!("`{name}` belongs to the gate"), help);
        }
    }
}
