//! `websocket`.

use crate::config::{Websocket, WebsocketTerms};
use crate::settings::Section;
use crate::tree::Entry;
use crate::walk::Walk;

/// `refuse`, `allow`, or the terms; `own` is the section of these.
pub(super) fn websocket(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<Websocket> {
    let defaults = WebsocketTerms::default();
    if entry.value.text().is_some() {
        let words = [("refuse", Websocket::Refuse), ("allow", Websocket::Allow(defaults))];
        return walk.choice(entry, &entry.value, &words);
    }
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let terms = WebsocketTerms {
        idle: fields.read(walk, "idle", Walk::duration).unwrap_or(defaults.idle),
        lifetime: fields.read(walk, "lifetime", Walk::duration).unwrap_or(defaults.lifetime),
        message_max: fields.read(walk, "message_max", Walk::bytes).unwrap_or(defaults.message_max),
    };
    if fields.has("idle") && terms.lifetime <= terms.idle {
        let message = "`idle` has no effect: `lifetime` ends the WebSocket before it";
        walk.error(fields.place("idle"), message, "write an `idle` shorter than `lifetime`, or leave it out");
    }
    Some(Websocket::Allow(terms))
}
