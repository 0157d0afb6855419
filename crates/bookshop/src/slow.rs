//! `GET /slow`: an answer that takes its time, to see timeouts at work.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, json};
use crate::ask::Ask;

/// Longer than any sensible timeout, short enough that forgotten calls end.
const WAIT_MS_MAX: u32 = 60_000;
const WAIT_MS_DEFAULT: u32 = 1_000;

/// Answers after `ms` milliseconds.
pub(crate) async fn get(ask: &Ask) -> Answer {
    let wait_ms = ask.query_number("ms")?.unwrap_or(WAIT_MS_DEFAULT).min(WAIT_MS_MAX);
    tokio::time::sleep(Duration::from_millis(wait_ms.into())).await;
    json(StatusCode::OK, &json!({ "waited_ms": wait_ms }))
}
