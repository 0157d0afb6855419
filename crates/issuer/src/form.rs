//! A form, in which each parameter stands once: two readers must not see two requests (RFC 6749 section 3.2).

use std::collections::HashMap;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;

use crate::reply::Fault;

/// The parameters of a request.
pub(crate) struct Form(HashMap<String, String>);

/// What a token request needs is fewer than ten.
const PARAMETERS_MAX: usize = 64;

// === impl Form ===

impl Form {
    pub(crate) fn of(request: &Request<Bytes>) -> Result<Form, Fault> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Fault::request("Send the parameters as application/x-www-form-urlencoded."));
        }
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            // Queries end in logs and histories.
            return Err(Fault::request("Parameters belong into the body, not into the query."));
        }
        let body = std::str::from_utf8(request.body()).map_err(|_| Fault::request("The form is not UTF-8."))?;
        Form::read(body)
    }

    /// The parameters of a form, or of a query where one is meant to be.
    pub(crate) fn read(text: &str) -> Result<Form, Fault> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(Fault::request("The form has too many parameters."));
            }
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(Fault::request("The form is not UTF-8."));
            }
            if parameters.contains_key(&*name) {
                return Err(Fault::request("The form has a parameter twice."));
            }
            parameters.insert(name.into_owned(), value.into_owned());
        }
        Ok(Form(parameters))
    }

    /// A parameter; one without a value is as good as left out (RFC 6749 section 3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
