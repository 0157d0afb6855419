//! Clients that others wrote, for protocols in which much can go wrong on a client's side: HTTP/2 by node, gRPC by Google's
//! library. Each keeps its connections, and goes on elsewhere when the gate says GOAWAY.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use callgate_testkit::grpc_client;

use crate::callers::Work;
use crate::ground::Ground;
use crate::tally::Tally;

/// Calls that node makes for a line.
const AT_ONCE: u64 = 100;

/// A client in a process of its own: a line says what to do, and a line says what came of it.
struct Talker {
    child: Child,
    says: Option<ChildStdin>,
    hears: Lines<BufReader<ChildStdout>>,
}

/// All of them.
pub(crate) fn all() -> Vec<Work> {
    vec![Box::new(http2), Box::new(grpc)]
}

// === impl Talker ===

impl Talker {
    fn start(command: &mut Command) -> Result<Talker, String> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let (says, hears) = (child.stdin.take(), child.stdout.take());
        let hears = BufReader::new(hears.ok_or("it has no output")?).lines();
        Ok(Talker { child, says, hears })
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        let said = self.says.as_mut().map(|pipe| writeln!(pipe, "{line}"));
        match (said, self.hears.next()) {
            (Some(Ok(())), Some(Ok(line))) => Ok(line),
            other => Err(format!("the client is gone: {other:?}")),
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // It ends with its input.
        self.says.take();
        let ended = self.child.wait();
        if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("a client ended with {ended:?}");
        }
    }
}

/// A client that is started again when it is gone: that it went is told once, and not for ever.
fn with(
    ground: &Ground,
    tally: &Tally,
    kind: &str,
    command: impl Fn() -> Command,
    turn: impl Fn(&mut Talker) -> Result<(), String>,
) {
    while !ground.over.after(Duration::ZERO) {
        let mut talker = match Talker::start(&mut command()) {
            Ok(talker) => talker,
            Err(error) => return tally.failed(kind, error),
        };
        while !ground.over.after(Duration::from_millis(100)) {
            if let Err(error) = turn(&mut talker) {
                tally.failed(kind, error);
                break;
            }
        }
    }
}

/// Many calls at once over two connections.
fn http2(ground: &Ground, tally: &Tally) {
    let url = format!("https://localhost:{}", ground.secure.port());
    let command = || {
        let mut node = Command::new("node");
        node.args(["--input-type=module", "--eval", include_str!("http2.mjs"), "--", "http2.mjs", &url, &ground.key]);
        node.env("NODE_EXTRA_CA_CERTS", &ground.ca);
        node
    };
    with(ground, tally, "http/2 over tls", command, |node| {
        let told = node.ask(&AT_ONCE.to_string())?;
        let (passed, failed) = told.split_once(' ').unwrap_or((&told, ""));
        tally.passed_many("http/2 over tls", passed.parse().unwrap_or(0), None);
        if failed.is_empty() { Ok(()) } else { Err(failed.to_owned()) }
    });
}

/// Every kind of call, before a server of the same library that speaks HTTP/2.
fn grpc(ground: &Ground, tally: &Tally) {
    const CALLS: [(&str, &str); 4] = [
        ("get:one", "book one []"),
        ("list:50", "[shelf=a] 50 books, book 0 to book 49 [checksum=42]"),
        ("put:20:10000", "20 messages, 200000 bytes"),
        ("chat:a:b:c:bye", "re: a, re: b, re: c then OK"),
    ];
    let address = ground.clear.to_string();
    with(
        ground,
        tally,
        "grpc",
        || grpc_client(&address, "-", &ground.key),
        |python| {
            for (call, expect) in CALLS {
                let start = Instant::now();
                let told = python.ask(call)?;
                match told == format!("{call} -> {expect}") {
                    true => tally.passed("grpc", Some(start.elapsed())),
                    false => tally.failed("grpc", told),
                }
            }
            Ok(())
        },
    );
}
