//! Programs that a test starts: each in a folder of its own, each ended with the test.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use crate::wait::{PATIENCE, eventually};

/// A running child process whose lines are collected.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The gate's own binary, built beside this test: `target/<profile>/callgate`, or what `CALLGATE_BIN` names.
#[must_use]
#[track_caller]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("CALLGATE_BIN").map_or_else(
        || std::env::current_exe().unwrap().parent().and_then(|deps| deps.parent()).unwrap().join("callgate"),
        PathBuf::from,
    );
    assert!(path.is_file(), "{} is not there: run `cargo build -p callgate` first", path.display());
    path
}

// === impl Program ===

impl Program {
    /// Starts it without standard input.
    #[track_caller]
    pub fn start(command: &mut Command) -> Program {
        Self::start_with(command, Stdio::null())
    }

    /// Starts it with this as its standard input.
    #[track_caller]
    pub fn start_with(command: &mut Command, stdin: Stdio) -> Program {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>;
        let stderr = Box::new(child.stderr.take().unwrap()) as Box<dyn std::io::Read + Send>;
        let readers = [stdout, stderr]
            .into_iter()
            .map(|pipe| {
                let lines = Arc::clone(&lines);
                std::thread::spawn(move || {
                    let mut pipe = BufReader::new(pipe);
                    let mut line = Vec::new();
                    while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                        lines.lock().unwrap().push(text);
                        line.clear();
                    }
                })
            })
            .collect();
        Program { name, child, lines, readers }
    }

    /// Every line so far, of both outputs.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that the closure takes.
    #[track_caller]
    pub fn line<T>(&mut self, what: &str, mut take: impl FnMut(&str) -> Option<T>) -> T {
        self.try_line(what, &mut take).unwrap_or_else(|status| {
            panic!("{} ended with {status} before {what}; it said:\n{}", self.name, self.lines().join("\n"))
        })
    }

    /// Waits for a line that the closure takes.
    ///
    /// # Errors
    /// The program ended before it said so.
    #[track_caller]
    pub fn try_line<T>(&mut self, what: &str, mut take: impl FnMut(&str) -> Option<T>) -> Result<T, ExitStatus> {
        let mut seen = 0;
        eventually(what, || {
            // Asked before the lines are read: what an ended program said last is still looked at.
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                self.join_readers();
            }
            let lines = self.lines();
            let found = lines[seen..].iter().find_map(|line| take(line));
            seen = lines.len();
            found.map(Ok).or_else(|| ended.map(Err))
        })
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name: `TERM`, `HUP`, `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name} {}", self.id());
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; panics after [`PATIENCE`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("the end of {} (within {PATIENCE:?})", self.name);
        let status = eventually(&what, || self.child.try_wait().unwrap());
        self.join_readers();
        status
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Output ===

impl Output {
    /// Runs a command to its end, without standard input unless some is given.
    #[must_use]
    #[track_caller]
    pub fn of(command: &mut Command, stdin: &[u8]) -> Output {
        let name = command.get_program().to_string_lossy().into_owned();
        let input = if stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child =
            command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("starting {name}: {error}; `cargo xtask test` installs what tests need")
            });
        let writer = child.stdin.take().map(|mut pipe| {
            let stdin = stdin.to_vec();
            std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &stdin))
        });
        let output = child.wait_with_output().unwrap();
        if let Some(writer) = writer {
            // A program that ends without reading its input is not a fault of the test.
            let _ = writer.join().unwrap();
        }
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics with everything it said unless it exited with 0.
    #[track_caller]
    pub fn expect_success(self) -> Output {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Standard output as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
