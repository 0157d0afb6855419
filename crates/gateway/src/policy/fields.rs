//! Header fields that the configuration sets and removes.

use callgate_config::HeaderRules;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Compiled `headers` of one place. Applied from the API to the most specific route, removing before setting, so the
/// route has the last word.
#[derive(Debug, Default)]
pub struct FieldPolicy {
    request: Changes,
    response: Changes,
}

#[derive(Debug, Default)]
struct Changes {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

// === impl FieldPolicy ===

impl FieldPolicy {
    /// Compiles the setting; names and values were checked by the configuration, one that is none is left out.
    #[must_use]
    pub fn compile(rules: &HeaderRules) -> FieldPolicy {
        let changes = |set: &[(String, callgate_model::Secret)], remove: &[String]| Changes {
            set: set
                .iter()
                .filter_map(|(name, value)| {
                    let mut value = HeaderValue::from_str(value.expose()).ok()?;
                    value.set_sensitive(true);
                    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
                })
                .collect(),
            remove: remove.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect(),
        };
        FieldPolicy {
            request: changes(&rules.request_set, &rules.request_remove),
            response: changes(&rules.response_set, &rules.response_remove),
        }
    }

    /// Changes the fields that go to the upstream.
    pub fn change_request(&self, fields: &mut HeaderMap) {
        self.request.apply(fields);
    }

    /// Changes the fields that go to the caller.
    pub fn change_response(&self, fields: &mut HeaderMap) {
        self.response.apply(fields);
    }
}

// === impl Changes ===

impl Changes {
    fn apply(&self, fields: &mut HeaderMap) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            fields.insert(name, value.clone());
        }
    }
}
