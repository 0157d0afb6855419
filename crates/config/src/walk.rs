//! The collecting walk: reads values out of the tree, and where a value is not what it should be, notes the mistake and
//! goes on. A reader returns `None` for what it could not read; the file is then not taken, but the rest is still looked at.

mod fields;
mod scalar;
mod secret;

use std::path::{Path, PathBuf};

pub(crate) use fields::Fields;
pub(crate) use scalar::{is_token, nearest_address, plain};

use crate::diagnostic::Diagnostic;
use crate::settings::Section;
use crate::suggest;
use crate::tree::{Entry, Node, Span, Value};

/// What a walk needs and what it gathers.
pub(crate) struct Walk<'a> {
    /// Relative paths begin here; absolute.
    folder: &'a Path,
    /// The environment, as a function so that tests need not change the process's.
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// The entry of the operator's own that is being read, in place of `NAME`: `apis.shop`.
    named: Option<String>,
    /// Everything found so far.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Files that a value came from or that were looked for.
    pub(crate) files_read: Vec<PathBuf>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    pub(crate) fn new(folder: &'a Path, environment: &'a dyn Fn(&str) -> Option<String>) -> Walk<'a> {
        Walk { folder, environment, named: None, diagnostics: Vec::new(), files_read: Vec::new() }
    }

    /// Reads an entry with a name of the operator's own, which messages then show: `apis`, `shop`.
    pub(crate) fn within<T>(&mut self, list: &str, name: &str, read: impl FnOnce(&mut Walk<'a>) -> T) -> T {
        self.named = Some(format!("{list}.{name}"));
        let value = read(self);
        self.named = None;
        value
    }

    /// Where a section is, for messages: `apis.shop.upstream`.
    pub(crate) fn place_of(&self, section: &Section) -> String {
        let title = section.title;
        let Some((list, below)) = title.split_once(".NAME") else { return title.to_owned() };
        match &self.named {
            Some(named) if named.split('.').next() == Some(list) => format!("{named}{below}"),
            _ => title.to_owned(),
        }
    }

    /// Notes a mistake and what to write instead.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message).help(help));
    }

    /// Notes something worth a look.
    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(span, message).help(help));
    }

    /// Notes that a value has another form than its setting asks for.
    pub(crate) fn wrong(&mut self, entry: &Entry, span: Span, found: &str, help: impl Into<String>) {
        self.error(span, format!("`{}` can't be {found}", entry.key), help);
    }

    /// The nodes of a setting that may be one value or a list.
    pub(crate) fn many<'n>(&mut self, entry: &'n Entry) -> Vec<&'n Node> {
        match &entry.value.value {
            Value::List(items) => {
                if items.is_empty() {
                    self.error(
                        entry.key_span,
                        format!("`{}` is an empty list", entry.key),
                        "leave it out, or write what it should hold",
                    );
                }
                items.iter().collect()
            }
            _ if entry.value.is_nothing() => {
                self.error(
                    entry.key_span,
                    format!("`{}` has no value", entry.key),
                    "write its value behind the colon, or leave it out",
                );
                Vec::new()
            }
            _ => vec![&entry.value],
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Clone>(&mut self, entry: &Entry, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = node.scalar().map(|scalar| scalar.text.as_str());
        if let Some((_, value)) = words.iter().find(|(word, _)| Some(*word) == text) {
            return Some(value.clone());
        }
        let list = or_list(words.iter().map(|(word, _)| *word));
        let near = text.and_then(|text| suggest::nearest(text, words.iter().map(|(word, _)| *word)));
        let help = near.map_or_else(|| format!("write {list}"), |near| format!("did you mean `{near}`? It is {list}"));
        self.wrong(entry, node.span, &node.described(), help);
        None
    }

    /// Makes a path absolute.
    pub(crate) fn absolute(&self, path: &str) -> PathBuf {
        let joined = self.folder.join(path);
        // `./` in the middle reads badly in messages.
        joined.components().collect()
    }
}

/// `a`, `b` or `c`, each in backticks.
pub(crate) fn or_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.pop() {
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
        None => String::new(),
    }
}
