//! The machine and the moment, for whoever reads the table later.

use std::fs;
use std::process::Command;

/// What a table says of where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// `2026-11-25`, UTC.
    pub(crate) date: String,
    /// Programs and their versions.
    pub(crate) versions: Vec<String>,
}

// === impl Machine ===

impl Machine {
    pub(crate) fn here(callgate: &std::path::Path) -> Machine {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().trim_end_matches(" kB").parse().ok());
        let versions = [
            first_line(Command::new(callgate).arg("--version")),
            first_line(Command::new("/usr/sbin/nginx").arg("-v")),
            first_line(Command::new("wrk").arg("-v")),
        ];
        Machine {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_gib: kib.unwrap_or(0u64).div_ceil(1024 * 1024),
            kernel: first_line(Command::new("uname").arg("-sr")).unwrap_or_default(),
            date: first_line(Command::new("date").args(["-u", "+%F"])).unwrap_or_default(),
            versions: versions.into_iter().flatten().collect(),
        }
    }
}

/// Some programs tell their version on standard output, others on standard error, and some then exit with 1.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned())
}
