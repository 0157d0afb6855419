//! Programs that the bench starts: each in a process group of its own, on one core, ended with the bench.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// Which cores a program may run on, as `taskset` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// The one of the proxy that is measured, with all of its threads.
    Proxy,
    /// The other one: load and upstream.
    Load,
    /// Both: for a proxy with two workers.
    Both,
}

/// A running program with its children.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
}

// === impl Cores ===

impl Cores {
    pub(crate) fn list(self) -> &'static str {
        match self {
            Cores::Proxy => "0",
            Cores::Load => "1",
            Cores::Both => "0,1",
        }
    }

    /// The program, bound to these cores.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", self.list()]).arg(program);
        command
    }
}

// === impl Group ===

impl Group {
    /// Starts it with its output in `said`, a file.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn start(cores: Cores, program: &Path, arguments: &[&str], folder: &Path, said: &Path) -> Result<Group> {
        use std::os::unix::process::CommandExt;
        // For appending: an access log that is standard output is emptied while it is written.
        let file = OpenOptions::new().create(true).append(true).open(said);
        let file = file.with_context(|| format!("creating {}", said.display()))?;
        // setpriv: when the bench is killed, what it started must not go on eating the machine.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "taskset", "-c", cores.list()])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("opening the output twice")?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Group { child })
    }

    /// The id of the process group, which is the first process's.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the first process still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to the first process alone.
    ///
    /// # Errors
    /// `kill` could not be run.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let status =
            Command::new("kill").args(["-s", name, "--", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        status.context("running kill").map(drop)
    }

    fn signal_all(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.signal("TERM"));
        let end = Instant::now() + STOP_TIME_MAX;
        while self.runs() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        self.signal_all("KILL");
        drop(self.child.wait());
    }
}
