//! Plans.

use callgate_model::{Quota, Subject};

use crate::config::Plan;
use crate::read::{gate, limits};
use crate::settings::Section;
use crate::tree::Entry;
use crate::walk::Walk;

pub(super) fn plan(walk: &mut Walk<'_>, entry: &Entry, section: &'static Section) -> Option<Plan> {
    let fields = walk.fields(&entry.value, entry.key_span, section)?;
    let limits = fields.read(walk, "limits", |walk, entry| Some(limits::limits(walk, entry, &Subject::Consumer)));
    let quotas = fields.read(walk, "quota", quotas).unwrap_or_default();
    let concurrent = fields.read(walk, "concurrent", |walk, entry| walk.count32(entry, 1, 1_000_000));
    let mode = fields.read(walk, "mode", gate::mode);
    let limits = limits.unwrap_or_default();
    for limit in &limits {
        if !matches!(limit.value.per, Subject::Key | Subject::Consumer) {
            let message = format!("a plan belongs to a consumer, so its limits can't be per {}", limit.value.per);
            let help =
                "write `per consumer` or `per key` here, or move this limit to the API or route that it is about";
            walk.error(limit.span, message, help);
        }
    }
    if fields.has("mode") && !(fields.has("limits") || fields.has("quota") || fields.has("concurrent")) {
        let message = "`mode` has no effect on a plan without limits and quotas";
        walk.error(fields.place("mode"), message, "leave it out, or write `limits`, `quota` or `concurrent`");
    }
    Some(Plan {
        limits: limits.into_iter().map(|limit| limit.value).collect(),
        quotas,
        concurrent,
        mode: mode.unwrap_or_default(),
    })
}

fn quotas(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<Quota>> {
    let mut quotas: Vec<Quota> = Vec::new();
    for (text, span) in limits::texts(walk, entry) {
        match Quota::parse(&text, &Subject::Consumer) {
            Ok(quota) if quotas.iter().any(|other| other.name == quota.name) => {
                let message = format!("two quotas of this plan are called `{}`", quota.name);
                walk.error(span, message, "give one of them a name of its own: `name: 1000/day`");
            }
            Ok(quota) => quotas.push(quota),
            Err(help) => walk.error(span, format!("`{text}` is not a quota"), help),
        }
    }
    Some(quotas)
}
