//! `POST /echo`: what came goes back, byte by byte as it arrives.

use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;

use crate::answer::Answer;
use crate::ask::Ask;

/// Never buffers: a body of any size passes in the memory of one chunk.
pub(crate) fn post(ask: Ask) -> Answer {
    let fallback = HeaderValue::from_static("application/octet-stream");
    let content_type = ask.headers.get(CONTENT_TYPE).cloned().unwrap_or(fallback);
    let length = ask.headers.get(CONTENT_LENGTH).cloned();
    let mut response = Response::new(ask.body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    Ok(response)
}
