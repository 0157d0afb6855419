//! `callgate explain --last`: what the client remembers of the last call that failed, and what the gate knows of it.

use std::net::IpAddr;

use callgate_calling::LastFailure;
use callgate_calling::url::Url;
use callgate_model::{CallId, CallRecord, Code};
use callgate_records::explain::{self, Page, Row, Section};
use jiff::Timestamp;
use serde_json::Value;

use crate::which::Which;

/// What came of asking the gate.
#[derive(Debug)]
pub(super) enum Gate {
    /// The answer came through no gate.
    None,
    /// It made, or passed on, this very answer.
    Knows(Box<CallRecord>),
    /// It could not tell, and why.
    Silent(String),
}

// === impl Gate ===

impl Gate {
    pub(super) fn record(&self) -> Option<&CallRecord> {
        match self {
            Gate::Knows(record) => Some(record),
            Gate::None | Gate::Silent(_) => None,
        }
    }
}

/// Asks the gate that can be administered from here, if the answer names a call.
pub(super) async fn ask_gate(failure: &LastFailure, which: &Which) -> Gate {
    let Some(named) = &failure.call_id else { return Gate::None };
    let Some(call_id) = CallId::parse(named) else {
        return Gate::Silent(format!("`{named}` is no id that a gate gives its calls"));
    };
    let door = match which.reading_door().await {
        Ok(door) => door,
        Err(error) => return Gate::Silent(format!("{error:#}")),
    };
    let found = door.calls_get(call_id).await;
    door.close().await;
    match found {
        Ok(found) if is_of(&found.call, failure) => Gate::Knows(Box::new(found.call)),
        Ok(_) => Gate::Silent(format!(
            "The gate that was asked knows this id from a call to another place than {}.",
            failure.origin
        )),
        Err(error) => Gate::Silent(error.detail),
    }
}

/// Whether the record is of this call. An id alone is not enough: any server can send one that it has seen somewhere, and
/// must not make its own failure look like a refusal of the gate.
fn is_of(record: &CallRecord, failure: &LastFailure) -> bool {
    let Ok((asked, _)) = Url::parse(&failure.origin) else { return false };
    let host = record.host.trim_start_matches('[').trim_end_matches(']');
    // From elsewhere a gate is often reached through another port, on this machine it is not.
    let port = record.listener.rsplit(':').next().and_then(|port| port.parse().ok());
    let is_near = asked.host == "localhost" || asked.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    asked.host == host
        && (port == Some(asked.port) || !is_near)
        && *record.method == *failure.method
        && failure.status == Some(record.status)
}

/// The explanation: the gate's where it knows the call, else what its answer, or its error, tells.
pub(super) fn page(failure: &LastFailure, gate: &Gate) -> Page {
    if let Gate::Knows(record) = gate {
        return explain::call(record);
    }
    let code = failure.code.as_deref().and_then(Code::from_name);
    let mut sections = vec![facts(failure), said(failure)];
    match (code, failure.status) {
        (Some(code), _) => sections.extend(parts(explain::code(code), &["When", "What a caller does"])),
        (None, Some(status)) => {
            sections.extend(explain::status(status).into_iter().flat_map(|page| parts(page, &["Meaning"])));
        }
        (None, None) => {}
    }
    sections.extend(gates_side(failure, gate));
    Page { title: title(failure), sections }
}

fn title(failure: &LastFailure) -> String {
    let call = format!("{} {}{}", failure.method, failure.origin, failure.path);
    match (&failure.code, failure.status) {
        (Some(code), Some(status)) => {
            let title = Code::from_name(code)
                .map_or_else(String::new, |code| format!(": {}", code.title().trim_end_matches('.')));
            format!("{call} was refused by the gate with {status} {code}{title}")
        }
        (_, Some(status)) if failure.call_id.is_some() => {
            format!("{call} passed a gate and was answered with {status} by what is behind it")
        }
        (_, Some(status)) => format!("{call} was answered with {status}"),
        (_, None) => format!("{call} got no answer, or not the whole of it"),
    }
}

fn facts(failure: &LastFailure) -> Section {
    let at = Timestamp::from_millisecond(failure.at_ms);
    let mut rows = vec![fact("at", at.map_or_else(|_| "unknown".to_owned(), |at| format!("{at:.3}")))];
    rows.extend(failure.call_id.clone().map(|call_id| fact("call", call_id)));
    Section { heading: "The call", rows }
}

/// What came back, or why nothing did.
fn said(failure: &LastFailure) -> Section {
    if let Some(error) = &failure.error {
        let mut rows = vec![fact("happened", error.clone())];
        rows.extend(failure.hint.clone().map(|hint| fact("to do", hint)));
        return Section { heading: "Why", rows };
    }
    let texts = ["title", "detail", "hint"].into_iter().filter_map(|name| {
        let text = failure.problem.as_ref()?.get(name).and_then(Value::as_str)?;
        Some(fact(name, text.to_owned()))
    });
    let heading = if failure.code.is_some() { "What the gate said" } else { "What the server said" };
    Section { heading, rows: texts.collect() }
}

/// These sections of a page that teaches.
fn parts(page: Page, headings: &[&str]) -> Vec<Section> {
    page.sections.into_iter().filter(|section| headings.contains(&section.heading)).collect()
}

fn gates_side(failure: &LastFailure, gate: &Gate) -> Option<Section> {
    let (Gate::Silent(why), Some(call_id)) = (gate, &failure.call_id) else { return None };
    let where_to = format!("Where the gate runs, `callgate explain {call_id} -c FILE` shows which rule it was.");
    let rows = vec![Row::Text { text: where_to }, fact("not here", why.clone())];
    Some(Section { heading: "The gate's side", rows })
}

fn fact(name: &'static str, value: String) -> Row {
    Row::Fact { name, value }
}
