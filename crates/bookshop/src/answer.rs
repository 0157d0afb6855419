//! Answers, in the one body type that every operation gives.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use serde::Serialize;

use crate::problem::Problem;

/// A body that may be whole, made as it goes (events) or passed through (echo).
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// What every operation gives: an answer, or a problem that becomes one.
pub(crate) type Answer = Result<Response<Body>, Problem>;

/// Bytes that are all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// No body.
pub(crate) fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|cause| Problem::internal(&cause))?;
    Ok(typed(status, HeaderValue::from_static("application/json"), text))
}

/// A whole body of any type.
pub(crate) fn typed(status: StatusCode, content_type: HeaderValue, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
