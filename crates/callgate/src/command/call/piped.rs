//! A body that comes in by a pipe, without being asked for by name.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use callgate_calling::Problem;

/// Bytes of standard input that are held in memory, the same as for `@-`.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// After so long without a byte, people are told what is waited for.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// After so long it is given up. A program that starts this one with an idle pipe (CI, node) would wait for ever; sending
/// no body instead could be a wrong call, so it is a mistake that says how to go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the reading thread has to say.
enum Told {
    /// The first byte has come.
    Began,
    /// Everything, up to one byte past the bound.
    Ended(io::Result<Vec<u8>>),
}

/// What standard input holds; nothing when it is a terminal, a device such as `/dev/null`, or empty.
pub(super) fn body() -> Result<Option<Vec<u8>>, Problem> {
    let Some(input) = readable() else { return Ok(None) };
    let note = || anstream::eprintln!("waiting for a body from standard input; --ignore-stdin goes without");
    read(input, NOTE_AFTER, PATIENCE, note)
}

fn readable() -> Option<File> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return None;
    }
    let file = File::from(stdin.as_fd().try_clone_to_owned().ok()?);
    let kind = file.metadata().ok()?.file_type();
    // Sockets too: some programs give one to their children where others give a pipe.
    (kind.is_fifo() || kind.is_file() || kind.is_socket()).then_some(file)
}

/// Reads on a thread of its own, because there is no other way to give up a read. It ends with the process.
fn read(
    input: impl Read + Send + 'static,
    note_after: Duration,
    patience: Duration,
    note: impl Fn(),
) -> Result<Option<Vec<u8>>, Problem> {
    let (sender, told) = mpsc::channel();
    let reading = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read_and_tell(input, &sender));
    reading.map_err(|cause| unreadable(&cause))?;
    let first = match told.recv_timeout(note_after) {
        Err(RecvTimeoutError::Timeout) => {
            note();
            told.recv_timeout(patience.saturating_sub(note_after))
        }
        soon => soon,
    };
    // Once it has begun, it may take as long as it takes.
    let last = if matches!(first, Ok(Told::Began)) { told.recv().map_err(Into::into) } else { first };
    match last {
        Ok(Told::Ended(Ok(bytes))) if bytes.len() as u64 > BYTES_MAX => {
            let what = format!("standard input is longer than {} MiB", BYTES_MAX >> 20);
            Err(problem(what, "send a file of that size with @FILE"))
        }
        Ok(Told::Ended(Ok(bytes))) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Ok(Told::Ended(Err(cause))) => Err(unreadable(&cause)),
        Ok(Told::Began) | Err(_) => {
            let what = format!("nothing came from standard input within {} s", patience.as_secs_f64());
            Err(problem(what, "--ignore-stdin calls without a body, @- waits for it"))
        }
    }
}

fn read_and_tell(mut input: impl Read, told: &mpsc::Sender<Told>) {
    let mut bytes = Vec::new();
    let mut read = input.by_ref().take(1).read_to_end(&mut bytes);
    // Whoever has given up waiting needs no news: what can't be told is dropped.
    if !bytes.is_empty() && told.send(Told::Began).is_ok() {
        read = input.take(BYTES_MAX).read_to_end(&mut bytes);
    }
    drop(told.send(Told::Ended(read.map(|_| bytes))));
}

fn unreadable(cause: &io::Error) -> Problem {
    problem(format!("standard input can't be read: {cause}"), "--ignore-stdin goes without")
}

fn problem(what: String, fix: &str) -> Problem {
    Problem { what, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: impl Read + Send + 'static, expect: Result<Option<&str>, &str>) {
        let found = read(input, Duration::ZERO, Duration::from_millis(50), || {});
        let found = found.map(|bytes| bytes.map(|bytes| String::from_utf8(bytes).unwrap()));
        let found = found.map_err(|problem| problem.what);
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expect);
    }

    #[test]
    fn what_came_is_the_body_and_a_silent_pipe_is_given_up() {
        check(&b"{}"[..], Ok(Some("{}")));
        check(&b""[..], Ok(None));
        let (silent, _open) = io::pipe().unwrap();
        check(silent, Err("nothing came from standard input within 0.05 s"));
    }
}
