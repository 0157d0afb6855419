//! The machine and the moment, for whoever reads the table later.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::options::Options;

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
    pub(crate) fn here(options: &Options) -> Machine {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().trim_end_matches(" kB").parse().ok());
        let envoy = options.envoy.as_deref().unwrap_or(Path::new("no-envoy"));
        let programs = [
            ("callgate", &*options.callgate, "--version"),
            ("nginx", Path::new("/usr/sbin/nginx"), "-v"),
            ("haproxy", Path::new("/usr/sbin/haproxy"), "-v"),
            ("envoy", envoy, "--version"),
            ("wrk", Path::new("wrk"), "-v"),
            ("h2load", Path::new("h2load"), "--version"),
            ("oha", &*options.oha, "--version"),
        ];
        let versions = programs.iter().filter_map(|(name, program, word)| {
            Some(format!("{name} {}", version(&said(Command::new(program).arg(word))?)?))
        });
        Machine {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_gib: kib.unwrap_or(0u64).div_ceil(1024 * 1024),
            kernel: first_line(Command::new("uname").arg("-sr")).unwrap_or_default(),
            date: first_line(Command::new("date").args(["-u", "+%F"])).unwrap_or_default(),
            versions: versions.collect(),
        }
    }
}

/// How many files a program that is started here may have open; none where the system does not say.
pub(crate) fn files_max() -> Option<u32> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Some programs tell their version on standard output, others on standard error, and some then exit with 1.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn first_line(command: &mut Command) -> Option<String> {
    said(command)?.lines().next().map(|line| line.trim().to_owned())
}

/// The first three numbers with points between them.
fn version(said: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| !part.is_empty())
    };
    said.split(|letter: char| !letter.is_ascii_digit() && letter != '.').find(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        assert_eq!(version("nginx version: nginx/1.22.1"), Some("1.22.1"));
        assert_eq!(version("\nlib/python3.11/envoy  version: 9e55/1.40.0/Clean/RELEASE"), Some("1.40.0"));
        assert_eq!(version("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012"), Some("4.1.0"));
        assert_eq!(version("none"), None);
    }
}
