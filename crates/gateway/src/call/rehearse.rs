//! The phases again, for a dry walk: the same functions in the same order, telling what each found.

use callgate_config::Credential;
use callgate_model::Phase;
use callgate_model::refusal::Refused;
use callgate_transport::upstream::Member;
use http::Request;

use super::admit::BodyHint;
use super::credential::{Found, Presented};
use super::route::{Destination, Routed};
use super::state::Call;
use super::{admit, authorize, credential, identify, meter, read, route, websocket};
use crate::caller::Caller;

/// What a walk is told, and what it found.
#[derive(Debug, Default)]
pub(crate) struct Rehearsal {
    /// The gate's key table holds the real keys.
    pub(crate) keys_known: bool,
    /// The phases that were passed, each with what was found there.
    pub(crate) passed: Vec<(Phase, String)>,
    /// A key was presented and could not be looked up.
    pub(crate) key_unknown: bool,
}

/// Walks through every phase before forwarding, and tells where the call would go.
///
/// # Errors
/// The refusal that the real call would get.
pub(crate) async fn rehearse(
    call: &mut Call<'_>,
    request: Request<()>,
    rehearsal: &mut Rehearsal,
) -> Result<(), Refused> {
    call.enter(Phase::Read);
    let request = read::normalise(call, request)?;
    call.enter(Phase::Admit);
    admit::listener_addresses(call)?;
    rehearsal.passed.push((
        Phase::Read,
        format!("host `{}`, path `{}`, client {}", request.host, request.path, call.record.client),
    ));

    call.enter(Phase::Route);
    let routed = match route::find(call, &request)? {
        Destination::Api(routed) => routed,
        Destination::Answer(answer) => {
            rehearsal.passed.push((Phase::Route, format!("the gate answers itself with {}", answer.status)));
            return Ok(());
        }
    };
    rehearsal.passed.push((Phase::Route, told_route(&routed)));

    call.enter(Phase::Admit);
    admit::addresses(call, &routed)?;
    admit::limits_per_address(call, &routed)?;
    if route::preflight(call, &routed, &request)?.is_some() {
        rehearsal.passed.push((Phase::Admit, "the gate answers the preflight itself".to_owned()));
        return Ok(());
    }
    let presented = credential::find(call, &routed, &request)?;
    admit::clear_text(call, &routed, &presented)?;
    rehearsal.passed.push((Phase::Admit, "the address may call, and is within its limits".to_owned()));

    call.enter(Phase::Identify);
    let tokens_known = rehearsal.keys_known && call.gate.tokens.is_some();
    rehearsal.key_unknown =
        !rehearsal.keys_known && presented.key != Found::Nothing || !tokens_known && presented.token != Found::Nothing;
    if !rehearsal.key_unknown {
        identify::caller(call, &routed, &presented)?;
    }
    rehearsal.passed.push((Phase::Identify, told_caller(call, &routed, &presented, rehearsal.key_unknown)));
    let routed = route::known(call, routed)?;
    if route::options(&routed).is_some() {
        rehearsal.passed.push((Phase::Identify, "the gate answers OPTIONS itself".to_owned()));
        return Ok(());
    }
    admit::content(call, &routed, &request, BodyHint::of(&request.parts, false))?;
    websocket::admit(call, &routed, request.headers())?;

    call.enter(Phase::Authorize);
    authorize::check(call, &routed)?;
    let scopes: Vec<&str> = routed.guards().flat_map(|guards| guards.scopes.iter().map(String::as_str)).collect();
    let told = match (scopes.as_slice(), rehearsal.key_unknown) {
        ([], _) => "no scope is asked for".to_owned(),
        (_, true) => format!("asked for, and not compared: {}", scopes.join(", ")),
        (_, false) => format!("scopes: {}", scopes.join(", ")),
    };
    rehearsal.passed.push((Phase::Authorize, told));

    call.enter(Phase::Meter);
    meter::charge(call, &routed, &request).await?;
    let told = String::from_utf8_lossy(&call.rates.policy);
    let told = if told.is_empty() { "no limit applies".into() } else { told };
    rehearsal.passed.push((Phase::Meter, told.into_owned()));

    call.enter(Phase::Forward);
    let told = match routed.respond() {
        Some(respond) => format!("the gate answers itself with {}", respond.status),
        None if routed.api.local => "the gate's own issuer answers".to_owned(),
        None => {
            let path = routed.rewrite().map_or_else(|| routed.path.clone(), |rewrite| rewrite.apply(&routed.path));
            let target = |server: &Member| format!("{}{}{path}", server.server, routed.api.base_path);
            let targets: Vec<String> = routed.api.servers.iter().map(target).collect();
            format!("{} {}", request.method(), targets.join(" or "))
        }
    };
    rehearsal.passed.push((Phase::Forward, told));
    Ok(())
}

fn told_route(routed: &Routed<'_>) -> String {
    let templates: Vec<String> = routed
        .routes
        .iter()
        .map(|route| {
            let method = route.method.as_ref().map_or("*", http::Method::as_str);
            format!("{method} {}", route.template)
        })
        .collect();
    match templates.as_slice() {
        [] => format!("API `{}`, no route of its own", routed.api.name),
        [one] => format!("API `{}`, route {one}", routed.api.name),
        several => format!("API `{}`, routes {} (all their guards hold)", routed.api.name, several.join(" + ")),
    }
}

fn told_caller(call: &Call<'_>, routed: &Routed<'_>, presented: &Presented, key_unknown: bool) -> String {
    let nothing = presented.is_nothing();
    match &call.caller {
        Some(caller) => match caller {
            Caller::Token(entry) => {
                format!("a token of client `{}`, of consumer `{}`", entry.client.name, entry.client.consumer.name)
            }
            Caller::KeyAndToken(entry, token) => {
                let (key, client, consumer) = (entry.id, &token.client.name, &entry.consumer.name);
                format!("key {key} and a token of client `{client}`, of consumer `{consumer}`")
            }
            Caller::Foreign(token, consumer) => {
                format!("a token of client `{}` by {}, of consumer `{}`", token.client, token.issuer.url, consumer.name)
            }
            Caller::KeyAndForeign(entry, token) => {
                let (key, consumer) = (entry.id, &entry.consumer.name);
                format!(
                    "key {key} and a token of client `{}` by {}, of consumer `{consumer}`",
                    token.client, token.issuer.url
                )
            }
            Caller::Key(entry) => format!("key {} of consumer `{}`", entry.id, entry.consumer.name),
            Caller::Certificate { consumer, caller } => {
                format!("the certificate of `{}`, of consumer `{}`", caller.name, consumer.name)
            }
        },
        None if nothing && routed.access().0.is_public() => "public: anybody may call".to_owned(),
        None if key_unknown => {
            let kind = if presented.token == Found::Nothing { Credential::Key } else { Credential::Token }.name();
            let why = match presented.token {
                Found::Nothing => "no data folder is there or a running gate holds it",
                _ => "only a running gate knows its tokens",
            };
            format!("a {kind} is there; it is not looked up, because {why}")
        }
        None => "nobody known".to_owned(),
    }
}
