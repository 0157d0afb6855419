//! Instruction counts of the gate's hot functions, held to `bench/hot/budgets.toml`.
//!
//! `hot NAME N` does N operations. Callgrind counts a run with N and one with 2N: the difference is N operations without
//! the setup. Counts need no quiet machine and hardly differ between runs, so they see what a clock can't; what they don't see
//! is the cache, and the kernel.

mod budgets;
mod profile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{shell, tools};
use budgets::Budgets;

/// Past this, in hundredths of the budget, a count fails. Runs of one build differ by less than 1, those of `record` by 4:
/// how often the recorder looks depends on how busy the machine is.
const OVER_PERCENT: u64 = 5;
/// And not before it is so many instructions. A change in another function of `hot` was seen to move `limit` from 533 to
/// 603: what the compiler inlines into a loop hangs on what stands beside it.
const OVER_LEAST: u64 = 100;
/// Below this, the budget has become too wide to guard anything.
const UNDER_PERCENT: u64 = 10;

/// An operation of `hot`.
struct Operation {
    name: String,
    /// How many are counted.
    times: u64,
}

/// The two runs of an operation.
struct Counted {
    /// Instructions of one operation.
    each: u64,
    /// Callgrind's files, of N operations and of 2N.
    files: [PathBuf; 2],
}

/// `cargo xtask test instructions`: every count within its budget.
///
/// # Errors
/// Every function that is over its budget, that has none, or whose budget is of nothing.
pub(crate) fn run() -> Result<()> {
    tools::programs()?;
    if !is_countable() {
        println!("not counted: the budgets are of x86-64 with AVX2, and this is another processor");
        return Ok(());
    }
    let budgets = Budgets::read()?;
    let mut counts = count_all()?;
    let mut wrong = Vec::new();
    for (name, budget) in &budgets.0 {
        match counts.remove(name) {
            Some(count) => wrong.extend(judge(name, count, *budget)),
            None => wrong.push(format!("`{name}` has a budget, but `hot` has no such operation: take the line out")),
        }
    }
    wrong.extend(counts.into_iter().map(|(name, count)| format!("`{name}` has no budget: add `{name} = {count}`")));
    if !wrong.is_empty() {
        bail!("{} budgets in {}:\n  {}", wrong.len(), budgets::FILE, wrong.join("\n  "));
    }
    Ok(())
}

/// `cargo xtask budgets`: prints the counts; with `--write` it takes them over as budgets; with `--profile NAME` it says
/// which functions the instructions of one operation are in.
///
/// # Errors
/// The words are none of these, or a run failed.
pub(crate) fn budgets(words: &[&str]) -> Result<bool> {
    tools::programs()?;
    match words {
        [] => Budgets(count_all()?).print(),
        ["--write"] => Budgets(count_all()?).write()?,
        ["--profile", name] => {
            let operations = build()?;
            let Some(operation) = operations.iter().find(|operation| operation.name == *name) else {
                let names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
                bail!("`hot` has no operation `{name}`, but {}", names.join(", "));
            };
            profile::print(operation.times, &count(operation)?)?;
        }
        _ => bail!(
            "`cargo xtask budgets` prints the counts; `--write` keeps them, `--profile NAME` shows where they are"
        ),
    }
    Ok(true)
}

/// What is wrong with a count, if anything is; a budget that is too wide is only spoken of.
fn judge(name: &str, count: u64, budget: u64) -> Option<String> {
    if count > budget + (budget * OVER_PERCENT / 100).max(OVER_LEAST) {
        let over = (count - budget) * 100 / budget.max(1);
        return Some(format!(
            "`{name}` takes {count} instructions, {over} % over its budget of {budget}: make it cheaper (`cargo xtask \
             budgets --profile {name}` shows where they are), or raise the budget and say why beside it"
        ));
    }
    if count * 100 < budget * (100 - UNDER_PERCENT) {
        println!("note: `{name}` takes {count} instructions, far below its budget of {budget}: lower the budget");
    }
    None
}

/// Counts every operation, and prints each.
fn count_all() -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for operation in build()? {
        let counted = count(&operation)?;
        println!("{:<16} {:>8} instructions", operation.name, counted.each);
        counts.insert(operation.name, counted.each);
    }
    Ok(counts)
}

/// Builds `hot` as the shipped program is built, link-time optimisation included: without it, counts would be of calls
/// between crates that no user ever runs. Says what it can do.
fn build() -> Result<Vec<Operation>> {
    shell::run(&mut shell::cargo(&["build", "--release", "--locked", "-p", "callgate-hot"]))?;
    let list = shell::output(&mut Command::new(program()))?;
    list.lines().map(Operation::parse).collect()
}

fn program() -> PathBuf {
    shell::target().join("release/hot")
}

/// Counts one operation, in two runs at once.
fn count(operation: &Operation) -> Result<Counted> {
    let folder = shell::target().join("hot");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let files = [1, 2].map(|runs| folder.join(format!("{}.{runs}.callgrind", operation.name)));
    let [once, twice] = &files;
    let first = start(operation, operation.times, once)?;
    let second = start(operation, operation.times * 2, twice)?;
    finish(operation, first)?;
    finish(operation, second)?;
    let (less, more) = (total(once)?, total(twice)?);
    let Some(difference) = more.checked_sub(less) else {
        bail!("`{}` takes fewer instructions for 2N than for N: {more} and {less}", operation.name);
    };
    Ok(Counted { each: difference / operation.times, files })
}

fn start(operation: &Operation, times: u64, into: &Path) -> Result<Child> {
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(into);
    let mut command = Command::new("valgrind");
    // Fair: valgrind runs one thread at a time, and the recorder's would else wait until its queues run over.
    command.args(["--tool=callgrind", "--fair-sched=yes"]).arg(file);
    command.arg(program()).args([operation.name.clone(), times.to_string()]);
    // Callgrind counts each byte that `rep movsb` moves as an instruction; the C library's vector loops are counted as
    // what they cost.
    let never = 1 << 30;
    let tunables = format!("glibc.cpu.x86_rep_movsb_threshold={never}:glibc.cpu.x86_rep_stosb_threshold={never}");
    command.env("GLIBC_TUNABLES", tunables).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().context("starting valgrind")
}

fn finish(operation: &Operation, run: Child) -> Result<()> {
    let output = run.wait_with_output().context("waiting for valgrind")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // Valgrind begins its own lines with its process id.
        let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("==")).collect();
        bail!("`hot {}` under valgrind ended with {}:\n{}", operation.name, output.status, said.join("\n"));
    }
    Ok(())
}

/// The instructions of a whole run.
fn total(file: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).with_context(|| format!("{} has no totals", file.display()))
}

/// Vector widths are chosen when the program runs: on another processor it is another program. Newer ones than AVX2 don't
/// matter, because valgrind hides what it doesn't know.
fn is_countable() -> bool {
    #[cfg(target_arch = "x86_64")]
    let countable = std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let countable = false;
    countable
}

// === impl Operation ===

impl Operation {
    /// Reads a line of `hot`'s list: the name, how many, what it is.
    fn parse(line: &str) -> Result<Operation> {
        let mut words = line.split_whitespace();
        let name = words.next().map(str::to_owned);
        let times = words.next().and_then(|times| times.parse().ok());
        let (Some(name), Some(times @ 1..)) = (name, times) else { bail!("`hot` lists `{line}`, which has no N") };
        Ok(Operation { name, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_is_wrong_and_within_is_not() {
        assert_eq!(judge("call", 10_500, 10_000), None);
        assert_eq!(judge("call", 8_000, 10_000), None, "a budget that is too wide is only spoken of");
        let wrong = judge("call", 10_501, 10_000).unwrap();
        assert!(wrong.contains("`call`") && wrong.contains("10501") && wrong.contains("10000"), "{wrong}");
        assert_eq!(judge("limit", 600, 500), None);
        assert!(judge("limit", 601, 500).is_some());
    }

    #[test]
    fn operations_are_read_from_the_list() {
        let operation = Operation::parse("call             2000  a whole call").unwrap();
        assert_eq!((operation.name.as_str(), operation.times), ("call", 2_000));
        assert!(Operation::parse("call  0  none").is_err() && Operation::parse("call").is_err());
    }
}
