//! A first `callgate.yaml` from an OpenAPI document: one route an operation. For `callgate init --from`.
//!
//! The document says what an API offers, not who may have it: access is by key everywhere, and where the document asks for
//! no credential, a comment says so. Nothing becomes public because a document left a line out.

mod document;

use std::path::Path;

use document::Operation;

use crate::config::Pattern;
use crate::diagnostic::{Diagnostic, Report};
use crate::load::text_of;
use crate::tree::{Node, Span};
use crate::walk::plain;
use crate::write::quoted;

/// Reads an OpenAPI 3.0, 3.1 or 3.2 document, YAML or JSON, and writes the configuration that guards what it describes.
/// `upstream` is where the API is when the document names no whole URL; a server's path, such as `/v1`, is put behind it.
///
/// # Errors
/// Why the file is not such a document.
pub fn from_openapi(path: &Path, upstream: &str) -> Result<String, Box<Report>> {
    match text_of(path) {
        Ok(text) => from_openapi_text(&text, path, upstream),
        Err(error) => {
            let message = format!("{} is not readable: {}", path.display(), plain(&error));
            Err(report(path, "", vec![Diagnostic::error(Span::default(), message)]))
        }
    }
}

/// The same for a text; `path` is how messages and comments name it.
///
/// # Errors
/// Why the text is not such a document.
pub fn from_openapi_text(text: &str, path: &Path, upstream: &str) -> Result<String, Box<Report>> {
    let root = document::tree(text).map_err(|faults| report(path, text, faults))?;
    check_version(&root).map_err(|fault| report(path, text, vec![fault]))?;
    let operations = document::operations(&root);
    if operations.is_empty() {
        let place = root.entries().iter().find(|entry| entry.key == "paths").map_or(root.span, |entry| entry.key_span);
        let fault = Diagnostic::error(place, "the document has no operations").help("`paths` should hold some");
        return Err(report(path, text, vec![fault]));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut shapes = Vec::new();
    let routes: String = operations.iter().map(|operation| route(operation, &mut shapes)).collect();
    if shapes.is_empty() {
        let mut fault = Diagnostic::error(root.span, "the document has no operation that the gate could forward");
        if operations.iter().all(|operation| !operation.path.starts_with('/')) {
            fault = fault.help("its paths should begin with `/`");
        }
        return Err(report(path, text, vec![fault]));
    }
    let marks_open = routes.contains(OPEN);
    Ok(render(&root, &one_line(&name), &routes, upstream, marks_open))
}

fn report(path: &Path, text: &str, diagnostics: Vec<Diagnostic>) -> Box<Report> {
    Box::new(Report { file: path.to_owned(), source: text.to_owned(), diagnostics, files_read: vec![path.to_owned()] })
}

fn check_version(root: &Node) -> Result<(), Diagnostic> {
    if let Some(old) = root.get("swagger") {
        let fault = Diagnostic::error(old.span, "this is a Swagger 2.0 document");
        return Err(fault.help("convert it to OpenAPI 3 first"));
    }
    match root.get("openapi").and_then(|version| Some((version, version.text()?))) {
        Some((_, text)) if text.starts_with("3.") => Ok(()),
        Some((node, text)) => {
            let fault = Diagnostic::error(node.span, format!("OpenAPI {text} is not known"));
            Err(fault.help("3.0, 3.1 and 3.2 are read"))
        }
        None => {
            let fault = Diagnostic::error(root.span, "this is not an OpenAPI document: `openapi` is missing");
            Err(fault.help("its first line should be like `openapi: 3.1.0`"))
        }
    }
}

fn render(root: &Node, file: &str, routes: &str, assumed: &str, marks_open: bool) -> String {
    let (upstream, server_comment) = upstream(root, assumed);
    let title = root.get("info").and_then(|info| info.get("title")).and_then(Node::text).unwrap_or("api");
    // A gate on its own upstream's port would call itself.
    let port = if upstream.contains(":8080") { 8000 } else { 8080 };
    let credentials = if document::mentions_security(root) {
        ""
    } else {
        "    # the document says nothing about credentials; `public` would let everybody call\n"
    };
    let open = if marks_open {
        "    # `open`: the document asks for no credential there; `access: public` on the route would let everybody call\n"
    } else {
        ""
    };
    format!(
        "\
# Made from {file}. Every setting: docs/configuration.md. Check it: callgate check
version: 1
listen: {{ address: 127.0.0.1:{port} }}
data_dir: ./callgate-data

plans:
  free: {{ limits: [10/s], quota: 1000/day }}

apis:
  {}:
{server_comment}    upstream: {}
{credentials}    access: key
    limits: [50/s per ip]
    body_max: 1MiB
    unlisted: refuse    # calls that the document does not describe
{open}    routes:
{routes}",
        slug(title),
        quoted(&upstream),
    )
}

/// Marks a route; what it means is said once, above the routes.
const OPEN: &str = "    # open\n";

/// One operation as a line of `routes`, with what a person should decide as comments above it.
fn route(operation: &Operation, shapes: &mut Vec<(String, String)>) -> String {
    let (method, path) = (&operation.method, pattern(&operation.path));
    let said = format!("{method} {}", one_line(&operation.path));
    if !path.starts_with('/') {
        return format!("      # left out, because its path does not begin with `/`: {said}\n");
    }
    let pattern = match Pattern::parse(&path) {
        Ok(pattern) if is_forwarded(method, &pattern) => pattern,
        _ => return format!("      # left out, because the gate never forwards it: {said}\n"),
    };
    let shape = (method.clone(), pattern.shape());
    if shapes.contains(&shape) {
        return format!("      # left out, because a route above matches the same calls: {said}\n");
    }
    shapes.push(shape);
    let mut text = String::new();
    if path != operation.path {
        text.push_str(&format!("      # in the document: {}\n", one_line(&operation.path)));
    }
    let settings = if operation.accepts.is_empty() {
        "{}".to_owned()
    } else {
        let types: Vec<String> = operation.accepts.iter().map(|media| quoted(media)).collect();
        format!("{{ accepts: [{}] }}", types.join(", "))
    };
    let key = format!("{method} {path}");
    let simple = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" /{}._~-".contains(&byte));
    let key = if simple { key } else { serde_json::Value::from(key).to_string() };
    let end = if operation.is_open { OPEN } else { "\n" };
    text.push_str(&format!("      - {key}: {settings}{end}"));
    text
}

/// What the gate refuses by default is left out.
fn is_forwarded(method: &str, pattern: &Pattern) -> bool {
    let shape = pattern.shape();
    !matches!(method, "TRACE" | "CONNECT") && ![";", "%2F", "%5C"].iter().any(|refused| shape.contains(refused))
}

/// A path template as a pattern: a segment with a name in it stands for any segment, names are made of letters and `_`.
fn pattern(template: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let segments = template.split('/').map(|segment| {
        let Some((_, rest)) = segment.split_once('{') else { return segment.to_owned() };
        let inner = rest.split('}').next().unwrap_or_default();
        let word = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        let mut name: String = inner.chars().map(word).collect();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            name.insert(0, '_');
        }
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name.clone());
        format!("{{{name}}}")
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The upstream's URL and a comment about it; `assumed` where the document names no whole URL.
fn upstream(root: &Node, assumed: &str) -> (String, String) {
    let mut url = String::new();
    if let Some(server) = root.get("servers").and_then(|servers| servers.items().first()) {
        server.get("url").and_then(Node::text).unwrap_or_default().clone_into(&mut url);
        for variable in server.get("variables").map(Node::entries).unwrap_or_default() {
            let default = variable.value.get("default").and_then(Node::text).unwrap_or_default();
            url = url.replace(&format!("{{{}}}", variable.key), default);
        }
    }
    let url = url.trim_end_matches('/');
    if crate::read::is_upstream(url) {
        let comment = "the document's server; if callers should come to the gate, this must be the address behind it";
        return (url.to_owned(), format!("    # {comment}\n"));
    }
    if url.is_empty() {
        return (
            assumed.to_owned(),
            "    # the document names no server: this must be the API's own address\n".to_owned(),
        );
    }
    // A path is below the API's own address; `//host/x` is another server.
    let below = format!("{}{url}", assumed.trim_end_matches('/'));
    let is_path = url.starts_with('/') && !url.starts_with("//") && crate::read::is_upstream(&below);
    let named = serde_json::Value::from(one_line(url));
    let comment = format!("    # the document's server is {named}: this must be the API's own address\n");
    (if is_path { below } else { assumed.to_owned() }, comment)
}

/// A title as an API's name.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(64).collect();
    let slug = slug.trim_end_matches('-');
    // A name that reads as a number or a flag would need quotes.
    if slug.starts_with(|first: char| first.is_ascii_alphabetic()) { quoted(slug) } else { "api".to_owned() }
}

/// A text from a document in a comment: a line break in it would end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
