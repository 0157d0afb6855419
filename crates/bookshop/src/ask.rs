//! What an operation is asked with: the path's parameter, the query, the fields, and the body in the one way that the
//! shop reads bodies.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::query;

/// Bytes of a JSON body. The largest order that fits the shop's own rules is far below.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// One request to one operation.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// What stands in the path where the template has `{id}`; empty where it has none.
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

// === impl Ask ===

impl Ask {
    /// The first value of a query parameter, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query::first(self.uri.query().unwrap_or(""), name)
    }

    /// A whole number in the query; absent is fine, anything else is a problem that says so.
    pub(crate) fn query_number(&self, name: &str) -> Result<Option<u32>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let detail = format!("Query parameter `{name}` is `{text}`; write a whole number from 0 to {}.", u32::MAX);
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })
    }

    /// The number in the path. Text that is not a number names nothing, so the answer is the same as for a number that
    /// names nothing.
    pub(crate) fn id(&self) -> Option<u32> {
        self.id.parse().ok()
    }

    /// The whole body as JSON of this shape.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        require_json(&self.headers)?;
        let whole = Limited::new(self.body, JSON_BYTES_MAX).collect().await.map_err(|cause| {
            if cause.is::<LengthLimitError>() {
                let detail = format!("The body is longer than {JSON_BYTES_MAX} bytes; send a shorter one.");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            } else {
                Problem::new(StatusCode::BAD_REQUEST, "The body ended before it was complete.")
            }
        })?;
        serde_json::from_slice(&whole.to_bytes()).map_err(|cause| match cause.classify() {
            serde_json::error::Category::Data => Problem::unfit(vec![(String::new(), cause.to_string())]),
            _ => Problem::new(StatusCode::BAD_REQUEST, format!("The body is not JSON: {cause}.")),
        })
    }
}

/// Bodies are JSON here, and say so: anything else is 415, with `Accept` naming what is taken.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let stated = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = stated.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = match stated {
        "" => "The body has no Content-Type; send application/json.".to_owned(),
        other => format!("Content-Type `{other}` is not taken here; send application/json."),
    };
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        .with_field(ACCEPT, HeaderValue::from_static("application/json")))
}
