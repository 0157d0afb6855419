//! Bodies on their way through the gate: the caller's, counted and capped; and the answer's, with the call's record in it.

mod answer;
mod request;

pub use answer::{AnswerBody, BodyTimes};
pub use request::{BodyFault, Collected, Progress, RequestBody};

use bytes::Bytes;
pub(crate) use callgate_transport::BoxError;
use callgate_wire::hop;
use http_body::Frame;

/// The caller's body as the connection hands it over.
pub type ClientBody = callgate_transport::http1::RequestBody;

/// The upstream's body: gives its connection back when it has been read to its end.
pub type UpstreamBody = callgate_transport::upstream::UpstreamBody<RequestBody>;

/// A frame as it may pass on: trailers lose what belongs into a head alone, so that nobody sets `Callgate-Consumer` or
/// `Content-Length` behind the judge's back (RFC 9110 section 6.5.1).
fn cleaned(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        hop::strip_trailers(trailers);
    }
    frame
}
