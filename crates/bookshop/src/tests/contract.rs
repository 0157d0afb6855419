//! `openapi.json` is true: it lists the operations that the table has, and each answers as it says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Visit;
use crate::route::ROUTES;

fn document() -> Value {
    serde_json::from_str(crate::OPENAPI_JSON).unwrap()
}

/// Every operation: method, path template, its object.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let of_path = |(method, operation): (&String, &Value)| (method.to_uppercase(), path.clone(), operation.clone());
        item.as_object().unwrap().iter().map(of_path).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn the_document_and_the_table_list_the_same_operations() {
    let documented: BTreeSet<_> = operations(&document())
        .into_iter()
        .map(|(method, path, operation)| (method, path, operation["operationId"].as_str().unwrap().to_owned()))
        .collect();
    let served: BTreeSet<_> = ROUTES
        .iter()
        .map(|(method, path, operation)| {
            let mut id = format!("{operation:?}");
            id.get_mut(..1).unwrap().make_ascii_lowercase();
            (method.to_string(), (*path).to_owned(), id)
        })
        .collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn every_operation_answers_its_examples_as_documented() {
    let document = document();
    let mut visit = Visit::begin().await;
    for (method, template, operation) in operations(&document) {
        let (target, fields, body) = example(&template, &operation);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = visit.call(&format!("{method} {target}"), &fields, &body).await;
        let status = answer.status().as_str().to_owned();
        assert!(status.starts_with('2'), "{method} {target}: {status}");
        let described = &operation["responses"][&status];
        assert!(described.is_object(), "{method} {target} answered {status}, which is not documented");
        let content_type = answer.headers()["content-type"].to_str().unwrap();
        let (range, media) = described["content"].as_object().unwrap().iter().next().unwrap();
        assert!(range == "*/*" || range == content_type, "{method} {target}: {content_type}");
        if content_type == "application/json" {
            let value = serde_json::from_slice(answer.body()).unwrap();
            fits(&document, &media["schema"], &value, &target);
        }
    }
}

/// Target, fields and body, from the examples of the document.
fn example(template: &str, operation: &Value) -> (String, Vec<(&'static str, String)>, String) {
    let (mut target, mut separator) = (template.to_owned(), '?');
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, example) = (parameter["name"].as_str().unwrap(), &parameter["example"]);
        let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        if parameter["in"] == "path" {
            target = target.replace(&format!("{{{name}}}"), &text);
        } else {
            target.push_str(&format!("{separator}{name}={text}"));
            separator = '&';
        }
    }
    let Some(content) = operation["requestBody"]["content"].as_object() else {
        return (target, Vec::new(), String::new());
    };
    let (media_type, media) = content.iter().next().unwrap();
    match media["example"].as_str() {
        Some(text) => (target, vec![("content-type", "text/plain".to_owned())], text.to_owned()),
        None => (target, vec![("content-type", media_type.clone())], media["example"].to_string()),
    }
}

/// The part of JSON Schema that the document uses for answers: `$ref`, `type`, `required`, `properties`, `items`,
/// `enum`, `const`. A member that the schema doesn't name is a failure too, so that the document stays whole.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return fits(document, target, value, at);
    }
    if let Some(name) = schema["type"].as_str() {
        let fitting = match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "integer" => value.is_u64(),
            "string" => value.is_string(),
            other => panic!("{at}: this test doesn't know type {other}"),
        };
        assert!(fitting, "{at} is not of type {name}: {value}");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{at} lacks {name}: {value}");
    }
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, member) in members {
            let of_member = properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not documented"));
            fits(document, of_member, member, &format!("{at}/{name}"));
        }
    }
    for element in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], element, at);
    }
    let choices = schema["enum"].as_array();
    assert!(choices.is_none_or(|choices| choices.contains(value)), "{at}: {value}");
    assert!(schema.get("const").is_none_or(|only| only == value), "{at}: {value}");
}
