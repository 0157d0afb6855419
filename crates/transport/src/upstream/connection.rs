//! One connection to a server: what sends on it, and the task that moves its bytes.

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

/// A connection. Dropped idle, it closes in an orderly way; dropped in the middle of a call, it is cut at once. hyper would
/// look whether anybody still waits for the answer only when the socket takes bytes again, and until then hold the request's
/// body, hence the caller's connection: a server that stopped reading an upload would hold both for half a minute after
/// the caller was told.
pub(super) struct Connection<B> {
    pub(super) sender: SendRequest<B>,
    pub(super) task: AbortHandle,
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        if !self.sender.is_ready() {
            self.task.abort();
        }
    }
}
