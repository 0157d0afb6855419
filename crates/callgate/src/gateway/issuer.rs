//! The issuer behind the gate's own API: its work is done on the control runtime, and a worker only waits for the answer.

use std::pin::Pin;

use bytes::Bytes;
use callgate_gateway::{Local, Visitor};
use callgate_identity::Registry;
use callgate_issuer::Issuer;
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;

/// The issuer, and where it works.
#[derive(Debug)]
pub(super) struct OwnIssuer {
    issuer: Issuer,
    control: Handle,
}

// === impl OwnIssuer ===

impl OwnIssuer {
    /// Over this registry, on the runtime that this is called on.
    pub(super) fn new(registry: Registry) -> OwnIssuer {
        OwnIssuer { issuer: Issuer::new(registry), control: Handle::current() }
    }
}

impl Local for OwnIssuer {
    fn answer(
        &self,
        request: Request<Bytes>,
        visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        let issuer = self.issuer.clone();
        let Visitor { address, authority } = visitor;
        let visitor = callgate_issuer::Visitor { address, authority };
        // Whoever stops waiting does not stop the act: a token that is on the disk may as well be told of.
        let working = self.control.spawn(async move { issuer.answer(request, visitor).await });
        Box::pin(async move {
            working.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the issuer broke off; this is a defect");
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            })
        })
    }
}
