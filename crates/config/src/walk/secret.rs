//! Header values, which may be secrets that live elsewhere: `env:NAME`, `file:PATH`.
//!
//! Resolved after parsing, so that a secret's bytes can never become YAML; and never repeated in a message.

use callgate_model::Secret;

use crate::contents;
use crate::tree::{Entry, Node};
use crate::walk::{Walk, plain};

/// Bytes of a secret's file, as of any header value.
const SECRET_BYTES_MAX: usize = callgate_model::bounds::FIELD_VALUE_BYTES_MAX;

impl Walk<'_> {
    /// A header value as text, a secret resolved.
    pub(crate) fn secret(&mut self, entry: &Entry, node: &Node) -> Option<Secret> {
        let Some(scalar) = node.scalar().filter(|scalar| !scalar.is_nothing()) else {
            self.wrong(entry, node.span, &node.described(), "write a text, `env:NAME` or `file:PATH`");
            return None;
        };
        let (value, source) = match scalar.text.split_once(':') {
            Some(("env", name)) => (self.environment_value(name, node)?, "the environment's value"),
            Some(("file", path)) => (self.file_text(path, node)?, "the file's text"),
            _ => (scalar.text.clone(), "the value"),
        };
        // A line break in a value would begin a header of its own (RFC 9110 section 5.5).
        let printable = value.chars().all(|character| character == '\t' || !character.is_control());
        if value.is_empty() || !printable || value.len() > SECRET_BYTES_MAX {
            let message = format!("{source} for `{}` can't be sent in a header", entry.key);
            let help = format!("one line of 1 to {SECRET_BYTES_MAX} bytes, without control characters");
            self.error(node.span, message, help);
            return None;
        }
        Some(Secret::new(value))
    }

    fn environment_value(&mut self, name: &str, node: &Node) -> Option<String> {
        let value = (self.environment)(name);
        if value.is_none() {
            let help = format!("set {name} for the gate's process, or write `file:PATH`");
            self.error(node.span, format!("the environment has no `{name}`"), help);
        }
        value
    }

    fn file_text(&mut self, path: &str, node: &Node) -> Option<String> {
        let full = self.absolute(path);
        self.files_read.push(full.clone());
        let limit = u64::try_from(SECRET_BYTES_MAX + 2).unwrap_or(u64::MAX);
        let read = contents::of(&full, limit)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8")));
        match read {
            // Editors end a file with a line break that nobody means.
            Ok(text) => Some(
                text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text).to_owned(),
            ),
            Err(error) => {
                let help = format!("looked for {}", full.display());
                self.error(node.span, format!("the secret's file `{path}` is not readable: {}", plain(&error)), help);
                None
            }
        }
    }
}
