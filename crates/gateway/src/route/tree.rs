//! The routes of one API as a tree of segments.
//!
//! Every route that matches a path is found, not only the best: their guards add up (DESIGN section 4), so adding
//! `GET /admin/stats` never opens a hole in `* /admin/**`. Of each node both the literal and the `{x}` child are visited, so
//! a search costs at most the number of nodes of the path's depth, whatever the path says.

use std::collections::HashMap;

use callgate_config::{Pattern, Segment};
use callgate_wire::path;

/// A tree of patterns; a route is its number.
#[derive(Debug, Default)]
pub struct Tree {
    root: Node,
    /// By route: its specificity, comparable between routes that match the same path.
    ranks: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Node {
    /// By lower-cased segment, then by exact segment: a path that equals a guarded one but for its case must be noticed.
    literals: HashMap<Box<str>, Vec<(Box<str>, Node)>>,
    any: Option<Box<Node>>,
    /// Routes that end here.
    ends: Vec<usize>,
    /// Routes that end here in `/**`.
    rests: Vec<usize>,
}

/// What a search found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Routes whose pattern matches, from the least to the most specific.
    pub matching: Vec<usize>,
    /// A route whose pattern would match if upper and lower case were the same.
    pub but_for_case: Option<usize>,
}

/// Ranks, from the weakest: `**`, `{x}`, a literal, the end of the path.
const REST: u8 = 1;
const ANY: u8 = 2;
const LITERAL: u8 = 3;
const END: u8 = 4;

// === impl Tree ===

impl Tree {
    /// Builds the tree of patterns, each with the rank of its method (the higher, the more specific). The number of a route
    /// is its place in the iterator.
    pub fn build<'a>(patterns: impl Iterator<Item = (&'a Pattern, u8)>) -> Tree {
        let mut tree = Tree::default();
        for (route, (pattern, method)) in patterns.enumerate() {
            tree.ranks.push(rank(pattern, method));
            let mut node = &mut tree.root;
            for segment in &pattern.segments {
                node = match segment {
                    // Paths come in the form in which they are compared, so literals stand here in the same form.
                    Segment::Literal(literal) => node.literal_mut(&path::matching_form(literal)),
                    Segment::Any(_) => node.any.get_or_insert_default(),
                };
            }
            if pattern.rest { node.rests.push(route) } else { node.ends.push(route) }
        }
        tree
    }

    /// Finds every route that matches a path below the API's prefix, beginning with `/`, in the form of
    /// [`path::matching_form`].
    #[must_use]
    pub fn find(&self, path: &str) -> Found {
        let mut found = Found::default();
        let trimmed = path.strip_prefix('/').unwrap_or(path);
        // `/` has no segments; `/a/` has an empty last one, which only `**` matches.
        let rest = (!trimmed.is_empty()).then_some(trimmed);
        self.root.visit(rest, true, &mut found);
        found.matching.sort_unstable_by(|one, other| self.ranks.get(*one).cmp(&self.ranks.get(*other)));
        found
    }
}

/// The method counts last: it decides between routes whose patterns match the same paths, whatever their names are.
fn rank(pattern: &Pattern, method: u8) -> Vec<u8> {
    let segments = pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(_) => LITERAL,
        Segment::Any(_) => ANY,
    });
    segments.chain([if pattern.rest { REST } else { END }, method]).collect()
}

// === impl Node ===

impl Node {
    fn literal_mut(&mut self, literal: &str) -> &mut Node {
        let variants = self.literals.entry(literal.to_ascii_lowercase().into()).or_default();
        let place = variants.iter().position(|(exact, _)| &**exact == literal).unwrap_or_else(|| {
            variants.push((literal.into(), Node::default()));
            variants.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed on the line above")]
        &mut variants[place].1
    }

    /// `rest` is what is left of the path, without its slash; none when nothing is left. `exact` is whether every segment so
    /// far was equal in case too.
    fn visit(&self, rest: Option<&str>, exact: bool, found: &mut Found) {
        for route in &self.rests {
            found.take(*route, exact);
        }
        let Some(rest) = rest else {
            for route in &self.ends {
                found.take(*route, exact);
            }
            return;
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        if segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.visit_literals(&segment.to_ascii_lowercase(), segment, rest, exact, found);
        } else {
            self.visit_literals(segment, segment, rest, exact, found);
        }
        if let Some(any) = &self.any
            && !segment.is_empty()
        {
            any.visit(rest, exact, found);
        }
    }

    fn visit_literals(&self, lower: &str, segment: &str, rest: Option<&str>, exact: bool, found: &mut Found) {
        for (literal, node) in self.literals.get(lower).into_iter().flatten() {
            node.visit(rest, exact && &**literal == segment, found);
        }
    }
}

// === impl Found ===

impl Found {
    fn take(&mut self, route: usize, exact: bool) {
        if exact { self.matching.push(route) } else { self.but_for_case = Some(route) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        let body = text.strip_suffix("/**");
        let segments = body.unwrap_or(text).split('/').filter(|segment| !segment.is_empty());
        let segments = segments.map(|segment| match segment.strip_prefix('{') {
            Some(name) => Segment::Any(name.trim_end_matches('}').to_owned()),
            None => Segment::Literal(segment.to_owned()),
        });
        Pattern { text: text.to_owned(), segments: segments.collect(), rest: body.is_some() }
    }

    fn check(patterns: &[&str], path: &str, expect: &[&str]) {
        let parsed: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
        let found = Tree::build(parsed.iter().map(|pattern| (pattern, 0))).find(path);
        let texts: Vec<_> = found.matching.iter().map(|route| patterns[*route]).collect();
        assert_eq!(texts, expect, "{path}");
    }

    #[test]
    fn every_match_counts_the_most_specific_last() {
        let routes = ["/admin/stats", "/**", "/admin/**", "/{x}/stats", "/admin/{x}"];
        check(&routes, "/admin/stats", &["/**", "/{x}/stats", "/admin/**", "/admin/{x}", "/admin/stats"]);
        check(&routes, "/admin", &["/**", "/admin/**"]);
        check(&routes, "/admin/", &["/**", "/admin/**"]);
        check(&routes, "/", &["/**"]);
        check(&["/orders/{id}"], "/orders/", &[]);
        check(&["/"], "/", &["/"]);
    }

    #[test]
    fn a_path_that_differs_only_in_case_is_noticed() {
        let parsed = [pattern("/admin/**"), pattern("/**")];
        let found = Tree::build(parsed.iter().map(|pattern| (pattern, 0))).find("/Admin/x");
        assert_eq!((found.matching, found.but_for_case), (vec![1], Some(0)));
    }

    proptest! {
        /// The twin: each pattern on its own, segment by segment.
        #[test]
        fn finds_what_one_by_one_matching_finds(
            patterns in proptest::collection::hash_set("(/(a|b|\\{x\\})){0,4}(/\\*\\*)?", 1..12),
            path in "(/(a|b|c)){0,5}/?",
        ) {
            let path = if path.is_empty() { "/".to_owned() } else { path };
            let patterns: Vec<Pattern> = patterns.iter().map(|text| pattern(text)).collect();
            let tree = Tree::build(patterns.iter().map(|pattern| (pattern, 0)));
            let mut found = tree.find(&path).matching;
            found.sort_unstable();
            let naive = |pattern: &Pattern| {
                let segments: Vec<&str> = if path == "/" { vec![] } else { path.split('/').skip(1).collect() };
                let fits = pattern.segments.iter().zip(&segments).all(|(wanted, got)| match wanted {
                    Segment::Literal(literal) => literal == got,
                    Segment::Any(_) => !got.is_empty(),
                });
                let length = pattern.segments.len();
                fits && if pattern.rest { segments.len() >= length } else { segments.len() == length }
            };
            let expect: Vec<usize> = (0..patterns.len()).filter(|route| naive(&patterns[*route])).collect();
            prop_assert_eq!(found, expect);
        }
    }
}
