//! What reaches the server, and answers that come before it has.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Script;
use super::{OK, Pool, PoolStats, Server, TestBody, call, futures_stream, run, serve};
use crate::BoxError;

/// One connection, served by `answer`.
fn server<T: Send + 'static>(answer: impl FnOnce(TcpStream) -> T + Send + 'static) -> (Server, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || answer(listener.accept().unwrap().0));
    (Server::new("127.0.0.1", port, None, Duration::from_secs(60)), served)
}

fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

/// A body in these frames, of unknown length.
fn frames(frames: Vec<Frame<Bytes>>) -> TestBody {
    let mut frames = frames.into_iter();
    StreamBody::new(futures_stream(move || frames.next().map(Ok::<_, BoxError>))).boxed_unsync()
}

/// A body that comes while the call is under way.
#[derive(Debug)]
struct Fed(UnboundedReceiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

fn whole(text: &'static str) -> TestBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

/// What a server receives, which begins to answer when it has seen `end`.
fn check(request: Builder, body: TestBody, end: &'static str, expect: &str) {
    let (server, served) = server(move |mut connection| {
        let received = read_until(&mut connection, end);
        connection.write_all(OK.as_bytes()).unwrap();
        received
    });
    run(async {
        let pool = Pool::new();
        let response = pool.send(&server, request.body(body).unwrap()).await.unwrap().response;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(pool.stats().idle, 1, "{expect}");
    });
    assert_eq!(served.join().unwrap(), expect);
}

#[test]
fn a_request_is_framed_by_what_is_known_of_its_body() {
    let end = "\r\n\r\n";
    check(Request::get("/a?b=c").header("Host", "h"), whole(""), end, "GET /a?b=c HTTP/1.1\r\nhost: h\r\n\r\n");
    check(Request::options("*"), whole(""), end, "OPTIONS * HTTP/1.1\r\n\r\n");
    check(Request::post("/"), whole(""), end, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    // A length that the body does not keep to would make the server wait for the next request's bytes.
    check(
        Request::put("/").header("Content-Length", "7"),
        whole(""),
        end,
        "PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    );
    check(Request::post("/"), whole("abc"), "abc", "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc");
    let abc = || frames(vec![Frame::data("a".into()), Frame::data("".into()), Frame::data("bc".into())]);
    check(
        Request::get("/").header("Content-Length", "3"),
        abc(),
        "bc",
        "GET / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
    );
    let chunks = "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
    check(Request::get("/"), abc(), "0\r\n\r\n", chunks);
    check(
        Request::get("/").header("Transfer-Encoding", "chunked").header("Content-Length", "9"),
        abc(),
        "0\r\n\r\n",
        chunks,
    );
}

#[test]
fn trailers_end_a_request_in_chunks() {
    let mut fields = http::HeaderMap::new();
    fields.insert("x-sum", http::HeaderValue::from_static("7"));
    check(
        Request::post("/").header("Trailer", "X-Sum"),
        frames(vec![Frame::data("a".into()), Frame::trailers(fields)]),
        "7\r\n\r\n",
        "POST / HTTP/1.1\r\ntrailer: X-Sum\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 7\r\n\r\n",
    );
}

#[test]
fn large_frames_arrive_whole() {
    for chunked in [false, true] {
        let (server, served) = server(move |mut connection| {
            let head = read_until(&mut connection, "\r\n\r\n");
            let mut body = String::new();
            if chunked {
                for _ in 0..5 {
                    let size = read_until(&mut connection, "\r\n");
                    assert_eq!(size, "30d40\r\n");
                    body += &read_until(&mut connection, "\r\n").replace("\r\n", "");
                }
                read_until(&mut connection, "0\r\n\r\n");
            } else {
                assert!(head.contains("content-length: 1000000"));
                let mut bytes = vec![0; 1_000_000];
                connection.read_exact(&mut bytes).unwrap();
                body = String::from_utf8(bytes).unwrap();
            }
            connection.write_all(OK.as_bytes()).unwrap();
            body
        });
        let pieces: Vec<String> = ["a", "b", "c", "d", "e"].iter().map(|letter| letter.repeat(200_000)).collect();
        run(async {
            let body = frames(pieces.iter().map(|piece| Frame::data(piece.clone().into())).collect());
            let mut request = Request::post("/");
            if !chunked {
                request = request.header("content-length", "1000000");
            }
            let pool = Pool::new();
            let response = pool.send(&server, request.body(body).unwrap()).await.unwrap().response;
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        });
        assert!(served.join().unwrap() == pieces.concat(), "chunked: {chunked}");
    }
}

#[test]
fn a_body_that_does_not_keep_to_its_length_is_not_sent_as_if_it_did() {
    for length in ["2", "4"] {
        let (server, served) = server(|mut connection| connection.read_to_end(&mut Vec::new()).ok());
        run(async {
            let request = Request::post("/").header("content-length", length);
            let request = request.body(frames(vec![Frame::data("abc".into())])).unwrap();
            let error = Pool::new().send(&server, request).await.unwrap_err().error;
            assert_eq!(error.kind, super::Kind::RequestBody);
        });
        served.join().unwrap();
    }
}

/// An echo: each half of the body must arrive before the server goes on with its answer.
#[test]
fn an_answer_may_begin_before_the_request_has_ended() {
    let (server, served) = server(|mut connection| {
        read_until(&mut connection, "one\r\n");
        connection.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
        read_until(&mut connection, "two\r\n");
        connection.write_all(b"3\r\ntwo\r\n").unwrap();
        read_until(&mut connection, "0\r\n\r\n");
        connection.write_all(b"0\r\n\r\n").unwrap();
        serve(connection, &[OK.to_owned()]);
    });
    run(async {
        let (sender, body) = unbounded_channel();
        let pool = Pool::new();
        sender.send(Bytes::from("one")).unwrap();
        let request = Request::post("/").body(Fed(body)).unwrap();
        let mut body = pool.send(&server, request).await.unwrap().response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        sender.send(Bytes::from("two")).unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
        drop(sender);
        assert!(body.frame().await.is_none());
        assert_eq!(pool.stats(), PoolStats { open: 1, idle: 1, opened: 1, reused: 0 });
        let request = Request::get("/").body(whole("")).unwrap();
        assert!(pool.send(&server, request).await.unwrap().reused);
    });
    served.join().unwrap();
}

/// An upload of 20 MiB to a server that reads none of it, refuses it and closes.
#[test]
fn a_refusal_in_the_middle_of_an_upload_is_heard() {
    let (server, served) = server(|mut connection| {
        read_until(&mut connection, "\r\n\r\n");
        connection.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut connection.take(1 << 20), &mut std::io::sink()).ok();
    });
    run(async {
        let pool = Pool::new();
        let body = frames((0..20).map(|_| Frame::data(vec![b'a'; 1 << 20].into())).collect());
        let response = pool.send(&server, Request::post("/").body(body).unwrap()).await.unwrap().response;
        assert_eq!(response.status(), 413);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "big");
        assert_eq!(pool.stats().idle, 0);
    });
    served.join().unwrap();
}

/// The rest of a request is sent for a moment after its answer, so that a server that drains it keeps its connection.
#[test]
fn a_connection_is_kept_if_the_rest_of_the_request_leaves_soon() {
    let (server, served) = server(|mut connection| {
        read_until(&mut connection, "\r\n\r\n");
        connection.write_all(OK.as_bytes()).unwrap();
        let mut body = vec![0; 1 << 20];
        connection.read_exact(&mut body).unwrap();
        serve(connection, &[OK.to_owned()]);
    });
    run(async {
        let pool = Pool::new();
        let (sender, body) = unbounded_channel();
        let request = Request::post("/").header("content-length", 1 << 20).body(Fed(body)).unwrap();
        let response = pool.send(&server, request).await.unwrap().response;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(pool.stats().idle, 0);
        sender.send(Bytes::from(vec![b'a'; 1 << 20])).unwrap();
        while pool.stats().idle == 0 {
            assert_eq!(pool.stats().open, 1, "it was closed");
            tokio::task::yield_now().await;
        }
        let request = Request::get("/").body(whole("")).unwrap();
        assert!(pool.send(&server, request).await.unwrap().reused);
    });
    served.join().unwrap();
}

/// A server that stopped reading holds neither the connection nor the caller's body.
#[test]
fn an_upload_that_nobody_reads_ends_with_its_answer() {
    let (server, served) = server(|mut connection| {
        read_until(&mut connection, "\r\n\r\n");
        connection.write_all(OK.as_bytes()).unwrap();
        connection
    });
    run(async {
        let pool = Pool::new();
        let (sender, body) = unbounded_channel();
        let request = Request::post("/").body(Fed(body)).unwrap();
        let response = pool.send(&server, request).await.unwrap().response;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        while pool.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(sender);
        assert_eq!(pool.stats(), PoolStats { open: 0, idle: 0, opened: 1, reused: 0 });
    });
    served.join().unwrap();
}

#[test]
fn a_request_that_says_it_is_the_last_one_is() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&[OK, OK]));
        let request = Request::get("/").header("connection", "close").body(whole("")).unwrap();
        let response = pool.send(&script.server, request).await.unwrap().response;
        response.into_body().collect().await.unwrap();
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
    });
}

/// It is copied several times on its way through a call.
#[test]
fn the_future_of_a_call_is_small() {
    let server = Server::new("127.0.0.1", 1, None, Duration::ZERO);
    let (pool, request) = (Pool::new(), Request::get("/").body(whole("")).unwrap());
    let own = size_of_val(&request) + size_of::<super::Sent<TestBody>>();
    let size = size_of_val(&pool.send(&server, request));
    assert!(size < 1024, "{size} bytes; {own} of them are the request and its answer");
    assert!(whole("").is_end_stream());
}
