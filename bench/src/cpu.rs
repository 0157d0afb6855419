//! What a group of processes has spent of a processor.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Nanoseconds of a tick in `/proc/PID/stat`. Linux reports 100 ticks a second to user space on every architecture we run on.
const TICK_NS: u64 = 10_000_000;
/// nginx and Callgate write what is left of their log buffers within a second; what that costs belongs to the calls.
const SETTLE_MIN: Duration = Duration::from_millis(1200);
const SETTLE_MAX: Duration = Duration::from_secs(15);
/// A group is idle when it spends less than half a percent of a core.
const IDLE_STEP: Duration = Duration::from_millis(200);
const IDLE_NS: u64 = 1_000_000;

/// User and system time of every process of a group, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent(BTreeMap<u32, Process>);

#[derive(Debug, Clone, Default)]
struct Process {
    /// By thread: nanoseconds on a core, user and system, from `schedstat`.
    threads_ns: BTreeMap<u32, u64>,
    /// Of all threads, those that ended included, but only in ticks of 10 ms.
    ticks: u64,
}

/// The processes of a group, by their ids.
pub(crate) fn processes(group: u32) -> Vec<u32> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| fields(*pid).is_some_and(|fields| fields.group == group))
        .collect()
}

/// Resident memory of a group in bytes, with pages that several processes share counted once (`Pss`).
pub(crate) fn memory_bytes(group: u32) -> u64 {
    let of = |pid: u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()
    };
    processes(group).into_iter().filter_map(of).sum::<u64>() * 1024
}

/// Waits until the group does nothing any more, so that work put off is counted too.
pub(crate) fn settle(group: u32) {
    thread::sleep(SETTLE_MIN);
    let end = Instant::now() + SETTLE_MAX;
    let mut before = Spent::of(group);
    while Instant::now() < end {
        thread::sleep(IDLE_STEP);
        let now = Spent::of(group);
        if now.since_ns(&before) < IDLE_NS {
            return;
        }
        before = now;
    }
}

struct Fields {
    group: u32,
    ticks: u64,
}

/// `/proc/PID/stat`, whose second field is the program's name in brackets and may itself hold brackets and spaces.
fn fields(pid: u32) -> Option<Fields> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut rest = rest.split_ascii_whitespace();
    let group = rest.nth(2)?.parse().ok()?;
    // Fields 14 and 15 of proc(5); the group was the fifth.
    let user: u64 = rest.nth(8)?.parse().ok()?;
    let system: u64 = rest.next()?.parse().ok()?;
    Some(Fields { group, ticks: user + system })
}

// === impl Spent ===

impl Spent {
    pub(crate) fn of(group: u32) -> Spent {
        let one = |pid: u32| {
            let ticks = fields(pid)?.ticks;
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
            let threads_ns = tasks
                .filter_map(|task| {
                    let task = task.ok()?;
                    let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
                    let spent = text.split_ascii_whitespace().next()?.parse().ok()?;
                    Some((task.file_name().to_str()?.parse().ok()?, spent))
                })
                .collect();
            Some((pid, Process { threads_ns, ticks }))
        };
        Spent(processes(group).into_iter().filter_map(one).collect())
    }

    /// Nanoseconds spent between the two.
    pub(crate) fn since_ns(&self, before: &Spent) -> u64 {
        let none = Process::default();
        self.0.iter().map(|(pid, now)| now.since_ns(before.0.get(pid).unwrap_or(&none))).sum()
    }
}

// === impl Process ===

impl Process {
    fn since_ns(&self, before: &Process) -> u64 {
        // A thread that ended took its nanoseconds along; the ticks of the process still have them.
        if before.threads_ns.keys().any(|thread| !self.threads_ns.contains_key(thread)) {
            return self.ticks.saturating_sub(before.ticks) * TICK_NS;
        }
        let one = |(thread, now): (&u32, &u64)| now.saturating_sub(before.threads_ns.get(thread).copied().unwrap_or(0));
        self.threads_ns.iter().map(one).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(threads: &[(u32, u64)], ticks: u64) -> Process {
        Process { threads_ns: threads.iter().copied().collect(), ticks }
    }

    #[test]
    fn threads_that_came_count_and_those_that_went_are_found_in_the_ticks() {
        let before = process(&[(1, 100), (2, 50)], 10);
        assert_eq!(process(&[(1, 150), (2, 50), (3, 7)], 10).since_ns(&before), 57);
        assert_eq!(process(&[(1, 150)], 13).since_ns(&before), 30_000_000);
    }

    #[test]
    fn this_process_is_found_in_its_group() {
        let own = std::process::id();
        let group = fields(own).unwrap().group;
        assert!(processes(group).contains(&own));
        assert!(Spent::of(group).since_ns(&Spent::default()) > 0);
    }
}
