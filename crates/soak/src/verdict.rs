//! What is held against the gate at the end.

use std::fmt;
use std::time::{Duration, Instant};

use callgate_testkit::{TestGate, tools};

use crate::callers::COUNTED;
use crate::counters::{CONFIGURATIONS, Counts, LOST};
use crate::ground::{Ground, LIMIT_PER_S};
use crate::process;
use crate::tally::Tally;

const MIB: u64 = 1 << 20;
/// What memory may grow by, from the second quarter of the time to the last: names and cells that are seen for the first
/// time, and what an allocator keeps. A leak of a kilobyte a reload is past this after an hour.
const GROWTH_MAX: u64 = 8 * MIB;
/// Descriptors that may be open beside those before the first call: idle connections to upstreams that were used just now.
const DESCRIPTORS_MAX: usize = 32;
/// How long what the last calls left may take to be recorded, and to be let go.
const WITHIN: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Which process served, and its bytes of memory, once a second.
    samples: Vec<(u32, u64)>,
    descriptors_before: usize,
    told: Vec<String>,
    wrong: Vec<String>,
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn before(ground: &Ground) -> Verdict {
        let descriptors_before = process::descriptors(ground.process());
        Verdict { samples: Vec::new(), descriptors_before, told: Vec::new(), wrong: Vec::new() }
    }

    /// Looks at the process, once a second.
    pub(crate) fn sample(&mut self, ground: &Ground) {
        let process = ground.process();
        self.samples.push((process, process::memory(process)));
    }

    pub(crate) fn memory_mib(&self) -> u64 {
        self.samples.last().map_or(0, |(_, bytes)| bytes / MIB)
    }

    pub(crate) fn holds(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Looks at what is left when all callers have gone, and ends the gate.
    pub(crate) fn after(&mut self, ground: Ground, tally: &Tally) {
        let counts: Vec<String> = tally.counts().iter().map(|(what, count)| format!("{what} {count}")).collect();
        self.told.push(format!("in all: {}", counts.join(", ")));
        let (failed, told) = tally.failures();
        self.told.push(format!("failed calls: {failed}"));
        if failed > 0 {
            self.wrong.push(format!("{failed} calls failed, the first of them:\n  {}", told.join("\n  ")));
        }
        self.hold_limit(tally);
        self.hold_memory();
        self.hold_replaced(&ground, tally);
        self.hold_records(&ground, tally);
        self.hold_descriptors(&ground);
        self.hold_end(ground.into_gate());
    }

    /// Every process that another one took the place of has ended well. First, because it writes its last usage when it ends.
    fn hold_replaced(&mut self, ground: &Ground, tally: &Tally) {
        for mut program in ground.replaced() {
            let (id, ended) = (program.id(), program.wait());
            self.hold_said(&format!("process {id}, which was replaced"), ended.code(), &program.lines().join("\n"));
        }
        if tally.count("upgrade") == 0 {
            self.wrong.push("there was no upgrade".to_owned());
        }
    }

    fn hold_end(&mut self, mut gate: TestGate) {
        let code = gate.terminate();
        self.hold_said("the gate", code, &gate.said());
    }

    fn hold_said(&mut self, who: &str, code: Option<i32>, said: &str) {
        if code != Some(0) || said.contains("panicked") || said.contains("defect") {
            self.wrong.push(format!("{who} ended with {code:?}:\n{said}"));
        }
    }

    /// Never more than the burst and what the time came to, however often the file changed; each new process begins with a burst.
    fn hold_limit(&mut self, tally: &Tally) {
        let (passed, seconds) = (tally.of("let through"), tally.elapsed().as_secs() + 1);
        let most = LIMIT_PER_S * (seconds + 1 + tally.count("upgrade"));
        self.told.push(format!("let through a limit of {LIMIT_PER_S}/s: {passed} of at most {most} in {seconds} s"));
        if passed > most || passed == 0 {
            self.wrong.push(format!("{passed} calls were let through a limit, {most} may have been"));
        }
    }

    /// Of the process that served longest.
    fn hold_memory(&mut self) {
        let served = |process: u32| self.samples.iter().filter(move |sample| sample.0 == process);
        let longest = self.samples.iter().max_by_key(|sample| served(sample.0).count()).map_or(0, |sample| sample.0);
        let samples: Vec<u64> = served(longest).map(|sample| sample.1).collect();
        let quarter = samples.len() / 4;
        let middle = |from: usize| {
            let mut part = samples.get(from..from + quarter).unwrap_or_default().to_vec();
            part.sort_unstable();
            part.get(part.len() / 2).copied().unwrap_or(0)
        };
        let (early, late) = (middle(quarter), middle(samples.len() - quarter));
        let half = (samples.len() as u64 / 2).max(1);
        // From the middle of the second quarter to the middle of the last: half of the time.
        let slope = (i128::from(late) - i128::from(early)) * 60 / i128::from(half) / 1024;
        let most = self.samples.iter().map(|sample| sample.1).max().unwrap_or(0) / MIB;
        let (early_mib, late_mib) = (early / MIB, late / MIB);
        self.told.push(format!(
            "memory of the process that served longest ({} s): {early_mib} MiB, later {late_mib} MiB; {slope} KiB a minute; of any at \
             most {most} MiB",
            samples.len()
        ));
        if late > early + GROWTH_MAX {
            self.wrong.push(format!("memory grew from {early_mib} MiB to {late_mib} MiB"));
        }
    }

    /// Every call that a caller counts has its record, by whichever process, and nothing was lost.
    fn hold_records(&mut self, ground: &Ground, tally: &Tally) {
        let expected: u64 = COUNTED.iter().map(|kind| tally.of(kind)).sum();
        let start = Instant::now();
        let mut counted = 0;
        while start.elapsed() < WITHIN {
            counted = usage(ground, "steady") + usage(ground, "books");
            if counted >= expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let failed = tally.failures().0;
        self.told.push(format!("usage of the APIs `steady` and `books`: {counted} of {expected} calls"));
        if counted < expected || counted > expected + failed {
            self.wrong.push(format!("{expected} calls have {counted} records"));
        }
        let counts = ground.before.and(&Counts::now(ground.health));
        for name in LOST {
            let lost = counts.of(name);
            if lost > 0 {
                self.wrong.push(format!("{name} is {lost}"));
            }
        }
        let (taken, written) = (counts.of(CONFIGURATIONS), tally.count("reload"));
        self.told.push(format!("configurations taken: {taken} of {written} files written"));
        // A busy machine takes two changes at once now and then, and every tenth is a mistake.
        if taken < written / 4 {
            self.wrong.push(format!("only {taken} of {written} changed files were taken:\n{}", ground.gate().said()));
        }
    }

    /// What was opened for callers is closed when they are gone.
    fn hold_descriptors(&mut self, ground: &Ground) {
        let most = self.descriptors_before + DESCRIPTORS_MAX;
        let start = Instant::now();
        let mut left = process::descriptors(ground.process());
        while left > most && start.elapsed() < WITHIN {
            std::thread::sleep(Duration::from_millis(100));
            left = process::descriptors(ground.process());
        }
        self.told.push(format!("open descriptors: {} before, {left} after", self.descriptors_before));
        if left > most {
            self.wrong.push(format!("{left} descriptors are open, {} were before", self.descriptors_before));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.told {
            writeln!(formatter, "{line}")?;
        }
        for line in &self.wrong {
            writeln!(formatter, "WRONG: {line}")?;
        }
        writeln!(formatter, "verdict: {}", if self.holds() { "it holds" } else { "it does not hold" })
    }
}

/// Calls of an API, as they are in the store: what every process of the gate has seen.
fn usage(ground: &Ground, api: &str) -> u64 {
    let socket = ground.gate().folder().join("callgate-data/admin/sock").display().to_string();
    let url = format!("http://localhost/v1/usage?api={api}&since=1000h");
    let page = tools::curl(&["--unix-socket", &socket, &url]);
    let rows = page.json();
    let rows = rows.get("rows").and_then(|rows| rows.as_array()).cloned().unwrap_or_default();
    rows.iter().filter_map(|row| row.get("count")?.as_u64()).sum()
}
