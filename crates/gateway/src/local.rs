//! The gate's own API: calls that no upstream server answers, but a service inside.

use std::fmt::Debug;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};

/// From where a call comes, as far as it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The address of who calls, behind proxies that are trusted.
    pub address: IpAddr,
    /// The host that was asked, with a port where one was named.
    pub authority: String,
}

/// Answers the calls of the gate's own API. They have passed every phase; their bodies are whole and small.
///
/// A worker waits for the answer and must not do the work: whoever implements this lets another runtime do it.
pub trait Local: Send + Sync + Debug {
    /// Answers one call; never by an error of its own.
    fn answer(
        &self,
        request: Request<Bytes>,
        visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}
