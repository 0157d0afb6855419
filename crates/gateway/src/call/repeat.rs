//! What may be sent again although a server may have done what it asks for.
//!
//! A call that is idempotent and has no body (RFC 9110 section 9.2.2). And, where the file says so, one with an
//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): whoever asks for a thing twice with one key wants it done
//! once, and the file says that the servers see to that.

use callgate_model::bounds;
use http::header::{HeaderMap, HeaderName};
use http::{Method, Request, Uri};
use http_body::Body as _;

use super::route::Routed;
use crate::body::RequestBody;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request as it was before a server had it. In a box, because hardly any call has one.
pub(super) struct Spare(Box<(Method, Uri, HeaderMap, RequestBody)>);

/// Whether a request may be sent again as it is.
pub(super) fn is_safe(request: &Request<RequestBody>) -> bool {
    request.method().is_idempotent() && request.body().is_empty()
}

/// Whether the file lets a call be sent again for its key; then its body is held for that. A body must be known to be small:
/// of one that does not say its length nobody knows whether its end comes before the answer to its beginning.
pub(super) fn by_key(routed: &Routed<'_>, headers: &HeaderMap, body: &RequestBody) -> bool {
    let repeats = routed.pick(|guards| guards.repeats_by_key).is_some_and(|(repeats, _)| repeats);
    let length = body.size_hint().exact();
    repeats && length.is_some_and(|length| length <= bounds::REPEATED_BODY_BYTES_MAX) && has_one_key(headers)
}

/// The draft's key is a quoted text, and most that are in use are not: any value counts. Of two, nobody knows which one a
/// server goes by; and an empty one tells no call from another.
fn has_one_key(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let has_value = keys.next().is_some_and(|key| !matches!(key.as_bytes().trim_ascii(), b"" | b"\"\""));
    has_value && keys.next().is_none()
}

// === impl Spare ===

impl Spare {
    /// Of a request, as its server will get it, that may be sent again for its key. What `headers` in the file takes away or
    /// the caller's `Connection` named is no longer there: its server never sees that key.
    pub(super) fn of(routed: &Routed<'_>, request: &Request<RequestBody>) -> Option<Spare> {
        if is_safe(request) || !by_key(routed, request.headers(), request.body()) {
            return None;
        }
        let body = request.body().again()?;
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        Some(Spare(Box::new((method, uri, headers, body))))
    }

    /// The request once more.
    pub(super) fn request(&self) -> Option<Request<RequestBody>> {
        let (method, uri, headers, body) = &*self.0;
        let mut request = Request::new(body.again()?);
        request.method_mut().clone_from(method);
        request.uri_mut().clone_from(uri);
        request.headers_mut().clone_from(headers);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn one_key_with_a_value() {
        let check = |values: &[&'static str], expect: bool| {
            let fields = values.iter().map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_static(value)));
            assert_eq!(has_one_key(&fields.collect()), expect, "{values:?}");
        };
        check(&[], false);
        check(&["\"8e03978e-40d5-43dd-bc93-6894a57f9324\""], true);
        check(&["8e03978e"], true);
        check(&["", "8e03978e"], false);
        check(&["8e03978e", "8e03978e"], false);
        check(&[""], false);
        check(&["\"\""], false);
    }
}
