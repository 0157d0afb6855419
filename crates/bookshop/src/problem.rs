//! What went wrong, as `application/problem+json` (RFC 9457).

use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use crate::answer::{self, Body};

/// An error answer of the shop's own.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// What is wrong with which member of the body, all of it at once.
    errors: Vec<(String, String)>,
    /// Boxed, because every answer carries the room for it.
    field: Option<Box<(HeaderName, HeaderValue)>>,
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), errors: Vec::new(), field: None }
    }

    /// A body that is JSON but not what the operation takes: JSON pointers and what to write there.
    pub(crate) fn unfit(errors: Vec<(String, String)>) -> Problem {
        let detail = format!("The body has {} member(s) to correct.", errors.len());
        Problem { status: StatusCode::UNPROCESSABLE_ENTITY, detail, errors, field: None }
    }

    /// A defect of the shop itself; the cause goes to its own log, not to the caller.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Problem {
        eprintln!("bookshop: {cause}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The shop made a mistake.")
    }

    pub(crate) fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.field = Some(Box::new((name, value)));
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (false, Some(members)) = (self.errors.is_empty(), document.as_object_mut()) {
            let errors: Vec<_> =
                self.errors.iter().map(|(pointer, detail)| json!({"pointer": pointer, "detail": detail})).collect();
            members.insert("errors".to_owned(), errors.into());
        }
        let problem_json = HeaderValue::from_static("application/problem+json");
        let mut response = answer::typed(self.status, problem_json, document.to_string());
        if let Some((name, value)) = self.field.map(|field| *field) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
