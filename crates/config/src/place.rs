//! The place of a setting in a file, for what is found only after the file was read: in the files that it names.

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::tree::{Node, Span, Value};
use crate::yaml;

// === impl Report ===

impl Report {
    /// Adds a mistake, or something worth a look, at the setting to which these keys and numbers lead: `listen`, `0`, `tls`,
    /// `1`, `key`. A list of one may stand there without its brackets.
    pub fn add(&mut self, severity: Severity, place: &[impl AsRef<str>], message: &str, help: &str) {
        let span = yaml::parse(&self.source).ok().map(|root| find(&root, place)).unwrap_or_default();
        let diagnostic = match severity {
            Severity::Error => Diagnostic::error(span, message),
            Severity::Warning => Diagnostic::warning(span, message),
        };
        self.diagnostics.push(diagnostic.help(help));
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.start, diagnostic.severity));
    }
}

/// The place of the last step that is there.
fn find(root: &Node, place: &[impl AsRef<str>]) -> Span {
    let (mut node, mut span) = (root, Span::default());
    for step in place {
        let step = step.as_ref();
        match &node.value {
            Value::List(items) => {
                let Some(item) = step.parse().ok().and_then(|index: usize| items.get(index)) else { break };
                (node, span) = (item, item.span);
            }
            _ => match node.entries().iter().find(|entry| entry.key == step) {
                Some(entry) => {
                    (node, span) =
                        (&entry.value, if entry.value.text().is_some() { entry.value.span } else { entry.key_span });
                }
                None if step == "0" => {}
                None => break,
            },
        }
    }
    span
}
