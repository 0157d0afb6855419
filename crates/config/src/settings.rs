//! The table of settings: what may be written in a `callgate.yaml`, where, in which form, and what it means.
//!
//! One table, three readers: the walk refuses keys that are not in it, the JSON Schema and `docs/configuration.md` are
//! made from it. In debug builds a reader that asks for a key that is not here, or forgets one that is, stops the test.

mod api;
mod gate;

pub use gate::ROOT;

/// A mapping of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name in the schema, in singular: `api`.
    pub name: &'static str,
    /// Its heading in the reference: `apis.NAME`.
    pub title: &'static str,
    /// What it is for, in a sentence or two.
    pub doc: &'static str,
    /// Its settings; what an API and a route share stands in a group of its own.
    pub groups: &'static [&'static [Setting]],
}

/// One key of a section.
#[derive(Debug)]
pub struct Setting {
    /// As it is written.
    pub name: &'static str,
    /// In which form.
    pub kind: Kind,
    /// What holds when it is not written; empty where that is nothing.
    pub default: &'static str,
    /// Must be written.
    pub needed: bool,
    /// Known, but read only by a later version: what to do until then.
    pub later: Option<&'static str>,
    /// What it means.
    pub doc: &'static str,
    /// A value that can be written; a test reads every one.
    pub example: &'static str,
}

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The number 1.
    Version,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Count(u64, u64),
    /// `1MiB`.
    Bytes,
    /// `10s`.
    Duration,
    /// A text: what it holds.
    Text(&'static str),
    /// A limit or quota: a text that may begin with `name:`, which YAML reads as a mapping of one pair.
    Rate(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One, or a list of them.
    Many(&'static Kind),
    /// Any of these forms.
    Either(&'static [Kind]),
    /// A mapping with these keys.
    Section(&'static Section),
    /// A mapping from names of the operator's own to such a section.
    Named(&'static Section),
    /// A list of `METHOD /path: {…}`.
    Routes(&'static Section),
    /// A mapping from header names to values.
    Fields,
}

// === impl Setting ===

impl Setting {
    const fn new(name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Setting {
        Setting { name, kind, default: "", needed: false, later: None, doc, example }
    }

    const fn default(self, default: &'static str) -> Setting {
        Setting { default, ..self }
    }

    const fn needed(self) -> Setting {
        Setting { needed: true, ..self }
    }

    /// The section that it opens, whatever shorter forms there are.
    pub(crate) fn section(&self) -> Option<&'static Section> {
        let mut found = None;
        self.kind.sections(&mut |section| found = Some(section));
        found
    }

    const fn later(name: &'static str, help: &'static str) -> Setting {
        let setting = Setting::new(name, Kind::Text("nothing yet"), "", "");
        Setting { later: Some(help), ..setting }
    }
}

// === impl Section ===

impl Section {
    /// Every setting, those of later versions too.
    pub fn all(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// The settings that this version reads.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        self.all().filter(|setting| setting.later.is_none())
    }

    /// A setting by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Setting> {
        self.all().find(|setting| setting.name == name)
    }

    /// This section and every one below it, each once, in reading order.
    #[must_use]
    pub fn below(&'static self) -> Vec<&'static Section> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect(&'static self, found: &mut Vec<&'static Section>) {
        if found.iter().any(|known| std::ptr::eq(*known, self)) {
            return;
        }
        found.push(self);
        for setting in self.settings() {
            setting.kind.sections(&mut |section| section.collect(found));
        }
    }
}

// === impl Kind ===

impl Kind {
    fn sections(&self, visit: &mut dyn FnMut(&'static Section)) {
        match self {
            Kind::Section(section) | Kind::Named(section) | Kind::Routes(section) => visit(section),
            Kind::Many(kind) => kind.sections(visit),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| kind.sections(visit)),
            _ => {}
        }
    }
}
