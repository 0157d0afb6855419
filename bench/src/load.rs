//! Making calls, on the core that the proxy does not have.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::group::Cores;
use crate::peers::Side;

const SCRIPT: &str = include_str!("../load/calls.lua");

/// What a load does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) path: &'static str,
    /// Every so manieth call has a key that is nobody's; 0 for never. Only on sides with keys.
    pub(crate) bad_every: u32,
}

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
    pub(crate) const PLAIN: Load = Load { connections: 64, path: "/books/1", bad_every: 0 };

    /// Calls `side` for so long without a pause between calls.
    ///
    /// # Errors
    /// wrk could not be run, or did not end well.
    pub(crate) fn saturate(self, side: &Side, folder: &Path, time: Duration) -> Result<Outcome> {
        let script = folder.join("calls.lua");
        std::fs::write(&script, SCRIPT).context("writing the load's script")?;
        let keys = side.keys.as_ref().map_or_else(|| "-".to_owned(), |keys| keys.file.display().to_string());
        let bad_every = if side.keys.is_some() { self.bad_every } else { 0 };
        let mut wrk = Cores::Load.command(Path::new("wrk"));
        wrk.args(["-t1", &format!("-c{}", self.connections), &format!("-d{}s", time.as_secs().max(1))]);
        wrk.args(["--timeout", "10s", "-s"]).arg(&script).arg(side.url("")).arg("--");
        wrk.args([&keys, &bad_every.to_string(), self.path]).stdin(Stdio::null());
        Outcome::of_wrk(&said(&mut wrk)?)
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

    pub(crate) fn calls_per_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
        let calls = self.calls as f64;
        calls / self.seconds
    }
}
