//! Bodies on their way through the gate: the caller's, counted and capped; and the answer's, with the call's record in it.

mod answer;
mod request;

pub use answer::{AnswerBody, BodyTimes};
pub use request::{BodyFault, Progress, RequestBody};

pub(crate) use callgate_transport::BoxError;

/// The caller's body as the connection hands it over.
pub type ClientBody = hyper::body::Incoming;

/// The upstream's body: gives its connection back when it has been read to its end.
pub type UpstreamBody = callgate_transport::upstream::UpstreamBody<RequestBody>;
