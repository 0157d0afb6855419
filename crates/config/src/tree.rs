//! A tree of YAML (and so of JSON) in which every node knows where it stands.
//!
//! Scalars stay texts until somebody asks what they are: `on`, `no` and `1.10` are texts, as YAML 1.2 has it, and a
//! header's value `0123` arrives as it was written.

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, number, flag or nothing.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the file's order; its keys are scalars, each once.
    Map(Vec<Entry>),
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, with quotes and escapes resolved.
    pub text: String,
    /// Written without quotes: only then it can be a number, a flag or nothing.
    pub plain: bool,
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

// === impl Node ===

impl Node {
    /// The scalar, if it is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar that is not nothing.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| !scalar.is_nothing()).map(|scalar| scalar.text.as_str())
    }

    /// The items of a list; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_nothing)
    }

    /// What it is, for messages.
    #[must_use]
    pub fn described(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_nothing() => "nothing".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", scalar.text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

// === impl Scalar ===

impl Scalar {
    /// Whether this is YAML's null: nothing at all, `~` or `null`.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The flag, if it is one: `true` or `false`, nothing else (YAML 1.2 core schema).
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// The number, if it is a whole one and not negative.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let digits = self.plain && !self.text.is_empty() && self.text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { self.text.parse().ok() } else { None }
    }
}
