//! YAML text into a [`tree`](crate::tree). The only file that knows the YAML library.
//!
//! A configuration needs no anchors, aliases, tags or several documents, and each of them has been an attack on some
//! reader (an alias that refers to aliases grows exponentially): they are refused here, once.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use crate::diagnostic::Diagnostic;
use crate::tree::{Entry, Node, Scalar, Span, Value};

/// Bytes of a file. The largest real gateway configurations are a few hundred KiB; OpenAPI documents reach some MiB.
pub(crate) const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Nesting. A `callgate.yaml` needs seven levels.
const DEPTH_MAX: usize = 64;
/// Nodes of a file.
const NODES_MAX: usize = 1_000_000;

/// Reads one document.
///
/// # Errors
/// Everything that is wrong with it as YAML: one syntax error (nothing after it can be trusted), or every duplicate key.
pub fn parse(text: &str) -> Result<Node, Vec<Diagnostic>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than the {FILE_BYTES_MAX} that are read", text.len());
        return Err(vec![Diagnostic::error(Span::default(), message)]);
    }
    let mut reader =
        Reader { events: Parser::new_from_str(text), places: Places::new(text), faults: Vec::new(), nodes: 0 };
    match reader.document() {
        Ok(node) if reader.faults.is_empty() => Ok(node),
        Ok(_) => Err(reader.faults),
        Err(fault) => {
            reader.faults.push(fault);
            Err(reader.faults)
        }
    }
}

struct Reader<'text> {
    events: Parser<'text, StrInput<'text>>,
    places: Places<'text>,
    /// Mistakes after which reading goes on.
    faults: Vec<Diagnostic>,
    nodes: usize,
}

/// The library counts characters, we count bytes: this translates.
struct Places<'text> {
    text: &'text str,
    /// The byte at which each character begins, and one past the end.
    bytes: Vec<usize>,
}

// === impl Reader ===

impl<'text> Reader<'text> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) | Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                _ if root.is_some() => {
                    let fault = Diagnostic::error(span, "a second document begins here");
                    return Err(fault.help("one file holds one document: remove the `---` and what follows"));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node {
            span: Span { line: 1, column: 1, ..Span::default() },
            value: Value::Map(Vec::new()),
        }))
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Diagnostic> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.places.span(span.start.index(), span.end.index(), span.start))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            let message = format!("more than {DEPTH_MAX} levels or {NODES_MAX} nodes");
            return Err(
                Diagnostic::error(span, message).help("no configuration needs this much; is this the right file?")
            );
        }
        match event {
            Event::Alias(_) => Err(Diagnostic::error(span, "an alias (`*name`) is not read here")
                .help("write the value itself; a text that begins with `*` needs quotes: \"* /admin/**\"")),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(span, anchor, tag.is_some());
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(Node { span: self.places.trimmed(span), value: Value::Scalar(scalar) })
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(span, anchor, tag.is_some());
                self.list(span, depth)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(span, anchor, tag.is_some());
                self.map(span, depth)
            }
            _ => Err(Diagnostic::error(span, "the text ends in the middle of a value")),
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = self.places.trimmed(Span { end: end.end.max(start.end), ..start });
                    return Ok(Node { span, value: Value::List(items) });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let (mut entries, mut seen) = (Vec::new(), BTreeMap::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let span = self.places.trimmed(Span { end: span.end.max(start.end), ..start });
                return Ok(Node { span, value: Value::Map(entries) });
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Value::Scalar(Scalar { text, .. }) = key.value else {
                let fault = Diagnostic::error(key.span, "a key must be a plain text");
                self.faults.push(fault.help("is a quote missing? `{` and `[` begin a mapping or a list"));
                continue;
            };
            if let Some(first) = seen.insert(text.clone(), key.span.line) {
                let fault = Diagnostic::error(key.span, format!("`{text}` is written twice in this mapping"));
                self.faults.push(fault.help(format!("keep one of them; the first is on line {first}")));
                continue;
            }
            entries.push(Entry { key: text, key_span: key.span, value });
        }
    }

    /// Refuses what makes a node more than its text.
    fn plain_node(&mut self, span: Span, anchor: usize, tagged: bool) {
        if anchor != 0 {
            let fault = Diagnostic::error(span, "an anchor (`&name`) is not read here");
            self.faults.push(fault.help("write each value where it is used"));
        }
        if tagged {
            let fault = Diagnostic::error(span, "a tag (`!name`) is not read here");
            self.faults.push(fault.help("leave the tag out"));
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let marker = *error.marker();
        let span = self.places.span(marker.index(), marker.index() + 1, marker);
        let help = match error.info() {
            info if info.contains("anchor or alias") => {
                "a text that begins with `*` or `&` needs quotes: \"* /admin/**\""
            }
            info if info.contains("simple key") || info.contains("mapping values") => {
                "check the indentation of this line and the one before it, and that every `key:` is followed by a space"
            }
            info if info.contains("flow") => {
                "inside `{ … }` and `[ … ]`, a text with `{`, `[` or `,` needs quotes: \"/orders/{id}\""
            }
            info if info.contains("tab") => "indent with spaces",
            _ => "check quotes, brackets and indentation here and on the line before",
        };
        Diagnostic::error(span, format!("this is not YAML: {}", error.info())).help(help)
    }
}

// === impl Places ===

impl<'text> Places<'text> {
    fn new(text: &'text str) -> Places<'text> {
        let bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
        Places { text, bytes }
    }

    fn span(&self, start: usize, end: usize, marker: saphyr_parser::Marker) -> Span {
        let byte = |index: usize| self.bytes.get(index).copied().unwrap_or(self.text.len());
        Span { start: byte(start), end: byte(end.max(start)), line: marker.line(), column: marker.col() + 1 }
    }

    /// Block nodes end where the next one begins: cuts the white space, comments aside, and keeps to one line, because a
    /// caret under half a file shows nothing.
    fn trimmed(&self, span: Span) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        let line = text.split(['\n', '\r']).next().unwrap_or_default().trim_end();
        Span { end: span.start + line.len(), ..span }
    }
}
