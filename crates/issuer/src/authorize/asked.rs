//! What a client asks for, and whom it may be told to.
//!
//! Until client and redirect are known to belong together, nothing is sent anywhere: whoever made the link chose both. From
//! then on every fault goes to the client, with its `state` and with `iss` (RFC 9207), so that it can't take our answer for
//! another issuer's.

use std::sync::Arc;

use bytes::Bytes;
use callgate_identity::{ClientEntry, TokenTable};
use callgate_model::{Grant, bounds, redirect};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};

use crate::form::Form;
use crate::token;

/// A request that can be answered.
pub(crate) struct Asked {
    /// As it came; its parameters travel through the pages in one piece.
    pub(crate) query: String,
    /// Who asks.
    pub(crate) client: Arc<ClientEntry>,
    /// Where the browser is sent back to.
    pub(crate) redirect: String,
    /// S256 of the client's verifier.
    pub(super) challenge: String,
    /// What is asked for, each once.
    pub(crate) scopes: Vec<String>,
    /// Whom tokens shall be for.
    pub(crate) audience: Option<String>,
    state: Option<String>,
    issuer: String,
}

/// What is wrong with a request.
pub(super) enum Wrong {
    /// Nobody may be told but who looks at the page.
    Untold(&'static str),
    /// The client is.
    Told(Box<Response<Bytes>>),
}

/// BASE64URL of 32 bytes (RFC 7636 section 4.2).
const CHALLENGE_CHARS: usize = 43;

// === impl Asked ===

impl Asked {
    pub(super) fn read(tokens: &TokenTable, query: &str) -> Result<Asked, Wrong> {
        let issuer = tokens.issuer().ok_or(Wrong::Untold("This gate signs nobody in."))?;
        let unreadable = "The link that led here can't be read, or says something twice.";
        let form = Form::read(query).map_err(|_| Wrong::Untold(unreadable))?;
        let client = form.get("client_id").and_then(|name| tokens.client(name));
        let client = client.ok_or(Wrong::Untold("The program that sent you here is not known."))?;
        if !client.grants.contains(&Grant::AuthorizationCode) {
            return Err(Wrong::Untold("The program that sent you here may not act for people."));
        }
        let redirect = match (form.get("redirect_uri"), &*client.redirects) {
            (Some(asked), known) => known.iter().any(|known| redirect::matches(known, asked)).then(|| asked.to_owned()),
            (None, [only]) => Some(only.to_string()),
            (None, _) => None,
        };
        let redirect = redirect.filter(|redirect| redirect::is_redirect(redirect));
        let redirect =
            redirect.ok_or(Wrong::Untold("The link that led here names an address that is not this program's."))?;
        let state = form.get("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > bounds::STATE_BYTES_MAX) {
            return Err(Wrong::Untold("The link that led here has a `state` that is too long."));
        }
        let mut asked = Asked {
            query: query.to_owned(),
            client,
            redirect,
            challenge: String::new(),
            scopes: Vec::new(),
            audience: None,
            state,
            issuer: issuer.to_string(),
        };
        match asked.fill(&form) {
            Ok(()) => Ok(asked),
            Err((error, description)) => {
                Err(Wrong::Told(Box::new(asked.back(&[("error", error), ("error_description", &description)]))))
            }
        }
    }

    fn fill(&mut self, form: &Form) -> Result<(), (&'static str, String)> {
        let invalid = |text: &str| Err(("invalid_request", text.to_owned()));
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => {
                return Err(("unsupported_response_type", "This issuer knows the response type code.".to_owned()));
            }
            None => return invalid("`response_type` is missing."),
        }
        if form.get("response_mode").is_some_and(|mode| mode != "query") {
            return invalid("This issuer answers by the response mode query.");
        }
        for (name, error) in [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")] {
            if form.get(name).is_some() {
                return Err((error, format!("This issuer does not read `{name}`.")));
            }
        }
        let challenge = form.get("code_challenge").unwrap_or_default();
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        // Without a method it would be `plain` (RFC 7636 section 4.3): whoever sees the request could redeem the code.
        if form.get("code_challenge_method") != Some("S256")
            || challenge.len() != CHALLENGE_CHARS
            || !challenge.bytes().all(is_base64url)
        {
            return invalid("Send a `code_challenge` with the `code_challenge_method` S256 (RFC 7636).");
        }
        self.challenge = challenge.to_owned();
        self.scopes = token::scopes(&self.client, form.get("scope")).map_err(crate::reply::Fault::told)?;
        self.audience = form.get("resource").map(token::resource).transpose().map_err(crate::reply::Fault::told)?;
        Ok(())
    }

    /// Sends the browser back to the client, with these parameters.
    pub(super) fn back(&self, parameters: &[(&str, &str)]) -> Response<Bytes> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        let separator = if self.redirect.contains('?') { '&' } else { '?' };
        see_other(&format!("{}{separator}{}", self.redirect, query.finish()))
    }
}

/// RFC 9700 section 4.12: 303, so that no browser ever sends a form on.
pub(super) fn see_other(location: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let Ok(location) = HeaderValue::from_str(location) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
