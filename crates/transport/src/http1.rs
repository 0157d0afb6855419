//! One HTTP/1.x connection of a client, from its first request to its last: our own, because this is where a gate spends its
//! time and where it is attacked (docs/decisions/0008).
//!
//! One parser reads a head (`wire::head`), and what it read is what the call is judged by; the next head is looked at only
//! when the answer to this one is over. So there are no two parsers to disagree about where a request ends. A head with a
//! fault becomes a call like any other, so that its refusal has a form and a record; whatever follows a fault is discarded
//! unread.
//!
//! The connection is one task: it reads the head ([`input`]), runs the call, writes the answer ([`output`]) and closes
//! ([`linger`]). A request's body ([`body`]) is read by whoever holds it, while the call runs, through the connection that
//! both share. A call may take the connection over for another protocol ([`switched`]).

mod answer;
mod body;
mod fault;
mod input;
mod linger;
mod output;
pub(crate) mod pace;
mod switched;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;

use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::body::RequestBody;
pub use self::fault::BodyFault;
use self::input::Input;
pub use self::input::Inspected;
use self::linger::Closing;
use self::output::Output;
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::serve::{Entered, Stage};
use crate::switch::Answering;
use crate::{BoxError, Timing};

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The socket failed, or the client did not read.
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    /// The client went away while its call was running.
    #[error("the client went away in the middle of a call")]
    Gone,
    /// The call, or the body of its answer, failed: to break off is the only way to say that an answer is not whole.
    #[error("the answer broke off")]
    Answer(#[source] BoxError),
}

/// The connection, as the task and the body of the current request share it. Borrowed for a step, never across a wait.
#[derive(Debug)]
struct Wire<IO> {
    io: IO,
    input: Input,
    output: Output,
    timing: Timing,
    alarm: Alarm,
    closing: Closing,
}

/// Serves a connection until it ends. `call` is called once per head.
///
/// # Errors
/// See [`ConnectionError`]. The calls on the connection have been told already; this is for counting.
pub(crate) async fn serve<IO, F, Fut, B>(
    io: IO,
    buffer: Buffer,
    timing: Timing,
    mut draining: Entered,
    call: F,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Fn(Request<RequestBody>, Inspected) -> Fut,
    Fut: Future<Output = Result<Response<B>, BoxError>>,
    B: Answering,
{
    let (input, output) = (Input::new(buffer), Output::default());
    let wire = Wire { io, input, output, timing, alarm: Alarm::default(), closing: Closing::default() };
    let wire = Rc::new(RefCell::new(wire));
    loop {
        let next = poll_fn(|context| {
            let closes = draining.stage(context) == Stage::Closing;
            wire.borrow_mut().poll_next(context, closes)
        });
        let Some((request, inspected)) = next.await? else { break };
        let spoken = answer::Spoken::of(&request);
        let request = request.map(|extent| RequestBody::http1(extent, &wire));
        let response = {
            // In memory of its own: an idle connection has no call, and all calls of a worker find the same memory warm.
            let mut calling = Box::pin(call(request, inspected));
            poll_fn(|context| match calling.as_mut().poll(context) {
                Poll::Ready(response) => Poll::Ready(response.map_err(ConnectionError::Answer)),
                Poll::Pending => wire.borrow_mut().poll_gone(context).map(Err),
            })
            .await?
        };
        let (head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let session = body.into_session().map_err(|_| ConnectionError::Answer(switched::NO_SESSION.into()))?;
            switched::run(&wire, spoken, &head, session, &mut draining).await?;
            break;
        }
        let kept = {
            let wire = &mut *wire.borrow_mut();
            let may_keep = wire.input.may_be_kept() && !draining.ends();
            wire.output.begin(spoken, &head, &body, may_keep)
        };
        output::send(&wire, body).await?;
        if !kept || !wire.borrow_mut().input.end_call(head.headers) {
            break;
        }
    }
    poll_fn(|context| wire.borrow_mut().poll_close(context)).await.map_err(ConnectionError::Broken)
}
