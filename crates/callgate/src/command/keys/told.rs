//! Keys in words.

use callgate_admin::views::{Key, KeyCreated, Keys, Standing};
use callgate_records::printable;

use crate::moment::Moments;
use crate::terminal;
use crate::which::Which;

/// A new key; `sample` is a call with it.
pub(super) fn created(made: &KeyCreated, sample: &str) -> String {
    let record = &made.record;
    let mut rows = vec![
        ("key", format!("{}   (shown once, kept nowhere)", made.key.0)),
        ("id", record.id.to_string()),
        ("consumer", record.consumer.clone()),
    ];
    rows.extend(restrictions(record, Moments::now()));
    rows.push(("try", sample.to_owned()));
    terminal::facts(&rows)
}

/// What became of the key that another one replaces.
pub(super) fn rotated(old: &Key) -> String {
    match (old.standing, old.expires_ms) {
        (Standing::Active, Some(expires_ms)) => {
            format!("the old key {} is taken until {}", old.id, Moments::now().tell(expires_ms))
        }
        _ => format!("the old key {} is not taken any more", old.id),
    }
}

pub(super) fn revoked(key: &Key) -> String {
    let moments = Moments::now();
    let since = moments.tell_or(key.revoked_ms, "now");
    format!("key {} of `{}` is revoked since {since}: every call with it is refused", key.id, key.consumer)
}

pub(super) fn imported(key: &Key) -> String {
    format!("the key is taken over; only its hash is kept\n{}", show(key))
}

pub(super) fn list(listed: &Keys, consumer: Option<&str>, which: &Which) -> String {
    if listed.keys.is_empty() {
        let gate = which.repeated();
        return match consumer {
            Some(name) => format!("`{name}` has no keys; make one: callgate keys create {name}{gate}"),
            None => format!("there are no keys; make one: callgate keys create CONSUMER{gate}"),
        };
    }
    terminal::with_rest(&table(&listed.keys), listed.truncated)
}

/// Keys, one a row.
pub(in crate::command) fn table(keys: &[Key]) -> comfy_table::Table {
    let moments = Moments::now();
    let mut table = terminal::table(["id", "consumer", "standing", "scopes", "expires", "last used", "label"]);
    for key in keys {
        table.add_row([
            key.id.to_string(),
            key.consumer.clone(),
            standing(key).to_owned(),
            or(&key.scopes, "-"),
            moments.tell_or(key.expires_ms, "never"),
            last_used(key, moments),
            label(key).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

pub(super) fn show(key: &Key) -> String {
    let moments = Moments::now();
    let mut rows =
        vec![("id", key.id.to_string()), ("consumer", key.consumer.clone()), ("standing", standing(key).to_owned())];
    rows.extend(key.revoked_ms.map(|at_ms| ("revoked", moments.tell(at_ms))));
    rows.extend(restrictions(key, moments));
    if key.imported {
        rows.push(("imported", "yes, from elsewhere".to_owned()));
    }
    rows.push(("created", moments.tell(key.created_ms)));
    rows.push(("last used", last_used(key, moments)));
    rows.extend(key.successor.map(|id| ("replaced by", id.to_string())));
    terminal::facts(&rows)
}

fn restrictions(key: &Key, moments: Moments) -> Vec<(&'static str, String)> {
    let mut rows = vec![("scopes", or(&key.scopes, "none")), ("apis", or(&key.apis, "every one"))];
    rows.push(("ips", or(&key.ips, "every one")));
    rows.extend(key.not_before_ms.map(|at_ms| ("not before", moments.tell(at_ms))));
    rows.push(("expires", moments.tell_or(key.expires_ms, "never")));
    rows.extend(label(key).map(|label| ("label", label)));
    rows
}

/// It is kept to the minute, which may have begun before the key was made: told from then, no key was used earlier.
fn last_used(key: &Key, moments: Moments) -> String {
    match key.last_used_ms {
        Some(at_ms) => moments.tell_minute(at_ms, key.created_ms),
        None => "never".to_owned(),
    }
}

fn label(key: &Key) -> Option<String> {
    key.label.as_deref().map(|label| printable(label).into_owned())
}

fn standing(key: &Key) -> &'static str {
    match key.standing {
        Standing::Active => "active",
        Standing::NotYetValid => "not yet valid",
        Standing::Expired => "expired",
        Standing::Revoked => "revoked",
    }
}

fn or(texts: &[String], none: &str) -> String {
    if texts.is_empty() { none.to_owned() } else { texts.join(" ") }
}
