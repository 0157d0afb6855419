//! Which functions the instructions of one operation are in.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Counted;
use crate::shell;

/// Functions that are shown.
const SHOWN: usize = 40;

/// Prints the functions with the most instructions of their own, what they call left out. Setup is not in it: it is the
/// difference of the two runs, as the count is.
///
/// # Errors
/// callgrind_annotate failed.
pub(crate) fn print(times: u64, counted: &Counted) -> Result<()> {
    let [once, twice] = &counted.files;
    let before = functions(once)?;
    let mut each: Vec<(u64, String)> = functions(twice)?
        .into_iter()
        .map(|(function, count)| (count.saturating_sub(before.get(&function).copied().unwrap_or(0)) / times, function))
        .collect();
    each.sort_by(|left, right| right.cmp(left));
    println!("{:>8}  instructions of one operation", counted.each);
    for (count, function) in each.iter().take(SHOWN).filter(|(count, _)| *count > 0) {
        println!("{count:>8}  {:>4.1} %  {function}", percent(*count, counted.each));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn functions(file: &Path) -> Result<HashMap<String, u64>> {
    let mut annotate = Command::new("callgrind_annotate");
    let text = shell::output(annotate.args(["--threshold=100", "--auto=no"]).arg(file))?;
    let mut functions = HashMap::new();
    for (name, count) in text.lines().filter_map(function) {
        *functions.entry(name).or_insert(0) += count;
    }
    Ok(functions)
}

/// Reads ` 60,649,278 (10.36%)  FILE:FUNCTION [OBJECT]`.
fn function(line: &str) -> Option<(String, u64)> {
    let (count, rest) = line.trim_start().split_once(' ')?;
    let count = count.replace(',', "").parse().ok()?;
    let (_, place) = rest.split_once(")  ")?;
    let place = place.rsplit_once(" [").map_or(place, |(place, _)| place);
    // A function's own name may have colons; the name of the file before it, mostly `???`, has none.
    let (_, name) = place.split_once(':')?;
    Some((name.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_callgrind_annotate_are_read() {
        let line = " 7,066,592 ( 2.95%)  ???:callgate_wire::head::inspect [/a/release/hot]";
        assert_eq!(function(line), Some(("callgate_wire::head::inspect".to_owned(), 7_066_592)));
        assert_eq!(function("585,539,188 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(function("Ir                    file:function"), None);
    }
}
