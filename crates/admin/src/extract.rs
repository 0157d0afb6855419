//! Bodies and query strings, with errors that say what to write. axum's own extractors answer in plain text.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use callgate_model::bounds::ADMIN_BODY_BYTES_MAX;
use callgate_model::{CallId, KeyId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{AdminCode, AdminError};

/// A JSON body: of a bounded size, declared as JSON, with no field that is not known.
pub(crate) struct Asked<T>(pub(crate) T);

/// A query string with no parameter that is not known.
pub(crate) struct Search<T>(pub(crate) T);

/// The one `{id}` or `{name}` of the path.
pub(crate) struct Named<T>(pub(crate) T);

/// A JSON answer, with a line break at its end for people with curl.
pub(crate) struct Answer<T>(pub(crate) StatusCode, pub(crate) T);

// === impl Asked ===

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, _state: &S) -> Result<Asked<T>, AdminError> {
        let (parts, body) = request.into_parts();
        // Asking for JSON keeps out forms and scripts of foreign pages: neither can send it without a preflight.
        if !is_json(&parts) {
            return Err(AdminError::new(AdminCode::NotJson, "send `Content-Type: application/json`"));
        }
        let body = to_bytes(body, ADMIN_BODY_BYTES_MAX).await.map_err(|_| {
            AdminError::new(AdminCode::BodyTooLarge, format!("a body has at most {ADMIN_BODY_BYTES_MAX} bytes here"))
        })?;
        let parsed = serde_json::from_slice(&body).map_err(|error| {
            let kind = if error.is_data() { "the body does not fit" } else { "the body is not JSON" };
            AdminError::new(AdminCode::RequestMalformed, format!("{kind}: {error}"))
        })?;
        Ok(Asked(parsed))
    }
}

fn is_json(parts: &Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

// === impl Search ===

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Search<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Search<T>, AdminError> {
        let Query(query) = Query::from_request_parts(parts, state).await.map_err(|rejection| {
            let text = rejection.body_text();
            let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned();
            AdminError::new(AdminCode::RequestMalformed, format!("the query string does not fit: {why}"))
        })?;
        Ok(Search(query))
    }
}

// === impl Named ===

impl<S: Send + Sync> FromRequestParts<S> for Named<String> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<String>, AdminError> {
        let Path(name) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| AdminError::new(AdminCode::RequestMalformed, rejection.body_text()))?;
        Ok(Named(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named<KeyId> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<KeyId>, AdminError> {
        let Named(text) = Named::<String>::from_request_parts(parts, state).await?;
        key_id(&text).map(Named)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named<CallId> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<CallId>, AdminError> {
        let Named(text) = Named::<String>::from_request_parts(parts, state).await?;
        call_id(&text).map(Named)
    }
}

/// A key's id as a person wrote it. The text is not repeated: people paste whole keys here.
pub(crate) fn key_id(text: &str) -> Result<KeyId, AdminError> {
    KeyId::parse(text).ok_or_else(|| {
        let detail = "a key's id is 8 letters or digits: the first 8 after `_live_` or `_test_` in the key, never the key itself";
        AdminError::new(AdminCode::RequestMalformed, detail)
    })
}

/// A call's id as a person wrote it.
pub(crate) fn call_id(text: &str) -> Result<CallId, AdminError> {
    CallId::parse(text).ok_or_else(|| {
        let detail = format!("`{text}` is no call's id: copy it from the `Callgate-Call-Id` field of the answer");
        AdminError::new(AdminCode::RequestMalformed, detail)
    })
}

// === impl Answer ===

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let Answer(status, value) = self;
        let Ok(mut text) = serde_json::to_string(&value) else {
            return AdminError::new(AdminCode::Internal, "the answer could not be written as JSON").into_response();
        };
        text.push('\n');
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        // Answers hold keys and tokens: no cache in between may keep one.
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        response
    }
}
