//! Cross-origin calls from browsers (WHATWG Fetch, CORS protocol).
//!
//! Where an API says `cors`, the gate answers preflights itself, before it asks for a credential: browsers send none. The
//! fields of the answer are the gate's alone; an upstream's own `Access-Control-*` are removed, so the two never disagree.

use callgate_config::Cors;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderName,
    HeaderValue, VARY,
};

/// Compiled `cors` of one place.
#[derive(Debug)]
pub struct CorsPolicy {
    origins: Vec<String>,
    any_origin: bool,
    credentials: bool,
    allow_headers: HeaderValue,
    expose: HeaderValue,
    max_age: HeaderValue,
    place: String,
}

/// Response fields that scripts may always read: they explain a refusal.
const OWN_FIELDS: &str = "callgate-call-id, callgate-refused, ratelimit, ratelimit-policy, retry-after";

// === impl CorsPolicy ===

impl CorsPolicy {
    /// Compiles the setting. `key_header` is added to what a browser may send.
    #[must_use]
    pub fn compile(cors: &Cors, key_header: Option<&HeaderName>, place: &str) -> CorsPolicy {
        let mut allowed = vec!["accept", "content-type"];
        allowed.extend(key_header.map(HeaderName::as_str));
        allowed.extend(cors.headers.iter().map(String::as_str));
        let mut expose = OWN_FIELDS.to_owned();
        for field in &cors.expose {
            expose.push_str(", ");
            expose.push_str(field);
        }
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        CorsPolicy {
            origins: cors.origins.clone(),
            any_origin: cors.origins.iter().any(|origin| origin == "*"),
            credentials: cors.credentials,
            allow_headers: value(&allowed.join(", ")),
            expose: value(&expose),
            max_age: HeaderValue::from(cors.max_age.as_secs()),
            place: format!("{place}.cors"),
        }
    }

    /// Whether a page is of the host that is called. The scheme is not compared: behind a proxy the gate may not know it.
    #[must_use]
    pub fn is_own(origin: &HeaderValue, host: &str) -> bool {
        let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
        authority.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    }

    /// Judges an origin.
    ///
    /// # Errors
    /// `cors_refused`.
    pub fn check(&self, origin: &HeaderValue) -> Result<(), Refused> {
        let text = origin.to_str().unwrap_or_default();
        if self.any_origin || self.origins.iter().any(|allowed| allowed == text) {
            return Ok(());
        }
        let shown = callgate_model::record::bounded(text);
        Err(Refusal::new(
            Code::CorsRefused,
            format!("The origin `{shown}` may not call this API (setting `cors.origins`)."),
        )
        .rule(format!("{}.origins", self.place))
        .gate_side(format!("origin `{shown}` is not listed in {}.origins", self.place)))
    }

    /// Fields of every answer to an allowed origin.
    pub fn mark(&self, origin: &HeaderValue, fields: &mut HeaderMap) {
        // With `*` and no credentials the answer is the same for all origins, and caches may share it.
        if self.any_origin && !self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            fields.append(VARY, HeaderValue::from_static("origin"));
        }
        if self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
    }

    /// Fields of the answer to a preflight, besides those of [`CorsPolicy::mark`].
    pub fn mark_preflight(&self, methods: &str, fields: &mut HeaderMap) {
        if let Ok(methods) = HeaderValue::from_str(methods) {
            fields.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone());
        fields.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }
}

/// Whether a field is one that the gate alone writes where it speaks CORS for an upstream.
pub fn is_answer(name: &HeaderName) -> bool {
    matches!(
        *name,
        ACCESS_CONTROL_ALLOW_ORIGIN
            | ACCESS_CONTROL_ALLOW_CREDENTIALS
            | ACCESS_CONTROL_ALLOW_HEADERS
            | ACCESS_CONTROL_ALLOW_METHODS
            | ACCESS_CONTROL_EXPOSE_HEADERS
            | ACCESS_CONTROL_MAX_AGE
    )
}
