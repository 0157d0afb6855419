//! What a call that speaks gRPC asks for beside its message: an end in time.

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::grpc;
use tokio::time::Instant;

use super::read::Incoming;
use super::state::Call;

/// Takes in the caller's deadline. It can only shorten what the operator wrote.
///
/// # Errors
/// `malformed_request`.
pub(crate) fn deadline<B>(call: &mut Call<'_>, request: &Incoming<B>) -> Result<(), Refused> {
    if call.grpc.is_none() {
        return Ok(());
    }
    let asked = grpc::timeout(request.headers())
        .map_err(|fault| Refusal::new(Code::MalformedRequest, format!("The call is refused: {fault}.")))?;
    let Some(asked) = asked else { return Ok(()) };
    // Eight digits of hours are past the end of some clocks; then there is no deadline to speak of.
    let Some(until) = Instant::now().checked_add(asked) else { return Ok(()) };
    if call.deadline.is_none_or(|total| until < total) {
        call.deadline = Some(until);
        call.deadline_asked = Some(asked);
    }
    Ok(())
}
