//! Showing an answer: formatted and coloured on a terminal, byte for byte in a pipe.
//!
//! The answer goes to `out`. What is said about it (redirects, timings, hints) goes to `notes`, so that a pipe gets the
//! body and nothing else. Nothing that a server sends can steer the terminal: see `show/plain.rs`.

mod body;
mod head;
mod hint;
mod json;
mod paint;
mod plain;
mod report;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use crate::error::CallError;
use crate::exit::Exit;
use crate::request::Request;
use crate::secrecy;
use crate::send::Answer;

pub use body::FORMATTED_BYTES_MAX;
pub(crate) use body::Kept;
use paint::Paint;

/// What is shown, and how.
#[derive(Debug, Clone, Default)]
pub struct Showing {
    /// The answer, or a report about the call.
    pub form: Form,
    /// For people: head and body, indented and safe for a terminal. Else the body as it came.
    pub formatted: bool,
    /// Colours in what goes to `out`.
    pub colour_out: bool,
    /// Colours in what goes to `notes`.
    pub colour_notes: bool,
    /// The head where it isn't shown anyway.
    pub include_head: bool,
    /// The request and the timings too.
    pub verbose: bool,
    /// Credentials of the request are shown as they are.
    pub show_secrets: bool,
    /// The body goes into this file.
    pub output: Option<PathBuf>,
    /// No notes; errors neither, but for `show_error`.
    pub silent: bool,
    /// Errors in spite of `silent`.
    pub show_error: bool,
    /// No body where the status is 400 or more (curl's `--fail`).
    pub fail: bool,
}

/// What is put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The answer itself.
    #[default]
    Answer,
    /// One JSON object: request, status, fields, timings, body.
    Report,
}

/// Where it is shown.
pub struct Streams<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub notes: &'a mut dyn Write,
}

// === impl Streams ===

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Streams")
    }
}

// === impl Showing ===

impl Showing {
    /// Adapts to this process's standard streams: formats for a terminal; colours as NO_COLOR, CLICOLOR and the
    /// terminal itself ask for.
    pub fn adapt_to_terminal(&mut self) {
        self.formatted = io::stdout().is_terminal() && self.output.is_none();
        self.colour_out = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        self.colour_notes = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    }

    fn out_paint(&self) -> Paint {
        Paint { on: self.colour_out }
    }

    fn notes_paint(&self) -> Paint {
        Paint { on: self.colour_notes }
    }
}

/// Shows a whole answer while it comes. Returns the beginning of a failed answer's body, for the hint and for `--last`.
pub(crate) async fn answer(
    answer: &mut Answer,
    showing: &Showing,
    streams: &mut Streams<'_>,
) -> Result<Kept, CallError> {
    if showing.form == Form::Report {
        return report::answer(answer, showing, streams).await;
    }
    if showing.verbose {
        let text = head::request(&answer.request, showing);
        let to: &mut dyn Write = if showing.formatted { streams.out } else { streams.notes };
        write(to, text.as_bytes())?;
    }
    if !showing.silent {
        for hop in &answer.hops {
            let to = secrecy::target(&hop.to.to_string());
            let line = format!("{} redirected to {}\n", hop.status.as_u16(), plain::line(&to));
            write(streams.notes, showing.notes_paint().faint(&line).as_bytes())?;
        }
    }
    if showing.formatted || showing.include_head {
        write(streams.out, head::answer(answer, showing).as_bytes())?;
    } else if showing.verbose {
        write(streams.notes, head::answer(answer, showing).as_bytes())?;
    }
    let kept = body::show(answer, showing, streams).await?;
    if showing.verbose && !showing.silent {
        let line = format!("{}\n", head::timings(&answer.timings));
        write(streams.notes, showing.notes_paint().faint(&line).as_bytes())?;
    }
    if !showing.silent
        && let Some(line) = hint::line(answer, kept.bytes())
    {
        write(streams.notes, format!("{line}\n").as_bytes())?;
    }
    Ok(kept)
}

/// Shows why there is no answer, or not the whole of it.
pub(crate) fn error(error: &CallError, request: &Request, showing: &Showing, streams: &mut Streams<'_>) -> Exit {
    let exit = error.exit();
    // Whoever closed the pipe early has what they wanted: `callgate get … | head`.
    if let CallError::Show { source } = error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return Exit::Success;
    }
    let said = match showing.form {
        Form::Report => write(streams.out, report::error(error, request, showing).as_bytes()),
        Form::Answer if showing.silent && !showing.show_error => Ok(()),
        Form::Answer => {
            let message = plain::line(&error.in_full());
            let hint = plain::line(&error.hint());
            let label = showing.notes_paint().bad("error");
            write(streams.notes, format!("{label}: {message}\n  hint: {hint}\n").as_bytes())
        }
    };
    // There is no third place to say that neither could be written.
    drop(said);
    exit
}

/// Writes and flushes: an event must be seen when it comes.
fn write(to: &mut dyn Write, bytes: &[u8]) -> Result<(), CallError> {
    to.write_all(bytes).and_then(|()| to.flush()).map_err(|source| CallError::Show { source })
}
