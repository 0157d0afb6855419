//! `callgate curl …`: a curl command line, pasted as it is.

use std::process::ExitCode;

use clap::Args;

use super::call;

/// Make a call from a curl command line, pasted as it is
#[derive(Debug, Args)]
#[command(
    override_usage = "callgate curl [CURL'S OPTIONS] URL",
    after_help = "\
What differs from curl: a URL without a scheme is https:// unless it is this
machine, and paths go out as they are written. An option that would change the
call and is not known here is said to be a mistake, never ignored.

Exit codes: 0 an answer below 400 · 4 an answer of 4xx · 5 an answer of 5xx
            6 no answer · 7 timed out · 1, 2 a mistake on the command line"
)]
pub struct Curl {
    /// Curl's options and the URL
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<String>,
}

// === impl Curl ===

impl Curl {
    /// Makes the call.
    pub async fn run(self) -> ExitCode {
        match callgate_calling::curl_args(&self.words) {
            Ok(prepared) => call::make(prepared).await,
            Err(problems) => call::tell(&problems),
        }
    }
}
