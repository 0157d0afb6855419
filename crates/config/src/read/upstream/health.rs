//! How an upstream's servers are asked whether they are well.

use std::time::Duration;

use callgate_model::bounds;

use crate::config::UpstreamHealth;
use crate::settings::Section;
use crate::tree::{Entry, Node};
use crate::walk::Walk;

const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
const FALL: u32 = 3;
const RISE: u32 = 2;

/// A path, or all of it; `own` is the section of this.
pub(super) fn health(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<UpstreamHealth> {
    if entry.value.text().is_some() {
        let path = path(walk, entry)?;
        return Some(UpstreamHealth {
            path,
            every: EVERY,
            timeout: TIMEOUT,
            statuses: Vec::new(),
            rise: RISE,
            fall: FALL,
        });
    }
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let path = fields.read(walk, "path", path);
    let every = fields.read(walk, "every", every).unwrap_or(EVERY);
    let timeout = fields.read(walk, "timeout", Walk::duration);
    let in_a_row = |walk: &mut Walk<'_>, entry: &Entry| walk.count32(entry, 1, bounds::HEALTH_IN_A_ROW_MAX);
    let fall = fields.read(walk, "fall", in_a_row).unwrap_or(FALL);
    let rise = fields.read(walk, "rise", in_a_row).unwrap_or(RISE);
    let statuses = fields.read(walk, "status", statuses).unwrap_or_default();
    if timeout.is_some_and(|timeout| timeout > every) {
        let message = "`timeout` is longer than `every`: one check would run into the next";
        walk.error(fields.place("timeout"), message, "write a shorter `timeout`, or a longer `every`");
    }
    let timeout = timeout.unwrap_or(TIMEOUT.min(every));
    Some(UpstreamHealth { path: path?, every, timeout, statuses, rise, fall })
}

fn path(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    // What RFC 3986 lets stand in a path and a query.
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    if text.starts_with('/') && text.bytes().all(may) {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is not a path on a server");
    walk.error(entry.value.span, message, "write it from the first slash on: `/healthz`");
    None
}

fn every(walk: &mut Walk<'_>, entry: &Entry) -> Option<Duration> {
    let every = walk.duration(entry)?;
    if (bounds::HEALTH_EVERY_MIN..=bounds::HEALTH_EVERY_MAX).contains(&every) {
        return Some(every);
    }
    walk.wrong(entry, entry.value.span, &entry.value.described(), "write a duration from `100ms` to `1h`");
    None
}

fn statuses(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<u16>> {
    let nodes = walk.many(entry);
    let read: Vec<u16> = nodes.iter().filter_map(|node| status(walk, entry, node)).collect();
    (read.len() == nodes.len()).then_some(read)
}

fn status(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<u16> {
    let status = node.scalar().and_then(|scalar| scalar.count()).filter(|status| (100..=599).contains(status));
    if status.is_none() {
        walk.wrong(entry, node.span, &node.described(), "write a status from 100 to 599, or a list of them");
    }
    status.and_then(|status| u16::try_from(status).ok())
}
