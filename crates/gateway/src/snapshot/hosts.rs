//! From host and path to an API: the most specific host that has one, and within it the longest prefix.

use std::collections::HashMap;
use std::sync::Arc;

use super::Api;

/// All APIs of a snapshot.
#[derive(Debug, Default)]
pub struct Hosts {
    exact: HashMap<String, Prefixes>,
    /// By what follows `*.`; the star stands for exactly one label.
    wildcard: HashMap<String, Prefixes>,
    any: Prefixes,
    /// Where nothing but the one API answers: no prefix of any host does.
    alone: Option<(String, Arc<Api>)>,
}

/// The APIs of one host, by prefix.
#[derive(Debug, Default)]
struct Prefixes {
    /// By lower-cased prefix: two that differ only in case are never confused, and a path that does is noticed.
    by_path: HashMap<String, Vec<Placed>>,
    /// The most segments of any prefix; longer ones need not be tried.
    segments_max: usize,
}

/// An API under one of its prefixes.
#[derive(Debug)]
struct Placed {
    /// In the form in which paths are compared.
    matching_path: String,
    api: Arc<Api>,
}

/// What a search found.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// This API answers here.
    Api(&'a Arc<Api>),
    /// None answers, but one would if upper and lower case were the same.
    ButForCase(&'a Arc<Api>),
    /// None answers.
    Nothing,
}

// === impl Hosts ===

impl Hosts {
    /// Adds an API under its host.
    pub fn add(&mut self, host: Option<&str>, api: &Arc<Api>) {
        self.add_under(host, &api.matching_path, api);
    }

    /// Adds an API under its host and a prefix that need not be its own; it sees whole paths all the same.
    pub(super) fn add_under(&mut self, host: Option<&str>, matching_path: &str, api: &Arc<Api>) {
        let prefixes = match host {
            None => &mut self.any,
            Some(host) => match host.strip_prefix("*.") {
                Some(parent) => self.wildcard.entry(parent.to_owned()).or_default(),
                None => self.exact.entry(host.to_owned()).or_default(),
            },
        };
        prefixes.segments_max = prefixes.segments_max.max(segments(matching_path));
        let placed = Placed { matching_path: matching_path.to_owned(), api: Arc::clone(api) };
        prefixes.by_path.entry(matching_path.to_ascii_lowercase()).or_default().push(placed);
    }

    /// Gives a whole host to an API: no API of every host answers there.
    pub(super) fn add_alone(&mut self, host: &str, api: &Arc<Api>) {
        self.alone = Some((host.to_owned(), Arc::clone(api)));
    }

    /// Finds the API for a host (lower case, without port) and a path in the form in which paths are compared.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Lookup<'_> {
        if let Some((own, api)) = &self.alone
            && own == host
        {
            return Lookup::Api(api);
        }
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        let wildcard = if self.wildcard.is_empty() {
            None
        } else {
            host.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent))
        };
        let mut nearly = Lookup::Nothing;
        for prefixes in [exact, wildcard, Some(&self.any)].into_iter().flatten() {
            match prefixes.find(path) {
                found @ Lookup::Api(_) => {
                    // `/Shop/x` must not slip past the API at `/shop` to the one at `/`.
                    return if let Lookup::ButForCase(_) = nearly { nearly } else { found };
                }
                near @ Lookup::ButForCase(_) => nearly = near,
                Lookup::Nothing => {}
            }
        }
        nearly
    }

    /// Whether any API names this host, itself or by a wildcard; or any API takes every host.
    #[must_use]
    pub fn knows(&self, host: &str) -> bool {
        !self.any.by_path.is_empty()
            || self.exact.contains_key(host)
            || self.alone.as_ref().is_some_and(|(own, _)| own == host)
            || host.split_once('.').is_some_and(|(_, parent)| self.wildcard.contains_key(parent))
    }

    /// Every API of the file; the gate's own under each of its prefixes.
    pub fn apis(&self) -> impl Iterator<Item = &Arc<Api>> {
        let all = self.exact.values().chain(self.wildcard.values()).chain([&self.any]);
        all.flat_map(|prefixes| prefixes.by_path.values().flatten()).map(|placed| &placed.api)
    }
}

fn segments(path: &str) -> usize {
    path.split('/').filter(|segment| !segment.is_empty()).count()
}

// === impl Prefixes ===

impl Prefixes {
    fn find(&self, path: &str) -> Lookup<'_> {
        if self.by_path.is_empty() {
            return Lookup::Nothing;
        }
        let lower;
        let folded = if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = path.to_ascii_lowercase();
            lower.as_str()
        } else {
            path
        };
        // Ends of segments, the longest prefix first: `/a/b/c` is tried as `/a/b/c`, `/a/b`, `/a`. No prefix has more than
        // `segments_max`, so no longer one is tried.
        let mut end = folded.match_indices('/').nth(self.segments_max + 1).map_or(folded.len(), |(at, _)| at);
        while end > 0 {
            if let Some(found) = self.at(folded, path, end) {
                return found;
            }
            end = folded.get(..end).and_then(|tried| tried.rfind('/')).unwrap_or(0);
        }
        self.by_path.get("/").and_then(|apis| apis.first()).map_or(Lookup::Nothing, |placed| Lookup::Api(&placed.api))
    }

    fn at(&self, folded: &str, path: &str, end: usize) -> Option<Lookup<'_>> {
        let apis = self.by_path.get(folded.get(..end)?)?;
        let exact = apis.iter().find(|placed| Some(placed.matching_path.as_str()) == path.get(..end));
        Some(match exact {
            Some(placed) => Lookup::Api(&placed.api),
            None => Lookup::ButForCase(apis.iter().map(|placed| &placed.api).find(|api| !api.paths.case_variants)?),
        })
    }
}
