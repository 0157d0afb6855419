//! Refusals of a head that was inspected as bytes.

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::head::HeadFault;

/// A head's fault as a refusal.
#[must_use]
pub(crate) fn head(fault: HeadFault) -> Refused {
    match fault {
        HeadFault::Malformed(why) => Refusal::new(Code::MalformedRequest, format!("The request is refused: {why}.")),
        HeadFault::TooLarge => Refusal::new(Code::HeadTooLarge, format!("The request is refused: {fault}.")),
        HeadFault::UriTooLong => Refusal::new(Code::UriTooLong, format!("The request is refused: {fault}.")),
        HeadFault::MethodUnsupported => {
            Refusal::new(Code::MethodUnsupported, format!("The request is refused: {fault}."))
        }
    }
}

/// A head that began and did not end in time.
#[must_use]
pub(crate) fn head_too_slow() -> Refused {
    let seconds = callgate_model::bounds::HEAD_TIME_MAX.as_secs();
    Refusal::new(Code::RequestTimeout, format!("The request's head was not complete within {seconds} s."))
}
