//! Where a redirect leads, and what may go there.

use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use super::answer::Answer;
use crate::error::CallError;
use crate::request::{Payload, Request};
use crate::secrecy;

/// The request that an answer asks for, or nothing when it is no redirect.
pub(super) fn next(answer: &Answer) -> Result<Option<Request>, CallError> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.fields.get(LOCATION) else { return Ok(None) };
    let location = String::from_utf8_lossy(location.as_bytes());
    let from = &answer.request;
    let url = from.url.join(&location).map_err(|_| CallError::Location { location: secrecy::target(&location) })?;
    let mut request = Request { url, ..from.clone() };
    if loses_its_body(answer.status, &from.method) {
        request.method = Method::GET;
        request.payload = Payload::Nothing;
        request.fields.retain(|(name, _)| *name != CONTENT_TYPE);
    }
    if request.url.origin() != from.url.origin() {
        // Whoever can make a server redirect would else be sent its callers' keys. The Host field is of the old origin
        // too, and a step from https to http is another origin as well.
        request.fields.retain(|(name, _)| !secrecy::is_credential_field(name));
        if let Ok(authority) = HeaderValue::from_str(&request.url.authority()) {
            for (_, value) in request.fields.iter_mut().filter(|(name, _)| *name == HOST) {
                *value = authority.clone();
            }
        }
    }
    Ok(Some(request))
}

/// As browsers do (RFC 9110 sections 15.4.2 to 15.4.4): 303 always asks for a GET, 301 and 302 turn a POST into one.
fn loses_its_body(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD && method != Method::GET,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}
