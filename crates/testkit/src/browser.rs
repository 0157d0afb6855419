//! A real browser: Chromium without a window.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::Program;

/// A running browser that shows one page. It ends with the test.
#[derive(Debug)]
pub struct Browser {
    program: Program,
    // Behind the program, so that it is removed after its end.
    _profile: TempDir,
}

// === impl Browser ===

impl Browser {
    /// Opens a page. What the page finds out, it must tell a server: nothing else looks into it. Any certificate will do.
    #[must_use]
    #[track_caller]
    pub fn open(url: &str) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        // Its commands would come over descriptor 3. None does, but the browser ends when the other side is closed, in whatever
        // way this process goes: killing the program that was started would leave those that it started.
        let line = "exec 3<&0 4>/dev/null </dev/null; exec \"$0\" \"$@\"";
        let mut command = Command::new("bash");
        command
            .args(["-c", line, "chromium-headless-shell", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // Its sandbox needs rights that containers don't have, and the page is our own.
            .args(["--no-sandbox", "--disable-gpu", "--no-proxy-server", "--ignore-certificate-errors"])
            .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
            .arg(url);
        let program = Program::start_with(&mut command, Stdio::piped());
        Browser { program, _profile: profile }
    }

    /// What it printed.
    #[must_use]
    pub fn said(&self) -> String {
        self.program.lines().join("\n")
    }
}
