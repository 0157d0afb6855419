//! A real gate, started from the YAML that a user would write.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::call::Call;
use crate::program::{Output, Program, binary};
use crate::upstream::ScriptedUpstream;
use crate::wait::eventually;

/// A running `callgate serve -c callgate.yaml` in a folder of its own. It ends with the test.
#[derive(Debug)]
pub struct TestGate {
    folder: TempDir,
    program: Program,
    /// The shell line before `exec callgate serve …`; empty for none.
    wrapper: String,
    /// The line that says that it serves.
    ready_line: String,
    /// The listeners, in the order of the file.
    listeners: Vec<SocketAddr>,
}

/// A process that has taken the place of a [`TestGate`]'s, which does not know of it yet.
#[derive(Debug)]
pub struct Successor {
    program: Program,
    ready_line: String,
}

/// A key as `callgate keys create … --json` gives it.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// Its public id.
    pub id: String,
    /// Its text, shown once.
    pub text: String,
}

impl AsRef<str> for IssuedKey {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

// === impl TestGate ===

impl TestGate {
    /// Starts a gate from this file; panics with what it said when it doesn't come up.
    #[must_use]
    #[track_caller]
    pub fn start(yaml: &str) -> TestGate {
        Self::start_in(tempfile::tempdir().unwrap(), yaml)
    }

    /// Starts a gate from this file, with `UPSTREAM` in it replaced by the upstream's URL.
    #[must_use]
    #[track_caller]
    pub fn before(upstream: &ScriptedUpstream, yaml: &str) -> TestGate {
        Self::start(&yaml.replace("UPSTREAM", &upstream.url()))
    }

    /// Starts a gate in a folder that may already hold other files: certificates, secrets, a store.
    #[must_use]
    #[track_caller]
    pub fn start_in(folder: TempDir, yaml: &str) -> TestGate {
        Self::start_wrapped(folder, yaml, "")
    }

    /// Starts a gate none of whose files may grow past this size: as on a full disk, writes fail.
    #[must_use]
    #[track_caller]
    pub fn start_on_a_full_disk(yaml: &str, file_kib_max: u32) -> TestGate {
        Self::start_wrapped(tempfile::tempdir().unwrap(), yaml, &full_disk(file_kib_max))
    }

    /// Starts a gate in a shell that ran this line before: limits, signals that are ignored, outputs that lead elsewhere.
    #[must_use]
    #[track_caller]
    pub fn start_after(line: &str, yaml: &str) -> TestGate {
        Self::start_wrapped(tempfile::tempdir().unwrap(), yaml, &format!("{line}; "))
    }

    /// Starts a gate by a line of shell: `wrapper` comes before `exec callgate serve …`, which is `exec "$0" serve …`.
    #[must_use]
    #[track_caller]
    pub fn start_wrapped(folder: TempDir, yaml: &str, wrapper: &str) -> TestGate {
        Self::start_fed(folder, yaml, wrapper, Stdio::null())
    }

    /// Starts a gate as a service manager does that holds its socket (`LISTEN_FDS`).
    #[must_use]
    #[track_caller]
    pub fn start_on(folder: TempDir, yaml: &str, socket: &TcpListener) -> TestGate {
        let wrapper = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; ";
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Self::start_fed(folder, yaml, wrapper, Stdio::from(socket))
    }

    #[track_caller]
    fn start_fed(folder: TempDir, yaml: &str, wrapper: &str, stdin: Stdio) -> TestGate {
        std::fs::write(folder.path().join("callgate.yaml"), yaml).unwrap();
        let (program, ready_line) = serve(folder.path(), wrapper, stdin);
        let listeners = listeners(&ready_line);
        assert!(!listeners.is_empty(), "the ready line names no address: {ready_line}");
        TestGate { folder, program, wrapper: wrapper.to_owned(), ready_line, listeners }
    }

    /// Runs `callgate serve` on a file that should not come up, and gives what it said.
    #[must_use]
    #[track_caller]
    pub fn refuses_to_start(folder: &Path, yaml: &str) -> Output {
        Self::refuses_to_start_wrapped(folder, yaml, "")
    }

    /// The same where none of its files may grow past this size.
    #[must_use]
    #[track_caller]
    pub fn refuses_to_start_on_a_full_disk(folder: &Path, yaml: &str, file_kib_max: u32) -> Output {
        Self::refuses_to_start_wrapped(folder, yaml, &full_disk(file_kib_max))
    }

    #[track_caller]
    fn refuses_to_start_wrapped(folder: &Path, yaml: &str, wrapper: &str) -> Output {
        std::fs::write(folder.join("callgate.yaml"), yaml).unwrap();
        match try_serve(folder, wrapper, "", Stdio::null()) {
            Ok((_, line)) => panic!("the gate came up: {line}"),
            Err(output) => output,
        }
    }

    // --- where it is

    /// The first listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listeners[0]
    }

    /// The listeners, in the order of the file.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// `http://127.0.0.1:PORT` of the first listener.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where `/livez`, `/readyz` and `/metrics` are, when the file has `health:`.
    #[must_use]
    #[track_caller]
    pub fn health(&self) -> SocketAddr {
        let address = self.ready_line.split_once("health http://").and_then(|(_, rest)| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("the ready line names no health address: {}", self.ready_line));
        address.parse().unwrap()
    }

    /// The line that said that it serves.
    #[must_use]
    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// Its folder: `callgate.yaml`, `callgate-data`, and what the test put there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("callgate.yaml")
    }

    /// Its process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    // --- calls

    /// A call on the first listener: `gate.call("GET /shop/books")`.
    #[track_caller]
    pub fn call(&self, what: &str) -> Call {
        Call::new(self.address(), what)
    }

    // --- administration, through the command line as a user would

    /// Runs `callgate ARGUMENTS -c callgate.yaml` in the gate's folder.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let arguments = [arguments, &["-c", "callgate.yaml"]].concat();
        self.program_with(&arguments)
    }

    /// Runs `callgate ARGUMENTS` in the gate's folder, as they are.
    #[must_use]
    #[track_caller]
    pub fn program_with(&self, arguments: &[&str]) -> Output {
        Output::of(Command::new(binary()).args(arguments).current_dir(self.folder.path()), b"")
    }

    /// Runs `callgate ARGUMENTS --json -c callgate.yaml`, which must succeed.
    #[track_caller]
    pub fn run_json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect_success().json()
    }

    /// Creates a consumer.
    #[track_caller]
    pub fn consumer(&self, name: &str) {
        self.run_json(&["consumers", "create", name]);
    }

    /// Creates a consumer on a plan.
    #[track_caller]
    pub fn consumer_on(&self, name: &str, plan: &str) {
        self.run_json(&["consumers", "create", name, "--plan", plan]);
    }

    /// Creates a key of an existing consumer: `gate.key("ada", &["--scope", "orders:write"])`.
    #[track_caller]
    pub fn key(&self, consumer: &str, options: &[&str]) -> IssuedKey {
        let answer = self.run_json(&[&["keys", "create", consumer], options].concat());
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {answer}")).to_owned();
        IssuedKey { id: text("id"), text: text("key") }
    }

    /// Creates a consumer and a key of it.
    #[track_caller]
    pub fn new_key(&self, consumer: &str) -> IssuedKey {
        self.consumer(consumer);
        self.key(consumer, &[])
    }

    /// Revokes a key.
    #[track_caller]
    pub fn revoke(&self, key: &IssuedKey) {
        let _ = self.run(&["keys", "revoke", &key.id]).expect_success();
    }

    // --- what it recorded

    /// Every record of the access log so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let lines = self.program.lines();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// The record of a call, by its `Callgate-Call-Id`; waits for it.
    #[must_use]
    #[track_caller]
    pub fn record(&self, call_id: &str) -> Value {
        eventually(&format!("the record of call {call_id}"), || {
            let lines = self.program.lines();
            let line = lines.iter().rev().find(|line| line.starts_with('{') && line.contains(call_id))?;
            serde_json::from_str(line).ok()
        })
    }

    /// Everything that it printed, on both outputs.
    #[must_use]
    pub fn said(&self) -> String {
        self.program.lines().join("\n")
    }

    // --- its life

    /// Replaces the configuration; a watching gate takes it up by itself.
    pub fn write(&self, yaml: &str) {
        // Written beside and moved over, as editors do: the gate must watch the folder, not the file.
        let beside = self.folder.path().join(".callgate.yaml.new");
        std::fs::write(&beside, yaml).unwrap();
        std::fs::rename(&beside, self.file()).unwrap();
    }

    /// Asks it to end (SIGTERM), waits, and gives the exit code.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.program.signal("TERM");
        self.program.wait().code()
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Has another process take its place (`serve --upgrade`), waits until that one serves, and gives the old one, which ends
    /// with its connections.
    #[track_caller]
    pub fn upgrade(&mut self) -> Program {
        let successor = self.successor().unwrap_or_else(|output| panic!("no upgrade: {output}"));
        self.succeeded_by(successor)
    }

    /// Has another process take its place, and waits until that one serves. [`TestGate::succeeded_by`] makes it this gate's.
    ///
    /// # Errors
    /// What it said instead, and how it ended.
    #[track_caller]
    pub fn successor(&self) -> Result<Successor, Output> {
        let (program, ready_line) = try_serve(self.folder.path(), &self.wrapper, "--upgrade", Stdio::null())?;
        Ok(Successor { program, ready_line })
    }

    /// From now on the gate is this process; gives the one before.
    pub fn succeeded_by(&mut self, successor: Successor) -> Program {
        self.listeners = listeners(&successor.ready_line);
        self.ready_line = successor.ready_line;
        std::mem::replace(&mut self.program, successor.program)
    }

    /// Starts it again on the same folder, after an end. Ports may differ.
    #[track_caller]
    pub fn start_again(&mut self) {
        let (program, ready_line) = serve(self.folder.path(), &self.wrapper, Stdio::null());
        self.listeners = listeners(&ready_line);
        self.program = program;
        self.ready_line = ready_line;
    }
}

#[track_caller]
fn serve(folder: &Path, wrapper: &str, stdin: Stdio) -> (Program, String) {
    try_serve(folder, wrapper, "", stdin).unwrap_or_else(|output| panic!("the gate did not come up: {output}"))
}

#[track_caller]
fn try_serve(folder: &Path, wrapper: &str, option: &str, stdin: Stdio) -> Result<(Program, String), Output> {
    let mut program = Program::start_with(
        Command::new("bash")
            .args(["-c", &format!("{wrapper}exec \"$0\" serve {option} -c callgate.yaml")])
            .arg(binary())
            .current_dir(folder)
            .env("RUST_BACKTRACE", "1")
            .env_remove("XDG_RUNTIME_DIR"),
        stdin,
    );
    match program.try_line("the ready line", |line| is_ready(line).then(|| line.to_owned())) {
        Ok(line) => Ok((program, line)),
        Err(status) => Err(Output { code: status.code(), stdout: String::new(), stderr: program.lines().join("\n") }),
    }
}

/// The line of a shell whose programs can't write files larger than this. The limit's signal is ignored, so that the write
/// fails (EFBIG) instead of ending the process.
fn full_disk(file_kib_max: u32) -> String {
    format!("trap '' XFSZ; ulimit -f {file_kib_max}; ")
}

fn is_ready(line: &str) -> bool {
    line.contains("ready") && (line.contains("http://") || line.contains("https://"))
}

/// The addresses behind `http://` and `https://`, in their order. What follows the word `health` or `admin` is not a
/// listener.
fn listeners(ready_line: &str) -> Vec<SocketAddr> {
    let ends = ["health", "admin"].iter().filter_map(|word| ready_line.find(word)).min();
    let (shown, _) = ready_line.split_at(ends.unwrap_or(ready_line.len()));
    shown
        .split([' ', ',', '"', '\t', '='])
        .filter_map(|word| word.strip_prefix("http://").or_else(|| word.strip_prefix("https://")))
        .filter_map(|address| address.trim_end_matches(['/', '.', ';', ')']).parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_the_ready_line() {
        let read = |line: &str| listeners(line).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(read("callgate ready: http://127.0.0.1:41234, https://[::1]:8443"), "127.0.0.1:41234 [::1]:8443");
        assert_eq!(read("ready on http://127.0.0.1:1/ (health http://127.0.0.1:2)"), "127.0.0.1:1");
    }
}
