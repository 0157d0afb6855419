//! `GET /openapi.json`: the contract. Written by hand and committed; a test calls every operation in it.

use http::StatusCode;
use http::header::HeaderValue;

use crate::answer::{Answer, typed};

/// The OpenAPI 3.1 document, as it is served.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// The document.
pub(crate) fn get() -> Answer {
    Ok(typed(StatusCode::OK, HeaderValue::from_static("application/json"), DOCUMENT))
}
