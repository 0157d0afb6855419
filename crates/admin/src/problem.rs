//! Errors of the admin API: one stable code each, sent as `application/problem+json` (RFC 9457).

use std::fmt;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use callgate_identity::RegistryError;
use callgate_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal;)*) => {
        /// The stable code of an admin error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AdminCode { $(#[doc = $title] $variant,)* }

        impl AdminCode {
            /// Every code.
            pub const ALL: &'static [AdminCode] = &[$(AdminCode::$variant,)*];

            /// As it is written.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(AdminCode::$variant => $name,)* } }

            /// The HTTP status that it is sent with.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(AdminCode::$variant => $status,)* } }

            /// The same for every occurrence (RFC 9457 `title`).
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(AdminCode::$variant => $title,)* } }
        }
    };
}

codes! {
    RequestMalformed "request_malformed" 400 "The request can't be read.";
    TokenMissing "token_missing" 401 "An admin token is needed here.";
    TokenUnknown "token_unknown" 401 "The admin token is not known.";
    RoleTooWeak "role_too_weak" 403 "The admin token may only read.";
    UserRefused "user_refused" 403 "The socket is for the gate's own user and root.";
    HostRefused "host_refused" 403 "The Host field names another place.";
    OriginRefused "origin_refused" 403 "A page of another origin asked.";
    NotFound "not_found" 404 "There is no such thing.";
    MethodNotAllowed "method_not_allowed" 405 "This does not take that method.";
    Conflict "conflict" 409 "What is there stands in the way.";
    NotRunning "not_running" 409 "This needs a running gate.";
    BodyTooLarge "body_too_large" 413 "The body is too large.";
    NotJson "not_json" 415 "The body must be JSON.";
    RequestUnfit "request_unfit" 422 "The request asks for something that can't be.";
    ReloadFailed "reload_failed" 422 "The configuration was not taken over.";
    Internal "internal" 500 "The gate could not do it.";
    Busy "busy" 503 "The gate has too much to do at the moment.";
    StoreUnavailable "store_unavailable" 503 "The store could not take it.";
    HandedOver "handed_over" 503 "Another process has taken this gate's place, and does acts now.";
    GateUnreachable "gate_unreachable" 502 "The gate could not be asked.";
}

/// Why something was not done, on both sides of the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, ToSchema)]
#[error("{}", self.text())]
pub struct AdminError {
    /// Which error.
    pub code: AdminCode,
    /// What happened, which value, what to do instead.
    pub detail: String,
    /// Every problem of the request, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

// === impl AdminCode ===

impl fmt::Display for AdminCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

// === impl AdminError ===

impl AdminError {
    /// An error with its text.
    pub fn new(code: AdminCode, detail: impl Into<String>) -> AdminError {
        AdminError { code, detail: detail.into(), problems: Vec::new() }
    }

    /// An error with several problems, each a sentence.
    #[must_use]
    pub fn with_problems(code: AdminCode, problems: Vec<String>) -> AdminError {
        AdminError { code, detail: problems.join("; "), problems }
    }

    fn text(&self) -> String {
        match self.problems.as_slice() {
            [] | [_] => self.detail.clone(),
            several => several
                .iter()
                .fold("there are several problems:".to_owned(), |text, problem| format!("{text}\n  {problem}")),
        }
    }

    /// The problem document.
    #[must_use]
    pub fn problem_json(&self) -> serde_json::Value {
        let mut problem = serde_json::json!({
            "type": format!("urn:callgate:admin:{}", self.code),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "code": self.code.name(),
        });
        if let (false, Some(members)) = (self.problems.is_empty(), problem.as_object_mut()) {
            members.insert("problems".to_owned(), self.problems.clone().into());
        }
        problem
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(format!("{}\n", self.problem_json())));
        *response.status_mut() = status;
        let json = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer realm=\"callgate admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<RegistryError> for AdminError {
    fn from(error: RegistryError) -> AdminError {
        match error {
            RegistryError::Request { problems } => AdminError::with_problems(AdminCode::RequestUnfit, problems),
            RegistryError::AlreadyImported { .. } => AdminError::new(AdminCode::Conflict, error.to_string()),
            RegistryError::PasswordsBusy => AdminError::new(AdminCode::Busy, error.to_string()),
            RegistryError::HandedOver => AdminError::new(AdminCode::HandedOver, error.to_string()),
            RegistryError::Store(error) => error.into(),
            other => AdminError::new(AdminCode::Internal, other.to_string()),
        }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> AdminError {
        let code = match &error {
            StoreError::NotFound { .. } => AdminCode::NotFound,
            StoreError::Conflict { .. } => AdminCode::Conflict,
            StoreError::Unfit { .. } | StoreError::Backup { .. } => AdminCode::RequestUnfit,
            StoreError::Busy { .. } | StoreError::Full { .. } | StoreError::Held { .. } | StoreError::Closed => {
                AdminCode::StoreUnavailable
            }
            _ => AdminCode::Internal,
        };
        AdminError::new(code, with_sources(&error))
    }
}

/// An error and what it came from, on one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_the_names_in_the_table() {
        for code in AdminCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn a_problem_is_read_back_as_the_error_it_was() {
        let error = AdminError::with_problems(AdminCode::RequestUnfit, vec!["one".to_owned(), "two".to_owned()]);
        let problem = error.problem_json();
        assert_eq!(problem["type"], "urn:callgate:admin:request_unfit");
        assert_eq!(serde_json::from_value::<AdminError>(problem).unwrap(), error);
    }
}
