//! The option that somebody probably meant.

/// The candidate with the fewest letters to change, or nothing when that would be half of them or more.
pub(super) fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, near) =
        candidates.map(|candidate| (distance(typed, candidate), candidate)).min_by_key(|(distance, _)| *distance)?;
    let letters = typed.trim_start_matches('-').chars().count();
    (distance * 2 <= letters && letters > 1).then_some(near)
}

/// Levenshtein's: letters to add, drop or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // The row of the table for the letters of `one` that were seen; its last place is the answer.
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for letter in one.chars() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = row.first().map_or(0, |first| first + 1);
        next.push(left);
        for ((above_left, above), opposite) in row.iter().zip(row.iter().skip(1)).zip(&other) {
            left = (above_left + usize::from(letter != *opposite)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_is_found_and_nothing_far() {
        let known = ["--insecure", "--include", "--json"];
        for (typed, expect) in [
            ("--insecur", Some("--insecure")),
            ("--inclued", Some("--include")),
            ("--jsno", Some("--json")),
            ("--frobnicate", None),
            ("-Q", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), expect, "{typed}");
        }
    }
}
