//! The JSON Schema of `callgate.yaml`, made from the table of settings: editors complete and check with it.
//! Committed as `docs/callgate.schema.json`.

use serde_json::{Map, Value, json};

use crate::settings::{Kind, ROOT, Section, Setting};

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for section in ROOT.below() {
        if !std::ptr::eq(section, &ROOT) {
            definitions.insert(section.name.to_owned(), of_section(section));
        }
    }
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "callgate.yaml",
    });
    if let (Some(root), Value::Object(own)) = (root.as_object_mut(), of_section(&ROOT)) {
        root.extend(own);
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn of_section(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.settings().map(|setting| (setting.name.to_owned(), of_setting(setting))).collect();
    let needed: Vec<&str> = section.settings().filter(|setting| setting.needed).map(|setting| setting.name).collect();
    let mut object = json!({
        "description": section.doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Some(object), false) = (object.as_object_mut(), needed.is_empty()) {
        object.insert("required".to_owned(), json!(needed));
    }
    object
}

fn of_setting(setting: &Setting) -> Value {
    let mut description = setting.doc.to_owned();
    if !setting.default.is_empty() {
        description.push_str(&format!(" Default: {}.", setting.default));
    }
    let mut schema = of_kind(&setting.kind);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::String(description));
    }
    schema
}

fn of_kind(kind: &Kind) -> Value {
    let reference = |section: &Section| json!({ "$ref": format!("#/$defs/{}", section.name) });
    match kind {
        Kind::Version => json!({ "const": 1 }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Bytes => json!({
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|kB|KB|MB|GB)?$" }]
        }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|min|h|d|day|days)$" }),
        Kind::Text(_) => json!({ "type": "string" }),
        Kind::Rate(_) => json!({
            "anyOf": [
                { "type": "string" },
                { "type": "object", "maxProperties": 1, "additionalProperties": { "type": "string" } },
            ]
        }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Many(kind) => {
            let one = of_kind(kind);
            json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(of_kind).collect::<Vec<_>>() }),
        Kind::Section(section) => reference(section),
        Kind::Named(section) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$" },
            "additionalProperties": reference(section),
        }),
        Kind::Routes(section) => json!({
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    { "type": "string", "pattern": "^[^ ]+ +/" },
                    {
                        "type": "object",
                        "minProperties": 1,
                        "maxProperties": 1,
                        "propertyNames": { "pattern": "^[^ ]+ +/" },
                        "additionalProperties": { "anyOf": [reference(section), { "type": "null" }] },
                    },
                ]
            },
        }),
        Kind::Fields => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
    }
}
