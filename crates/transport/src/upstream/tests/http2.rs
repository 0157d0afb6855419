//! The pool against servers that speak HTTP/2 by script.

mod lifetimes;
mod server;
mod streams;

use http::{HeaderMap, HeaderValue};

use self::server::Http2Server;
use super::*;

/// Sends one and reads its answer to the end: status, body, trailers, and over which connection.
async fn say(pool: &Pool, server: &Server, request: Request<TestBody>) -> String {
    match pool.send(server, request).await {
        Ok(Sent { response, reused, attempts }) => {
            let status = response.status().as_u16();
            match response.into_body().collect().await {
                Ok(body) => {
                    let trailers = body.trailers().map(|fields| format!(" {fields:?}")).unwrap_or_default();
                    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
                    format!("{status} {text}{trailers} reused={reused} attempts={attempts}")
                }
                Err(error) => format!("{status} ({error})"),
            }
        }
        Err(failure) => format!("{:?} retry_safe={}", failure.error.kind, failure.error.retry_safe),
    }
}

/// A request whose body is sent piece by piece, as a channel gives them.
fn streaming(method: &str) -> (tokio::sync::mpsc::UnboundedSender<Frame<Bytes>>, Request<TestBody>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let frames = Frames(Box::new(move |context| receiver.poll_recv(context)));
    let body = frames.boxed_unsync();
    (sender, Request::builder().method(method).uri("/p").header("host", "h").body(body).unwrap())
}

type PollFrame = dyn FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Frame<Bytes>>> + Send;

struct Frames(Box<PollFrame>);

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        (self.0)(context).map(|frame| frame.map(Ok))
    }
}

fn trailer(name: &'static str, value: &'static str) -> HeaderMap {
    [(http::HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
}
