//! Names as small numbers, so that a tally is keyed by numbers and a call that was seen before allocates nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use callgate_model::{CallRecord, bounds};

/// A name inside one [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NameId(u32);

/// Every name seen since the start: of APIs, routes, consumers and servers. They come from the configuration and the store, never
/// from a caller.
#[derive(Debug)]
pub(crate) struct Names {
    ids: HashMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
}

/// The names of one call, looked up once for all tallies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) api: NameId,
    pub(crate) route: NameId,
    pub(crate) consumer: NameId,
    pub(crate) server: NameId,
}

/// A map keyed by numbers that we gave out ourselves: nobody outside can choose keys that collide, so it needs no keyed
/// hash, which is most of the price of a look-up.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Multiplies and rotates (Fibonacci hashing).
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

// === impl NameId ===

impl NameId {
    /// No name: a call that reached no API, no route, no consumer.
    pub(crate) const NONE: NameId = NameId(0);
    /// All names past the bound.
    pub(crate) const OTHER: NameId = NameId(1);
}

// === impl Names ===

impl Default for Names {
    fn default() -> Names {
        Names { ids: HashMap::new(), texts: vec![Arc::from("-"), Arc::from("other")] }
    }
}

impl Names {
    /// The numbers of a call's names.
    pub(crate) fn of(&mut self, record: &CallRecord) -> Named {
        Named {
            api: self.id(record.api.as_ref()),
            route: self.id(record.route.as_ref()),
            consumer: self.id(record.consumer.as_ref()),
            server: self.id(record.upstream.as_ref().map(|upstream| &upstream.server)),
        }
    }

    pub(crate) fn id(&mut self, name: Option<&Arc<str>>) -> NameId {
        let Some(name) = name else { return NameId::NONE };
        if let Some(id) = self.ids.get(name.as_ref()) {
            return *id;
        }
        if self.texts.len() >= bounds::RECORDED_NAMES_MAX {
            return NameId::OTHER;
        }
        let id = NameId(u32::try_from(self.texts.len()).unwrap_or(NameId::OTHER.0));
        self.ids.insert(Arc::clone(name), id);
        self.texts.push(Arc::clone(name));
        id
    }

    /// The name again; `-` for none.
    pub(crate) fn text(&self, id: NameId) -> &Arc<str> {
        // The texts are never empty, so the search for a fallback always finds one.
        static NONE: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from("-"));
        self.texts.get(id.0 as usize).unwrap_or(&NONE)
    }

    /// The name again, where there is one.
    pub(crate) fn present(&self, id: NameId) -> Option<Arc<str>> {
        (id != NameId::NONE).then(|| Arc::clone(self.text(id)))
    }
}

// === impl NumberHasher ===

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
