//! What is read of an OpenAPI document: its operations, in order.

use crate::diagnostic::Diagnostic;
use crate::tree::{Entry, Node, Scalar, Span, Value};
use crate::yaml;

/// One operation.
pub(super) struct Operation {
    /// Upper case.
    pub(super) method: String,
    /// The template, as it was written.
    pub(super) path: String,
    /// The document asks for no credential: no requirement at all, or an empty one among them.
    pub(super) is_open: bool,
    /// Media types of its body, without parameters.
    pub(super) accepts: Vec<String>,
}

const METHODS: &[&str] = &["get", "head", "post", "put", "patch", "delete", "options", "query", "trace"];

/// A document as a tree. JSON is read as JSON: YAML knows no surrogate pairs (`\ud83d\ude00`), and tabs only in places.
pub(super) fn tree(text: &str) -> Result<Node, Vec<Diagnostic>> {
    if !text.trim_start().starts_with('{') {
        return yaml::parse(text);
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => Ok(of_json(value)),
        Err(error) => {
            let start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
            let start = (start + error.column().saturating_sub(1)).min(text.len());
            let span = Span { start, end: start, line: error.line(), column: error.column() };
            Err(vec![Diagnostic::error(span, format!("this is not JSON: {error}"))])
        }
    }
}

fn of_json(value: serde_json::Value) -> Node {
    let plain = |text: String| Value::Scalar(Scalar { text, plain: true });
    let value = match value {
        serde_json::Value::Null => plain(String::new()),
        serde_json::Value::Bool(flag) => plain(flag.to_string()),
        serde_json::Value::Number(number) => plain(number.to_string()),
        serde_json::Value::String(text) => Value::Scalar(Scalar { text, plain: false }),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        serde_json::Value::Object(members) => Value::Map(
            members
                .into_iter()
                .map(|(key, value)| Entry { key, key_span: Span::default(), value: of_json(value) })
                .collect(),
        ),
    };
    Node { span: Span::default(), value }
}

/// Every operation, path by path in the document's order.
pub(super) fn operations(root: &Node) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mentions_security = mentions_security(root);
    for path in root.get("paths").map(Node::entries).unwrap_or_default() {
        // `x-…` extensions stand among the paths.
        if path.key.starts_with("x-") {
            continue;
        }
        let item = resolved(root, &path.value);
        for entry in item.entries().iter().filter(|entry| METHODS.contains(&entry.key.as_str())) {
            operations.push(Operation {
                method: entry.key.to_ascii_uppercase(),
                path: path.key.clone(),
                is_open: mentions_security && is_open(root, &entry.value),
                accepts: accepts(root, &entry.value),
            });
        }
    }
    operations
}

/// Whether the document says anything about credentials, anywhere.
pub(super) fn mentions_security(root: &Node) -> bool {
    let paths = root.get("paths").map(Node::entries).unwrap_or_default();
    let mut operations = paths.iter().flat_map(|path| resolved(root, &path.value).entries());
    root.get("security").is_some() || operations.any(|operation| operation.value.get("security").is_some())
}

/// An operation's own `security` counts before the document's.
fn is_open(root: &Node, operation: &Node) -> bool {
    match operation.get("security").or_else(|| root.get("security")) {
        Some(security) => {
            let requirements = security.items();
            requirements.is_empty() || requirements.iter().any(|requirement| requirement.entries().is_empty())
        }
        None => true,
    }
}

fn accepts(root: &Node, operation: &Node) -> Vec<String> {
    let Some(body) = operation.get("requestBody").map(|body| resolved(root, body)) else { return Vec::new() };
    let mut types: Vec<String> = Vec::new();
    for media in body.get("content").map(Node::entries).unwrap_or_default() {
        let bare = media.key.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if crate::read::is_media_type(&bare) && !types.contains(&bare) {
            types.push(bare);
        }
    }
    types
}

/// A node that may be a reference into the same document: one step, because a loop of references has no end.
fn resolved<'n>(root: &'n Node, node: &'n Node) -> &'n Node {
    let Some(pointer) = node.get("$ref").and_then(Node::text).and_then(|text| text.strip_prefix("#/")) else {
        return node;
    };
    let mut found = root;
    for step in pointer.split('/') {
        // RFC 6901 section 3.
        match found.get(&step.replace("~1", "/").replace("~0", "~")) {
            Some(next) => found = next,
            None => return node,
        }
    }
    found
}
