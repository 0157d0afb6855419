//! `callgate completions SHELL`: what a shell needs to complete commands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

// === impl Completions ===

impl Completions {
    /// Prints them.
    pub fn run(&self, command: &mut Command) {
        clap_complete::generate(self.shell, command, "callgate", &mut std::io::stdout());
    }
}
