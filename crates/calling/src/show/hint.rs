//! The last line about a call that a gate refused.

use callgate_model::refusal::Code;
use serde_json::Value;

use super::plain;
use crate::send::Answer;

/// Letters of a text of the server's that fit on the line.
const SHOWN: usize = 300;

/// What refused, what can be done about it, and where more is told. Only for answers that a gate made itself.
pub(super) fn line(answer: &Answer, body: &[u8]) -> Option<String> {
    let refused = answer.field("callgate-refused")?;
    let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let said = problem.get("hint").and_then(Value::as_str);
    let hint = said.or_else(|| Code::from_name(refused).map(Code::hint)).unwrap_or("");
    let gap = if hint.is_empty() { "" } else { " " };
    Some(format!("The gate refused this call ({}).{gap}{} More: callgate explain --last", short(refused), short(hint),))
}

fn short(text: &str) -> String {
    plain::line(&text.chars().take(SHOWN).collect::<String>())
}
