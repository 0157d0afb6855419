//! Scripts of bytes against one served connection, and what the service and the client saw.

mod agreement;
mod closing;
mod http2;
mod slow;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::*;
use crate::greet::sniff;
use crate::http1::BodyFault;

/// A client's end of a served connection, and what the service was called with.
struct Scene {
    client: DuplexStream,
    calls: Rc<RefCell<Vec<String>>>,
    drain: Drain,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Scene {
    /// The service reads every body and answers with what it saw.
    fn new(timing: Timing) -> Scene {
        Scene::with(timing, |request, inspected| async move {
            let (status, said) = say(request, inspected).await;
            (said.clone(), text(status, said))
        })
    }

    fn with<F, Fut>(timing: Timing, answer: F) -> Scene
    where
        F: Fn(Request<RequestBody>, Inspected) -> Fut + 'static,
        Fut: Future<Output = (String, Response<TestBody>)> + 'static,
    {
        let (client, server) = duplex(64 * 1024);
        let calls = Rc::new(RefCell::new(Vec::new()));
        let drain = Drain::new();
        let (log, draining, answer) = (calls.clone(), drain.clone(), Rc::new(answer));
        let served = spawn_local(async move {
            let Ok(greeted) = sniff(server, None, &timing).await else { return Ok(()) };
            let call = move |request, inspected| {
                let (log, answer) = (log.clone(), answer.clone());
                async move {
                    let (said, response) = answer(request, inspected).await;
                    log.borrow_mut().push(said);
                    Ok(response)
                }
            };
            Server::new(timing).serve(greeted, draining.enter(), call).await
        });
        Scene { client, calls, drain, served }
    }

    /// Everything that the client hears until the connection is closed.
    async fn hear_all(&mut self) -> String {
        let mut heard = Vec::new();
        self.client.read_to_end(&mut heard).await.ok();
        String::from_utf8(heard).unwrap()
    }

    /// The next response, by its Content-Length.
    async fn hear_one(&mut self) -> String {
        let mut heard = Vec::new();
        loop {
            let text = String::from_utf8(heard.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return text;
                }
            }
            heard.push(self.client.read_u8().await.expect("a whole response"));
        }
    }

    fn calls(&self) -> String {
        self.calls.borrow().join("\n")
    }
}

/// The bodies of these tests switch to nothing.
impl Answering for TestBody {}

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

fn text(status: u16, said: String) -> Response<TestBody> {
    let body = Full::new(Bytes::from(said + "\n")).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

async fn say(request: Request<RequestBody>, inspected: Inspected) -> (u16, String) {
    match inspected {
        Inspected::Fault(fault) => return (400, format!("fault: {fault}")),
        Inspected::TooSlow => return (408, "too slow".to_owned()),
        Inspected::Whole => {}
    }
    let said = format!("{} {}", request.method(), request.uri().path());
    match request.into_body().collect().await {
        Ok(body) => {
            let trailers = body.trailers().map_or(0, http::HeaderMap::len);
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            (200, format!("{said} {body:?} {trailers} trailers"))
        }
        Err(error) => match BodyFault::find(error.as_ref()) {
            Some(BodyFault::Framing(fault)) => (400, format!("{said} broken: {fault}")),
            Some(BodyFault::TooSlow { bytes, .. }) => (408, format!("{said} too slow after {bytes} bytes")),
            None => (499, format!("{said} gone")),
        },
    }
}

/// Runs a test inside a `LocalSet`, with a clock that jumps whenever everybody waits.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test));
}

/// Sends the input and reads to the end; what the service was called with, a line per call, and each answer's status.
async fn outcome(pieces: &[&[u8]]) -> String {
    let mut scene = Scene::new(Timing::default());
    for piece in pieces {
        // The rest of an input after a fault may find nobody who reads it.
        scene.client.write_all(piece).await.ok();
        for _ in 0..4 {
            yield_now().await;
        }
    }
    let heard = scene.hear_all().await;
    let statuses: Vec<&str> = heard.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    format!("{}\n{}", scene.calls(), statuses.join(", "))
}

const PIPELINE: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n\
    POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\r\n\
    POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n\
    3;x=y\r\nabc\r\n5\r\n\r\nX\r\n\r\n0\r\nDigest: 1\r\n\r\n\
    GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

const PIPELINE_OUTCOME: &str = "GET /a \"\" 0 trailers\n\
    POST /b \"hello\" 0 trailers\n\
    POST /c \"abc\\r\\nX\\r\\n\" 1 trailers\n\
    GET /d \"\" 0 trailers\n\
    200 OK, 200 OK, 200 OK, 200 OK";

#[test]
fn pipelined_requests_are_served_one_after_the_other() {
    run(async { assert_eq!(outcome(&[PIPELINE]).await, PIPELINE_OUTCOME) });
}

#[test]
fn any_split_of_the_same_bytes_gives_the_same_calls() {
    run(async {
        for at in 1..PIPELINE.len() {
            let (one, two) = PIPELINE.split_at(at);
            assert_eq!(outcome(&[one, two]).await, PIPELINE_OUTCOME, "split at {at}");
        }
        let bytes: Vec<&[u8]> = PIPELINE.chunks(1).collect();
        assert_eq!(outcome(&bytes).await, PIPELINE_OUTCOME);
    });
}

#[test]
fn a_faulty_head_is_one_call_and_what_follows_it_none() {
    let heads: &[&[u8]] = &[
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
    ];
    run(async {
        for head in heads {
            let input = [head, b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n".as_slice()].concat();
            let outcome = outcome(&[&input]).await;
            assert!(outcome.starts_with("fault: ") && outcome.ends_with("\n400 Bad Request"), "{head:?}: {outcome}");
            assert_eq!(outcome.lines().count(), 2, "{head:?}: {outcome}");
        }
    });
}

#[test]
fn a_fault_behind_good_requests_spares_them() {
    run(async {
        let good = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
        let outcome = outcome(&[&[good, b"GET /b HTTP/1.1\nHost: h\n\n"].concat()]).await;
        assert!(outcome.starts_with("GET /a \"\" 0 trailers\nfault: "), "{outcome}");
        assert!(outcome.ends_with("\n200 OK, 400 Bad Request"), "{outcome}");
    });
}

#[test]
fn a_head_over_the_bound_is_refused_before_it_ends() {
    run(async {
        let head = [b"GET / HTTP/1.1\r\nHost: h\r\nX: ".as_slice(), &[b'a'; 70_000]].concat();
        let outcome = outcome(&[&head]).await;
        assert!(outcome.starts_with("fault: the request head has too many bytes"), "{outcome}");
    });
}

#[test]
fn half_a_head_is_answered_too() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        scene.client.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        scene.client.shutdown().await.unwrap();
        assert!(scene.hear_all().await.starts_with("HTTP/1.1 400"));
        assert_eq!(scene.calls(), "fault: the connection ended in the middle of a head");
    });
}

#[test]
fn broken_chunks_end_the_body_with_a_fault_and_the_connection_with_the_answer() {
    run(async {
        let input = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabcGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let outcome = outcome(&[input]).await;
        assert!(outcome.starts_with("POST /c broken: a chunk does not end in CR LF"), "{outcome}");
        assert!(outcome.ends_with("\n400 Bad Request"), "{outcome}");
    });
}

#[test]
fn a_large_head_arrives_whole() {
    run(async {
        let value = "a".repeat(30_000);
        let head = format!("GET /a HTTP/1.1\r\nHost: h\r\nX: {value}\r\nY: {value}\r\nConnection: close\r\n\r\n");
        assert_eq!(outcome(&[head.as_bytes()]).await, "GET /a \"\" 0 trailers\n200 OK");
    });
}
