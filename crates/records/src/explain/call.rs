//! Why a call was answered as it was.

use callgate_model::record::End;
use callgate_model::{CallRecord, Phase, Refusal};
use jiff::Timestamp;

use super::lesson;
use super::page::{Mark, Page, Row, Section};
use crate::printable::printable;

/// Explains one call: its way through the phases, the rule that refused it, what its caller was told, what only the
/// operator sees, and what would let it pass.
#[must_use]
pub fn call(record: &CallRecord) -> Page {
    let mut sections = vec![facts(record), way(record)];
    if let Some(refusal) = &record.refusal {
        sections.push(told(refusal));
        sections.push(operator_sees(refusal));
        sections.push(passes(refusal));
    }
    sections.push(upstream(record));
    sections.push(websocket(record));
    sections.push(would_refuse(record));
    Page { title: title(record), sections }
}

/// One call in one line, for lists of them: when, status, what was asked, by whom, how long, why not, which call.
#[must_use]
pub fn call_in_short(record: &CallRecord) -> String {
    let at = moment(record.started_ms);
    let who = record.consumer.as_deref().map_or_else(|| record.client.to_string(), str::to_owned);
    let status = match record.status {
        0 => "---".to_owned(),
        status => status.to_string(),
    };
    let why = match (&record.refusal, record.would_refuse.first(), record.end) {
        (Some(refusal), ..) => format!(" {}", refusal.code.name()),
        (None, Some(refusal), _) => format!(" would refuse {}", refusal.code.name()),
        (None, None, End::Complete) => String::new(),
        (None, None, end) => format!(" {}", end.name()),
    };
    let took = milliseconds(record.duration_us);
    let line = format!("{at} {status} {} {} {who} {took}{why} {}", record.method, record.path, record.call_id);
    printable(&line).into_owned()
}

fn moment(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map_or_else(|_| "unknown".to_owned(), |at| format!("{at:.3}"))
}

fn title(record: &CallRecord) -> String {
    let call = format!("{} {}", record.method, record.path);
    match (&record.refusal, record.end) {
        // Found when the answer had begun.
        (Some(refusal), _) if record.phase == Phase::Record && record.status != refusal.code.status() => {
            let code = refusal.code;
            format!(
                "{call} was answered with {}, and then cut: {}: {}",
                record.status,
                code.name(),
                without_dot(code.title())
            )
        }
        (Some(refusal), _) => {
            let code = refusal.code;
            format!("{call} was refused with {} {}: {}", record.status, code.name(), without_dot(code.title()))
        }
        (None, End::ClientGone) => format!("{call}: the client went away before the answer was complete"),
        (None, End::UpstreamBroke) => {
            format!("{call} was answered with {}, but the upstream broke off in the middle", record.status)
        }
        (None, End::Draining) => {
            format!("{call} was answered with {}, and ended because the gate stopped", record.status)
        }
        (None, End::Revoked) => {
            format!("{call} was answered with {}, and ended because its credential was revoked", record.status)
        }
        (None, End::Expired) => {
            format!("{call} was answered with {}, and ended because its credential expired", record.status)
        }
        (None, End::TimedOut) => format!("{call} was answered with {}, and ended by a time bound", record.status),
        (None, _) if record.would_refuse.is_empty() => match &record.upstream {
            Some(upstream) if upstream.status == Some(record.status) && record.status >= 400 => {
                format!("{call} passed the gate; the {} is the upstream's own answer", record.status)
            }
            _ => format!("{call} passed and was answered with {}", record.status),
        },
        (None, _) => format!(
            "{call} was answered with {}; in enforce mode it would have been refused: {}",
            record.status,
            record.would_refuse.first().map_or("", |refusal| refusal.code.name()),
        ),
    }
}

fn without_dot(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

fn facts(record: &CallRecord) -> Section {
    let from = match record.client == record.peer {
        true => record.client.to_string(),
        false => format!("{}, through {}", record.client, record.peer),
    };
    let mut rows = vec![
        Row::fact("call", record.call_id.to_string()),
        Row::fact("at", moment(record.started_ms)),
        Row::fact("from", from),
        Row::fact("asked", format!("{} {} on {}", record.method, record.path, or_dash(&record.host))),
        Row::fact("took", milliseconds(record.duration_us)),
        Row::fact("bodies", format!("{} bytes in, {} bytes out", record.request_bytes, record.response_bytes)),
    ];
    if let Some(agent) = &record.user_agent {
        rows.push(Row::fact("agent", agent.to_string()));
    }
    if let Some(trace_id) = &record.trace_id {
        rows.push(Row::fact("trace", trace_id.to_string()));
    }
    Section::new("The call", rows)
}

fn way(record: &CallRecord) -> Section {
    let stopped_in = stopped_in(record);
    let rows = Phase::ALL.into_iter().map(|phase| {
        let mark = match stopped_in {
            // Every call is recorded, however it ended.
            _ if phase == Phase::Record => Mark::Passed,
            Some(stop) if phase == stop => Mark::Stopped,
            Some(stop) if phase > stop => Mark::NotReached,
            None if phase > record.phase => Mark::NotReached,
            _ if record.would_refuse.iter().any(|refusal| refusal.code.phase() == phase) => Mark::WouldRefuse,
            _ => Mark::Passed,
        };
        let value = match mark {
            Mark::NotReached => "not reached".to_owned(),
            Mark::Stopped => stop(record),
            Mark::WouldRefuse => would(record, phase),
            Mark::Passed => passed(record, phase),
        };
        Row::Step { mark, name: phase.name(), value }
    });
    Section::new("Its way", rows.collect())
}

/// The phase that ended the call; none for one that was answered in full.
fn stopped_in(record: &CallRecord) -> Option<Phase> {
    match &record.refusal {
        // A rule may refuse earlier than its code says: limits per address are judged in admit.
        Some(refusal) if record.phase == Phase::Record => Some(refusal.code.phase()),
        Some(_) => Some(record.phase),
        None if record.end == End::Complete => None,
        None => Some(record.phase.min(Phase::Inspect)),
    }
}

fn stop(record: &CallRecord) -> String {
    match &record.refusal {
        Some(refusal) => format!("{} {}", refusal.code.status(), refusal.code.name()),
        None => match record.end {
            End::ClientGone => "the client went away".to_owned(),
            End::UpstreamBroke => "the upstream broke off".to_owned(),
            End::TimedOut => "a time bound ended the call".to_owned(),
            End::Draining => "the gate was shutting down".to_owned(),
            End::Revoked => "the credential was revoked meanwhile".to_owned(),
            End::Expired => "the credential expired meanwhile".to_owned(),
            End::Complete | End::Refused => String::new(),
        },
    }
}

fn would(record: &CallRecord, phase: Phase) -> String {
    let codes = record.would_refuse.iter().map(|refusal| refusal.code).filter(|code| code.phase() == phase);
    let names: Vec<_> = codes.map(callgate_model::Code::name).collect();
    format!("would refuse: {}", names.join(", "))
}

fn passed(record: &CallRecord, phase: Phase) -> String {
    match phase {
        Phase::Accept => format!("{} on {}", if record.tls { "TLS" } else { "clear text" }, record.listener),
        Phase::Read => format!("HTTP/{}", record.protocol.name()),
        Phase::Route => match (&record.api, &record.route) {
            (Some(api), Some(route)) => format!("{api}, {route}"),
            (Some(api), None) => api.to_string(),
            (None, _) => String::new(),
        },
        Phase::Identify => match &record.consumer {
            Some(consumer) => {
                let key = record.key_id.map(|id| format!(", key {id}")).unwrap_or_default();
                let token = record.token.zip(record.client_id.as_ref());
                let token = token.map(|(token, client)| format!(", token {token} of client {client}"));
                let foreign = record.issuer.as_ref().zip(record.client_id.as_ref());
                let foreign = foreign.map(|(issuer, client)| format!(", a token of client {client} by {issuer}"));
                format!("{consumer}{key}{}{}", token.unwrap_or_default(), foreign.unwrap_or_default())
            }
            None => "nobody in particular".to_owned(),
        },
        Phase::Forward => match &record.upstream {
            Some(upstream) => format!("to {}", upstream.server),
            None => "the gate answered itself".to_owned(),
        },
        Phase::Inspect => record
            .upstream
            .as_ref()
            .and_then(|upstream| upstream.status)
            .map_or_else(String::new, |status| format!("the upstream's {status}, sent on as {}", record.status)),
        Phase::Admit | Phase::Authorize | Phase::Meter | Phase::Check | Phase::Record => String::new(),
    }
}

fn told(refusal: &Refusal) -> Section {
    let mut rows = vec![
        Row::fact("title", refusal.code.title()),
        Row::fact("detail", refusal.detail.to_string()),
        Row::fact("hint", refusal.code.hint()),
    ];
    if let Some(wait_s) = refusal.retry_after_s {
        rows.push(Row::fact("Retry-After", format!("{wait_s} s")));
    }
    Section::new("What the caller was told", rows)
}

fn operator_sees(refusal: &Refusal) -> Section {
    let mut rows = Vec::new();
    match &refusal.rule {
        Some(rule) => rows.push(Row::fact("rule", rule.clone())),
        None => rows.push(Row::fact("rule", "none: the gate itself does this, no setting decides it")),
    }
    if let Some(text) = &refusal.gate_side {
        rows.push(Row::fact("the gate saw", text.clone()));
    }
    Section::new("What only you see", rows)
}

fn passes(refusal: &Refusal) -> Section {
    let lesson = lesson(refusal.code);
    Section::new(
        "What would let it pass",
        vec![Row::fact("the caller", lesson.caller), Row::fact("you", lesson.operator)],
    )
}

fn upstream(record: &CallRecord) -> Section {
    let Some(part) = &record.upstream else { return Section::new("Upstream", Vec::new()) };
    let kept = if part.reused { "a kept connection" } else { "a new connection" };
    let attempts = match part.attempts {
        1 => format!("1, on {kept}"),
        many => format!("{many}, the last on {kept}"),
    };
    let mut rows = vec![Row::fact("server", part.server.to_string()), Row::fact("attempts", attempts)];
    match part.status {
        Some(status) => {
            let rest_us = record.duration_us.saturating_sub(part.head_us);
            rows.push(Row::fact("status", status.to_string()));
            rows.push(Row::fact("head after", milliseconds(part.head_us)));
            rows.push(Row::fact(
                "the rest",
                format!("{}: the gate's own work and the body's way", milliseconds(rest_us)),
            ));
        }
        None => rows.push(Row::fact("status", "none: it gave no answer")),
    }
    Section::new("Upstream", rows)
}

fn websocket(record: &CallRecord) -> Section {
    let rows = record.websocket.as_ref().map(|part| {
        let code = part.close_code.map_or_else(|| "without a Close".to_owned(), |code| format!("with {code}"));
        vec![
            Row::fact("messages", format!("{} in, {} out", part.messages_in, part.messages_out)),
            Row::fact("closed", format!("by the {}, {code}", part.closed_by.name())),
        ]
    });
    Section::new("WebSocket", rows.unwrap_or_default())
}

fn would_refuse(record: &CallRecord) -> Section {
    let rows = record.would_refuse.iter().map(|refusal| {
        let rule = refusal.rule.as_deref().map_or_else(String::new, |rule| format!(" ({rule})"));
        let saw = refusal.gate_side.as_deref().map_or_else(String::new, |saw| format!(" The gate saw: {saw}"));
        Row::fact(refusal.code.name(), format!("{}{rule}{saw}", refusal.detail))
    });
    Section::new("What observe mode only recorded", rows.collect())
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:03} ms", us / 1_000, us % 1_000)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
