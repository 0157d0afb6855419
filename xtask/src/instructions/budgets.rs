//! The file of budgets: `name = instructions` a line, with the reason of a raised one behind a `#`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Where it is.
pub(crate) const FILE: &str = "bench/hot/budgets.toml";

/// Instructions per operation, by the operation's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Budgets(pub(crate) BTreeMap<String, u64>);

// === impl Budgets ===

impl Budgets {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or a line is no budget.
    pub(crate) fn read() -> Result<Budgets> {
        let text = std::fs::read_to_string(shell::root().join(FILE)).with_context(|| format!("reading {FILE}"))?;
        Budgets::parse(&text)
    }

    fn parse(text: &str) -> Result<Budgets> {
        let mut budgets = BTreeMap::new();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                bail!("{FILE}: `{line}` is no budget: write `name = instructions`");
            };
            let number = rest.split('#').next().unwrap_or("").trim();
            let Ok(number @ 1..) = number.parse() else {
                bail!("{FILE}: `{number}` is no number of instructions, in `{line}`");
            };
            if budgets.insert(name.trim().to_owned(), number).is_some() {
                bail!("{FILE}: `{}` has two budgets", name.trim());
            }
        }
        Ok(Budgets(budgets))
    }

    /// Shows them as lines of the file.
    pub(crate) fn print(&self) {
        println!();
        for (name, count) in &self.0 {
            println!("{name} = {count}");
        }
    }

    /// Takes these over into the file: its numbers are replaced, and nothing that is written around them.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub(crate) fn write(self) -> Result<()> {
        let path = shell::root().join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
        std::fs::write(&path, self.into_text(&text)).with_context(|| format!("writing {FILE}"))
    }

    fn into_text(mut self, before: &str) -> String {
        let mut after = String::new();
        for line in before.lines() {
            let name = line.split('=').next().unwrap_or("").trim();
            let count = self.0.remove(name);
            match count.zip(line.split_once('#')) {
                Some((count, (_, reason))) => after.push_str(&format!("{name} = {count} #{reason}\n")),
                None => match count {
                    Some(count) => after.push_str(&format!("{name} = {count}\n")),
                    None => after.push_str(&format!("{line}\n")),
                },
            }
        }
        after.extend(self.0.into_iter().map(|(name, count)| format!("{name} = {count}\n")));
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Why.\n\nkey = 7000\ncall = 90000 # two hashes since the rotation\n";

    #[test]
    fn a_file_is_read_and_its_mistakes_are_named() {
        let budgets = Budgets::parse(TEXT).unwrap();
        assert_eq!(budgets.0, [("call".to_owned(), 90_000), ("key".to_owned(), 7_000)].into());
        for broken in ["key", "key = many", "key = 0", "key = 1\nkey = 2"] {
            let error = Budgets::parse(broken).unwrap_err().to_string();
            assert!(error.contains("key") || error.contains("many"), "{error}");
        }
    }

    #[test]
    fn new_counts_leave_the_reasons() {
        let counts = [("call", 80_000), ("head", 5_000), ("key", 6_000)].map(|(name, count)| (name.to_owned(), count));
        let text = Budgets(counts.into()).into_text(TEXT);
        assert_eq!(text, "# Why.\n\nkey = 6000\ncall = 80000 # two hashes since the rotation\nhead = 5000\n");
    }
}
