//! Answers, and what is wrong with a request, as RFC 6749 section 5.2 writes it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    error: &'static str,
    description: String,
    nonce: Option<String>,
}

/// An answer that nobody may keep: it holds tokens, or says something about them.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// What everybody may keep for so many seconds.
pub(crate) fn public(value: &Value, seconds: u32) -> Response<Bytes> {
    let mut response = json(StatusCode::OK, value);
    let headers = response.headers_mut();
    headers.remove(PRAGMA);
    let lasts = HeaderValue::from_str(&format!("public, max-age={seconds}"));
    headers.insert(CACHE_CONTROL, lasts.unwrap_or(HeaderValue::from_static("no-store")));
    response
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(error: &'static str, description: impl Into<String>) -> Fault {
        Fault { status: StatusCode::BAD_REQUEST, error, description: description.into(), nonce: None }
    }

    /// The same, with what the next proof must hold.
    pub(crate) fn with_nonce(self, nonce: String) -> Fault {
        Fault { nonce: Some(nonce), ..self }
    }

    /// The request itself is wrong.
    pub(crate) fn request(description: impl Into<String>) -> Fault {
        Fault::new("invalid_request", description)
    }

    /// The client did not prove to be one. It must not learn whether its name or its secret was wrong.
    pub(crate) fn client() -> Fault {
        let description = "Authenticate as a client of this issuer, by HTTP Basic or with client_id and client_secret.";
        Fault { status: StatusCode::UNAUTHORIZED, ..Fault::new("invalid_client", description) }
    }

    /// Error and description, for where they travel in an address.
    pub(crate) fn told(self) -> (&'static str, String) {
        (self.error, self.description)
    }

    /// Nothing is wrong with the request, and it can't be done now.
    pub(crate) fn unavailable() -> Fault {
        let description = "The issuer can't answer at the moment. Try again.";
        Fault { status: StatusCode::SERVICE_UNAVAILABLE, ..Fault::new("temporarily_unavailable", description) }
    }

    pub(crate) fn reply(self) -> Response<Bytes> {
        let mut response = json(self.status, &json!({ "error": self.error, "error_description": self.description }));
        if let Some(nonce) = self.nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Basic realm=\"issuer\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
