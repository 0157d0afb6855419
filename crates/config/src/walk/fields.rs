//! A mapping, checked against its section of the table of settings.

use std::cell::RefCell;

use crate::settings::Section;
use crate::suggest;
use crate::tree::{Entry, Node, Span, Value};
use crate::walk::{Walk, nearest_address};
use crate::write::quoted;

/// The settings written in one mapping.
pub(crate) struct Fields<'n> {
    section: &'static Section,
    entries: Vec<&'n Entry>,
    /// Where a mistake that concerns the whole is shown.
    pub(crate) span: Span,
    /// Which settings the reader asked for. In debug builds, forgetting one that the table has stops the test.
    asked: RefCell<Vec<&'static str>>,
}

impl Walk<'_> {
    /// Takes a node as a section: notes keys that it doesn't have and needed ones that are not written.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, at: Span, section: &'static Section) -> Option<Fields<'n>> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            _ if node.is_nothing() => &[],
            _ => {
                let message = format!("`{}` is a mapping, and this is {}", self.place_of(section), node.described());
                self.error(node.span, message, as_mapping(node, section));
                return None;
            }
        };
        let mut known = Vec::with_capacity(entries.len());
        for entry in entries {
            match section.find(&entry.key) {
                Some(setting) => match setting.later {
                    None => known.push(entry),
                    Some(help) => {
                        let message = format!("this version does not read `{}` yet", entry.key);
                        self.error(entry.key_span, message, help);
                    }
                },
                None => self.unknown(entry, section),
            }
        }
        for setting in section.settings().filter(|setting| setting.needed) {
            // `adress:` is one mistake, not a wrong key and a missing one.
            let mistyped = |entry: &Entry| {
                section.find(&entry.key).is_none() && nearest(&entry.key, section) == Some(setting.name)
            };
            if !entries.iter().any(|entry| entry.key == setting.name || mistyped(entry)) {
                let message = format!("`{}` is missing in {}", setting.name, self.place_name(section));
                self.error(at, message, format!("write for example `{}: {}`", setting.name, setting.example));
            }
        }
        Some(Fields { section, entries: known, span: at, asked: RefCell::default() })
    }

    fn unknown(&mut self, entry: &Entry, section: &'static Section) {
        let help = match nearest(&entry.key, section) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match home_of(&entry.key, section) {
                Some(home) => format!("`{}` belongs under {}", entry.key, self.place_name(home)),
                None => {
                    let names: Vec<&str> = section.settings().map(|setting| setting.name).collect();
                    format!("{} takes {}", self.place_name(section), names.join(", "))
                }
            },
        };
        self.error(
            entry.key_span,
            format!("there is no setting `{}` in {}", entry.key, self.place_name(section)),
            help,
        );
    }

    fn place_name(&self, section: &Section) -> String {
        let is_file = section.title.starts_with(char::is_uppercase);
        if is_file { "the file".to_owned() } else { format!("`{}`", self.place_of(section)) }
    }
}

fn nearest(key: &str, section: &'static Section) -> Option<&'static str> {
    suggest::nearest(key, section.settings().map(|setting| setting.name))
}

/// A section where the key would be right.
fn home_of(key: &str, not: &'static Section) -> Option<&'static Section> {
    let homes = crate::settings::ROOT.below();
    homes.into_iter().find(|home| !std::ptr::eq(*home, not) && home.settings().any(|setting| setting.name == key))
}

/// How to write what should have been a mapping. An address alone is the first thing that people try.
fn as_mapping(node: &Node, section: &'static Section) -> String {
    let names: Vec<&str> = section.settings().map(|setting| setting.name).take(4).collect();
    match node.text() {
        Some(text) if names.first() == Some(&"address") => {
            format!("write `{{ address: {} }}`", quoted(&nearest_address(text).to_string()))
        }
        _ => format!("write `{{ {}: … }}`", names.join(": …, ")),
    }
}

// === impl Fields ===

impl<'n> Fields<'n> {
    /// A setting, if it is written.
    pub(crate) fn get(&self, name: &'static str) -> Option<&'n Entry> {
        debug_assert!(self.section.find(name).is_some(), "`{name}` is not in the table under {}", self.section.title);
        self.asked.borrow_mut().push(name);
        self.entries.iter().find(|entry| entry.key == name).copied()
    }

    /// Reads a setting, if it is written.
    pub(crate) fn read<'w, T>(
        &self,
        walk: &mut Walk<'w>,
        name: &'static str,
        reader: impl FnOnce(&mut Walk<'w>, &'n Entry) -> Option<T>,
    ) -> Option<T> {
        self.get(name).and_then(|entry| reader(walk, entry))
    }

    /// Where a setting's key stands, or the whole if it is not written.
    pub(crate) fn place(&self, name: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == name).map_or(self.span, |entry| entry.key_span)
    }

    /// Whether a setting is written.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !std::thread::panicking() {
            let asked = self.asked.borrow();
            for setting in self.section.settings() {
                debug_assert!(
                    asked.contains(&setting.name),
                    "`{}` is in the table under {} and its reader never asks for it",
                    setting.name,
                    self.section.title
                );
            }
        }
    }
}
