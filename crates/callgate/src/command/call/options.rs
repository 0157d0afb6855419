//! The options of the calling verbs: curl's letters where curl has one, HTTPie's names besides.

use std::path::PathBuf;
use std::time::Duration;

use callgate_calling::{Arguments, Http, Problem};
use clap::{Args, ValueEnum};

/// The machine's view of a call.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Report {
    /// One JSON object: request, status, fields, timings, body
    Json,
}

/// Values stay texts here, so that whatever is wrong with them is said together with everything else.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Another method than the verb's
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header field, 'Name: value'
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The body as text, @FILE, or @- for standard input; several are joined by &
    #[arg(short = 'd', long = "data", value_name = "DATA", allow_hyphen_values = true)]
    data: Vec<String>,
    /// The body is JSON; so are items anyway
    #[arg(short = 'j', long)]
    json: bool,
    /// The items are the fields of a form
    #[arg(short = 'f', long)]
    form: bool,
    /// Name and password for Basic
    #[arg(short = 'u', long, value_name = "NAME:PASSWORD")]
    user: Option<String>,
    /// Follow redirects
    #[arg(short = 'L', long = "follow", visible_alias = "location")]
    follow: bool,
    /// Take any certificate
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Seconds for the whole call
    #[arg(short = 'm', long, value_name = "SECONDS", visible_alias = "timeout")]
    max_time: Option<String>,
    /// Seconds until there is a connection, 10 unless written
    #[arg(long, value_name = "SECONDS")]
    connect_timeout: Option<String>,
    /// HTTP/2 alone, over clear text too
    #[arg(long)]
    http2: bool,
    /// HTTP/1.1 alone
    #[arg(long = "http1.1")]
    http1: bool,
    /// The answer's body goes into this file; `-` is standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The answer's head too, in a pipe as well
    #[arg(short = 'i', long, visible_alias = "show-headers")]
    include: bool,
    /// The request and the timings too
    #[arg(short = 'v', long)]
    verbose: bool,
    /// A report about the call instead of the answer: one JSON object
    #[arg(long, value_name = "json", hide_possible_values = true)]
    report: Option<Report>,
    /// Credentials of the request are shown as they are
    #[arg(long)]
    show_secrets: bool,
    /// Never take the body from standard input
    #[arg(long)]
    pub(super) ignore_stdin: bool,
}

// === impl Options ===

impl Options {
    /// Everything as the library takes it; what is wrong between options is added to `problems`.
    pub(super) fn arguments(
        self,
        method: Option<String>,
        url: String,
        items: Vec<String>,
        problems: &mut Vec<Problem>,
    ) -> Arguments {
        if self.form && self.json {
            problems.push(problem("--form and --json name two types for one body", "keep one of them"));
        }
        if self.http1 && self.http2 {
            problems.push(problem("--http1.1 and --http2 exclude each other", "keep one of them"));
        }
        let max_time = seconds("--max-time", self.max_time.as_deref(), problems);
        let connect_timeout = seconds("--connect-timeout", self.connect_timeout.as_deref(), problems);
        let http = match (self.http1, self.http2) {
            (true, _) => Http::One,
            (false, true) => Http::Two,
            (false, false) => Http::Negotiated,
        };
        let method = self.method.or(method);
        Arguments {
            // Of such a call there is nothing else to see.
            include: self.include || method.as_deref() == Some("HEAD"),
            method,
            url,
            items,
            headers: self.headers,
            data: self.data,
            form: self.form,
            json: self.json,
            user: self.user,
            stdin: None,
            insecure: self.insecure,
            follow: self.follow,
            max_time,
            connect_timeout,
            http,
            output: self.output.filter(|path| path.as_os_str() != "-"),
            verbose: self.verbose,
            show_secrets: self.show_secrets,
            report: matches!(self.report, Some(Report::Json)),
        }
    }
}

fn seconds(option: &str, typed: Option<&str>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let typed = typed?;
    let read = typed.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let time = read.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if time.is_none() {
        problems.push(problem(format!("{option} `{typed}`"), "write seconds, for example 2.5"));
    }
    time
}

fn problem(what: impl Into<String>, fix: &str) -> Problem {
    Problem { what: what.into(), fix: fix.to_owned() }
}
