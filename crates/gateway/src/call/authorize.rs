//! Authorize: what this caller may do.

use callgate_config::Rule;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use super::identify;
use super::route::Routed;
use super::state::Call;

/// Compares the credential's APIs, addresses and scopes with what the routes ask for.
///
/// # Errors
/// `not_allowed`, `scope_missing`.
pub(crate) fn check(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let Some(caller) = call.caller.clone() else { return Ok(()) };
    let grants = caller.grants();
    let holder = caller.key().map_or_else(|| caller.to_string(), |key| format!("Key {}", key.id));
    let place = |what: &str| caller.key().map_or_else(String::new, |key| format!("key {}: {what}", key.id));
    // Beside a token, the key's own restrictions hold as they do without one.
    let restricted = caller.key().map_or(grants, |key| &key.grants);
    if !restricted.takes_api(&routed.api.name) {
        let refusal = Refusal::new(Code::NotAllowed, format!("{holder} was not issued for API `{}`.", routed.api.name))
            .rule(place("apis"));
        call.judge(routed.api.guards.only_watches(Rule::Access), Err(refusal))?;
    }
    let client = call.record.client;
    if !restricted.takes_ip(client) {
        let refusal =
            Refusal::new(Code::NotAllowed, format!("{holder} may not be used from {client}.")).rule(place("ips"));
        call.judge(routed.api.guards.only_watches(Rule::Ip), Err(refusal))?;
    }
    for guards in routed.scoped() {
        let missing: Vec<&str> =
            guards.scopes.iter().map(String::as_str).filter(|scope| !grants.has_scope(scope)).collect();
        if !missing.is_empty() {
            let challenge = identify::insufficient(routed, &guards.scopes);
            let refusal =
                Refusal::new(Code::ScopeMissing, format!("{caller} lacks the scope `{}`.", missing.join("`, `")))
                    .rule(format!("{}.scopes", guards.place))
                    .field("www-authenticate", challenge);
            call.judge(guards.only_watches(Rule::Scopes), Err(refusal))?;
        }
    }
    Ok(())
}
