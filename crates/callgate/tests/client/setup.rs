//! What the themes share.

use std::path::Path;
use std::process::Command;

use callgate_testkit::{Output, Program, ScriptedUpstream, binary, reply};
use tempfile::TempDir;

/// A folder to work in, which is the home, too: what is remembered of failed calls is remembered here.
pub(crate) struct Folder(TempDir);

/// `callgate guard` in a folder, with its address and its key.
pub(crate) struct Guard {
    pub(crate) program: Program,
    pub(crate) url: String,
    pub(crate) key: String,
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// `callgate ARGUMENTS`, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env("HOME", self.path());
        for name in ["XDG_STATE_HOME", "CALLGATE_ADMIN_TOKEN", "NO_COLOR", "COLUMNS"] {
            command.env_remove(name);
        }
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// With this on standard input.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        Output::of(&mut self.command(arguments), stdin)
    }

    /// Starts `callgate guard` before an upstream, on a free port, with `./callgate-data`.
    #[track_caller]
    pub(crate) fn guard(&self, upstream: &ScriptedUpstream) -> Guard {
        let arguments = ["guard", &upstream.url(), "--listen", "127.0.0.1:0"];
        let mut program = Program::start(&mut self.command(&arguments));
        let line = program.line("a line to try", |line| line.contains("curl").then(|| line.to_owned()));
        let word = |start: &str| line.split(['\'', ' ']).find(|word| word.starts_with(start)).unwrap().to_owned();
        let (url, key) = (word("http://").trim_end_matches('/').to_owned(), word("cg_live_"));
        Guard { program, url, key }
    }
}

/// Answers every request with `ok`.
pub(crate) fn fine() -> ScriptedUpstream {
    ScriptedUpstream::answering("ok")
}

/// Answers every request with this status and a problem document.
pub(crate) fn failing(status: &'static str, more_fields: &str) -> ScriptedUpstream {
    let body = r#"{"title":"The shelf is empty.","detail":"Book 7 was sold."}"#;
    let fields = format!("Content-Type: application/problem+json\r\n{more_fields}");
    ScriptedUpstream::responding(move |_| {
        let answer = String::from_utf8(reply(status, body)).unwrap();
        answer.replace("Content-Type: text/plain\r\n", &fields).into_bytes()
    })
}
