//! `GET /headers`: the request as it arrived, to see what a gate forwards.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, json};
use crate::ask::Ask;

/// Method, target and every field in the order of arrival; a field that came more than once is a list.
pub(crate) fn get(ask: &Ask) -> Answer {
    let mut fields = Map::new();
    for name in ask.headers.keys() {
        let text = |value: &http::HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
        let mut values: Vec<Value> = ask.headers.get_all(name).iter().map(text).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::from(values) };
        fields.insert(name.as_str().to_owned(), value);
    }
    let target = ask.uri.path_and_query().map_or("/", |target| target.as_str());
    json(StatusCode::OK, &json!({ "method": ask.method.as_str(), "target": target, "headers": fields }))
}
