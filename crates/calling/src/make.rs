//! A call from its first byte to the exit code: sent, shown, and remembered if it failed.

use std::path::Path;

use callgate_model::Clock;

use crate::exit::Exit;
use crate::last::LastFailure;
use crate::send::send;
use crate::show::{self, Streams};
use crate::verbs::Prepared;

/// Makes a call. Must run inside a tokio runtime. A failed one is kept at `last`, where there is such a place.
pub async fn make(prepared: &Prepared, last: Option<&Path>, clock: &Clock, streams: &mut Streams<'_>) -> Exit {
    let Prepared { request, sending, showing } = prepared;
    let (exit, failure) = match send(request, sending).await {
        Err(error) => {
            let failure = LastFailure::of_error(&error, request, clock);
            (show::error(&error, request, showing, streams), Some(failure))
        }
        Ok(mut answer) => match show::answer(&mut answer, showing, streams).await {
            Ok(kept) if answer.status.as_u16() >= 400 => {
                let failure = LastFailure::of_answer(&answer, kept.bytes(), clock);
                (Exit::of_status(answer.status), Some(failure))
            }
            Ok(_) => (Exit::Success, None),
            Err(error) => {
                let failure = LastFailure::of_error(&error, &answer.request, clock);
                let exit = show::error(&error, &answer.request, showing, streams);
                // A closed pipe or a full disk is no failure of the call.
                (exit, Some(failure).filter(|_| exit == Exit::NoAnswer || exit == Exit::TimedOut))
            }
        },
    };
    if let (Some(failure), Some(path)) = (failure, last)
        && let Err(cause) = failure.store(path)
        && !showing.silent
    {
        // The call itself is done, so this is said and changes nothing.
        drop(writeln!(streams.notes, "note: {} could not be kept for `explain --last`: {cause}", path.display()));
    }
    exit
}
