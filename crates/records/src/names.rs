//! Names as small numbers, so that a tally is keyed by numbers and a call that was seen before allocates nothing.

use std::collections::HashMap;
use std::sync::Arc;

/// A name inside one [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NameId(u32);

/// Every name seen since it was made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    ids: HashMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
}

// === impl Names ===

impl Names {
    /// The number of a name that was seen before.
    pub(crate) fn known(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    /// The number of a name, seen before or not.
    pub(crate) fn id(&mut self, name: &Arc<str>) -> NameId {
        if let Some(id) = self.known(name) {
            return id;
        }
        let id = NameId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.ids.insert(Arc::clone(name), id);
        self.texts.push(Arc::clone(name));
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The name again.
    pub(crate) fn text(&self, id: NameId) -> Arc<str> {
        self.texts.get(id.0 as usize).cloned().unwrap_or_else(|| Arc::from("other"))
    }
}
