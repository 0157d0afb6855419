//! `GET /health`.

use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, json};

/// The shop answers, so it is well.
pub(crate) fn get() -> Answer {
    json(StatusCode::OK, &json!({ "status": "ok" }))
}
