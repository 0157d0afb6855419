//! Making calls, on the core that the proxy does not have.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::ground::Ground;
use crate::group::Cores;
use crate::peers::Side;

const SCRIPT: &str = include_str!("../load/calls.lua");

/// What a load does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) tool: Tool,
    pub(crate) connections: u32,
    pub(crate) path: &'static str,
    /// Above 0: so many paths in place of `path`, one for each route of the set-up.
    pub(crate) paths: u32,
    /// Above 0: calls post a body of so many bytes.
    pub(crate) post_bytes: u32,
    /// Every call on a connection of its own.
    pub(crate) close: bool,
    /// Every so manieth call has a key that is nobody's; 0 for never. Only on sides with keys.
    pub(crate) bad_every: u32,
    /// Beside those above: connections that make one call and then nothing.
    pub(crate) idle: u32,
    /// So many times within the load, the gate takes over a changed configuration.
    pub(crate) reloads: u32,
}

/// Which program makes the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// HTTP/1.1: each connection makes its next call when it has its answer.
    Wrk,
    /// HTTP/2: each connection has four calls under way.
    H2load,
    /// HTTP/1.1 in open loop: so many calls a second, whether answers come or not, and a late call is late from when it
    /// should have begun. All with one key.
    Oha { calls_per_s: u64 },
}

/// Calls under way on each HTTP/2 connection.
const STREAMS: u32 = 4;

/// What came of a load, as its client saw it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Calls with a whole answer.
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// Answers past 399.
    pub(crate) refused: u64,
    /// Connections that failed, and calls without an answer.
    pub(crate) broken: u64,
    /// Calls begun with a key that is nobody's; those under way at the end never were answered.
    pub(crate) sent_bad: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

// === impl Load ===

impl Load {
    pub(crate) const PLAIN: Load = Load {
        tool: Tool::Wrk,
        connections: 64,
        path: "/books/1",
        paths: 0,
        post_bytes: 0,
        close: false,
        bad_every: 0,
        idle: 0,
        reloads: 0,
    };

    /// Calls `side` for so long.
    ///
    /// # Errors
    /// The load could not be run, or did not end well.
    pub(crate) fn make(self, side: &Side, ground: &Ground, time: Duration) -> Result<Outcome> {
        let seconds = time.as_secs().max(1);
        match self.tool {
            Tool::Wrk => self.wrk(side, &ground.folder, seconds),
            Tool::H2load => self.h2load(side, seconds),
            Tool::Oha { calls_per_s } => self.oha(side, &ground.oha, calls_per_s, seconds),
        }
    }

    /// As many calls as may be under way when the load is cut off.
    pub(crate) fn under_way(self) -> u64 {
        u64::from(if self.tool == Tool::H2load { self.connections * STREAMS } else { self.connections })
    }

    fn wrk(self, side: &Side, folder: &Path, seconds: u64) -> Result<Outcome> {
        let script = folder.join("calls.lua");
        std::fs::write(&script, SCRIPT).context("writing the load's script")?;
        let keys = side.keys.as_ref().map_or_else(|| "-".to_owned(), |keys| keys.file.display().to_string());
        let bad_every = if side.keys.is_some() { self.bad_every } else { 0 };
        let numbers = [self.paths, self.post_bytes, u32::from(self.close)].map(|number| number.to_string());
        let mut wrk = Cores::Load.command(Path::new("wrk"));
        wrk.args(["-t1", &format!("-c{}", self.connections), &format!("-d{seconds}s")]);
        wrk.args(["--timeout", "10s", "-s"]).arg(&script).arg(side.url("")).arg("--");
        wrk.args([&keys, &bad_every.to_string(), self.path]).args(numbers).stdin(Stdio::null());
        Outcome::of_wrk(&said(&mut wrk)?)
    }

    fn h2load(self, side: &Side, seconds: u64) -> Result<Outcome> {
        let mut h2load = Cores::Load.command(Path::new("h2load"));
        h2load.args(["-t1", &format!("-c{}", self.connections), &format!("-m{STREAMS}"), &format!("-D{seconds}")]);
        h2load.args(["-H", "Accept: application/json"]).arg(side.url(self.path)).stdin(Stdio::null());
        Outcome::of_h2load(&said(&mut h2load)?)
    }

    fn oha(self, side: &Side, oha: &Path, calls_per_s: u64, seconds: u64) -> Result<Outcome> {
        let mut command = Cores::Load.command(oha);
        command.args(["--no-tui", "--output-format", "json", "--latency-correction"]);
        command.args([
            "-c",
            &self.connections.to_string(),
            "-q",
            &calls_per_s.to_string(),
            "-z",
            &format!("{seconds}s"),
        ]);
        if let Some(key) = side.keys.as_ref().and_then(|keys| keys.texts.first()) {
            command.args(["-H", &format!("X-API-Key: {key}")]);
        }
        command.args(["-H", "Accept: application/json"]).arg(side.url(self.path)).stdin(Stdio::null());
        Outcome::of_oha(&said(&mut command)?)
    }
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("running the load")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("the load ended with {}:\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

// === impl Outcome ===

impl Outcome {
    fn of_wrk(said: &str) -> Result<Outcome> {
        let line = said.lines().find_map(|line| line.strip_prefix("summary ")).context("wrk gave no summary")?;
        let summary: Value = serde_json::from_str(line).context("reading wrk's summary")?;
        let one = |name: &str| summary.get(name).and_then(Value::as_u64).with_context(|| format!("no {name}"));
        let real = |name: &str| summary.get(name).and_then(Value::as_f64).with_context(|| format!("no {name}"));
        Ok(Outcome {
            calls: one("calls")?,
            seconds: real("us")? / 1e6,
            refused: one("refused")?,
            broken: one("broken")?,
            sent_bad: one("sent_bad")?,
            p50_us: real("p50_us")?,
            p99_us: real("p99_us")?,
        })
    }

    /// `requests: 95 total, 96 started, 95 done, 94 succeeded, 1 failed, 0 errored, 0 timeout`, and above it
    /// `finished in 3.00s, …`. It tells no quantiles.
    fn of_h2load(said: &str) -> Result<Outcome> {
        let line = |start: &str| {
            said.lines().find_map(|line| line.strip_prefix(start)).with_context(|| format!("h2load told no `{start}`"))
        };
        let requests = line("requests: ")?;
        let one = |name: &str| -> Result<u64> {
            let part = requests.split(", ").find_map(|part| part.trim().strip_suffix(name));
            part.and_then(|number| number.trim().parse().ok())
                .with_context(|| format!("h2load told no {name}: {requests}"))
        };
        let seconds = line("finished in ")?.split('s').next().and_then(|seconds| seconds.parse().ok());
        let refused: u64 = ["4xx", "5xx"]
            .iter()
            .filter_map(|class| {
                let part = line("status codes: ").ok()?.split(", ").find_map(|part| part.trim().strip_suffix(class))?;
                part.trim().parse::<u64>().ok()
            })
            .sum();
        Ok(Outcome {
            calls: one("succeeded")? + refused,
            seconds: seconds.context("h2load told no time")?,
            refused,
            broken: one("errored")? + one("timeout")?,
            sent_bad: 0,
            p50_us: f64::NAN,
            p99_us: f64::NAN,
        })
    }

    fn of_oha(said: &str) -> Result<Outcome> {
        let told: Value = serde_json::from_str(said).context("reading what oha told")?;
        let real =
            |place: &str| told.pointer(place).and_then(Value::as_f64).with_context(|| format!("oha told no {place}"));
        let count = |place: &str, take: fn(&str) -> bool| -> u64 {
            let counts = told.pointer(place).and_then(Value::as_object);
            counts.into_iter().flatten().filter(|(name, _)| take(name)).filter_map(|(_, count)| count.as_u64()).sum()
        };
        Ok(Outcome {
            calls: count("/statusCodeDistribution", |_| true),
            seconds: real("/summary/total")?,
            refused: count("/statusCodeDistribution", |status| !status.starts_with(['2', '3'])),
            // What is under way at the end is given up, and that is no fault.
            broken: count("/errorDistribution", |error| !error.contains("deadline")),
            sent_bad: 0,
            p50_us: real("/latencyPercentiles/p50")? * 1e6,
            p99_us: real("/latencyPercentiles/p99")? * 1e6,
        })
    }

    pub(crate) fn calls_per_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
        let calls = self.calls as f64;
        calls / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2load_is_read() {
        let said = "finished in 3.02s, 31882.67 req/s, 4.21MB/s\n\
            requests: 95648 total, 95712 started, 95648 done, 95640 succeeded, 8 failed, 0 errored, 0 timeout\n\
            status codes: 95640 2xx, 0 3xx, 8 4xx, 0 5xx\n";
        let outcome = Outcome::of_h2load(said).unwrap();
        assert_eq!((outcome.calls, outcome.refused, outcome.broken), (95_648, 8, 0));
        assert!((outcome.seconds - 3.02).abs() < 1e-9);
    }

    #[test]
    fn oha_is_read() {
        let said = r#"{"summary":{"total":2.0},"latencyPercentiles":{"p50":0.0002,"p99":0.001},
            "statusCodeDistribution":{"200":90,"429":10},"errorDistribution":{"aborted due to deadline":64,"refused":1}}"#;
        let outcome = Outcome::of_oha(said).unwrap();
        assert_eq!((outcome.calls, outcome.refused, outcome.broken), (100, 10, 1));
        assert!((outcome.p99_us - 1000.0).abs() < 1e-6);
    }
}
