//! A pool against servers that answer by script, on real sockets.

mod answers;
mod http2;
mod requests;
mod room;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::task::LocalSet;

use super::*;
use crate::BoxError;
use crate::http1::BodyFault;

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// A server that does the same on every connection: for each answer, reads one request and writes the answer. After the
/// last it closes. It says the number of every connection it has closed.
struct Script {
    server: Server,
    closed: Receiver<usize>,
}

impl Script {
    fn new(answers: &[&str]) -> Script {
        Script::with_idle(answers, Duration::from_secs(60))
    }

    fn with_idle(answers: &[&str], idle: Duration) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (closes, closed) = channel();
        let answers: Arc<[String]> = answers.iter().map(ToString::to_string).collect();
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let (closes, answers) = (closes.clone(), answers.clone());
                std::thread::spawn(move || {
                    serve(connection.unwrap(), &answers);
                    closes.send(number).ok();
                });
            }
        });
        Script { server: Server::new("127.0.0.1", port, None, idle), closed }
    }
}

fn serve(mut connection: TcpStream, answers: &[String]) {
    for answer in answers {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match connection.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn get() -> Request<TestBody> {
    let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
    Request::get("/p").header("host", "h").body(body).unwrap()
}

/// One call, read to its end: status, body, and on which attempt.
async fn call(pool: &Pool, script: &Script) -> String {
    match pool.send(&script.server, get()).await {
        Ok(Sent { response, reused, attempts }) => {
            let status = response.status().as_u16();
            let body = match response.into_body().collect().await {
                Ok(body) => String::from_utf8(body.to_bytes().to_vec()).unwrap(),
                Err(error) => format!("({error})"),
            };
            format!("{status} {body} reused={reused} attempts={attempts}")
        }
        Err(Failure { error, .. }) => format!("{:?} {:?} retry_safe={}", error.kind, error.side(), error.retry_safe),
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test))
}

/// Calls, one after the other.
fn check<const CALLS: usize>(answers: &[&str], expect: [&str; CALLS]) {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(answers));
        for (number, expect) in expect.iter().enumerate() {
            assert_eq!(call(&pool, &script).await, *expect, "call {number}");
        }
    });
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn connections_are_kept_whatever_ends_the_response() {
    let answers = &[
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
        OK,
    ];
    run(async {
        let (pool, script) = (Pool::new(), Script::new(answers));
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
        assert_eq!(call(&pool, &script).await, "204  reused=true attempts=1");
        assert_eq!(call(&pool, &script).await, "200 ok reused=true attempts=1");
        assert_eq!(pool.stats(), PoolStats { open: 1, idle: 1, opened: 1, reused: 2 });
        assert_eq!(call(&pool, &script).await, "200 ok reused=true attempts=1");
    });
}

#[test]
fn calls_at_the_same_time_have_connections_of_their_own() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&[OK, OK]));
        tokio::join!(call(&pool, &script), call(&pool, &script), call(&pool, &script));
        assert_eq!(pool.stats(), PoolStats { open: 3, idle: 3, opened: 3, reused: 0 });
    });
}

#[test]
fn an_informational_response_is_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    check(
        &[answer, OK, OK],
        ["200 ok reused=false attempts=1", "200 ok reused=true attempts=1", "200 ok reused=true attempts=1"],
    );
}

#[test]
fn what_comes_after_the_content_length_never_reaches_another_call() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    check(&[answer, OK, OK], ["200 ok reused=false attempts=1"; 3]);
}

#[test]
fn a_response_shorter_than_its_content_length_is_an_error_of_its_body() {
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"],
        ["200 (the upstream closed the connection in the middle of its answer) reused=false attempts=1"; 3],
    );
}

#[test]
fn a_response_up_to_the_end_of_the_connection_is_whole() {
    check(&["HTTP/1.1 200 OK\r\n\r\nall of it"], ["200 all of it reused=false attempts=1"; 3]);
}

#[test]
fn answers_that_are_none() {
    check(&["garbage\r\n\r\n"], ["Invalid Upstream retry_safe=false"; 3]);
    check(&["SSH-2.0-OpenSSH_9.0\r\n"], ["Invalid Upstream retry_safe=false"; 3]);
    check(&["HTTP/2 200\r\n"], ["Invalid Upstream retry_safe=false"; 3]);
    check(&["HTTP/1.1 20 OK\r\n\r\n"], ["Invalid Upstream retry_safe=false"; 3]);
    check(&["HTTP/1.1 099 Odd\r\n\r\n"], ["Invalid Upstream retry_safe=false"; 3]);
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
        ["Invalid Upstream retry_safe=false"; 3],
    );
    check(&["HTTP/1.1 101 Switching Protocols\r\n\r\n"], ["Switched Upstream retry_safe=false"; 3]);
    check(&[""], ["Closed Upstream retry_safe=false"; 3]);
    check(&["HT"], ["Closed Upstream retry_safe=false"; 3]);
    check(&["HTTP/1.1 200"], ["Closed Upstream retry_safe=false"; 3]);
}

#[test]
fn interim_answers_have_an_end() {
    let interim = |count| "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count);
    check(&[&(interim(16) + OK)], ["200 ok reused=false attempts=1"]);
    check(&[&interim(1_000_000)], ["Invalid Upstream retry_safe=false"]);
}

#[test]
fn two_ways_to_say_a_length_cost_the_connection() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    check(&[answer, OK], ["200 ok reused=false attempts=1"; 2]);
}

#[test]
fn a_large_answer_comes_whole_and_leaves_a_small_buffer() {
    let body = "0123456789".repeat(10 << 10);
    let piece = "0123456789".repeat(100);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunks = format!("3e8\r\n{piece}\r\n").repeat(100);
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let whole = piece.repeat(100);
    check(
        &[&answer, &chunked, OK],
        [
            &format!("200 {body} reused=false attempts=1"),
            &format!("200 {whole} reused=true attempts=1"),
            "200 ok reused=true attempts=1",
        ],
    );
}

#[test]
fn a_head_of_ten_mib_is_refused_after_its_bound() {
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(10 << 20));
    check(&[&answer], ["HeadTooLarge Upstream retry_safe=false"; 3]);
}

#[test]
fn two_hundred_fields_are_not_too_many() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "Set-Cookie: a=b\r\n".repeat(200));
    // One call: whether the next one finds the connection closed already is a matter of microseconds here.
    check(&[&answer], ["200  reused=false attempts=1"]);
}

#[test]
fn a_server_that_is_not_there_is_safe_to_retry() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    run(async {
        let server = Server::new("127.0.0.1", port, None, Duration::from_secs(1));
        let error = Pool::new().send(&server, get()).await.unwrap_err().error;
        assert_eq!((error.kind, error.retry_safe), (Kind::Connect, true));
    });
}

#[test]
fn names_are_looked_up_and_every_address_is_tried() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&[OK]));
        // `localhost` is often ::1 first, where nobody listens.
        let server = Server::new("localhost", script.server.port(), None, Duration::from_secs(1));
        assert_eq!(pool.send(&server, get()).await.unwrap().response.status(), 200);
    });
}

#[test]
fn a_connection_closed_while_it_was_kept_costs_the_call_nothing() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (close, closing) = channel();
        let (closes, closed) = channel();
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            connection.read_exact(&mut [0; 4]).unwrap();
            connection.write_all(OK.as_bytes()).unwrap();
            closing.recv().unwrap();
            connection.shutdown(std::net::Shutdown::Both).unwrap();
            closes.send(0).unwrap();
            serve(listener.accept().unwrap().0, &[OK.to_owned()]);
        });
        let server = Server::new("127.0.0.1", port, None, Duration::from_secs(60));
        let (pool, script) = (Pool::new(), Script { server, closed });
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
        // Waited for without letting the runtime run: the pool can't have noticed when the next call begins.
        close.send(()).unwrap();
        assert_eq!(script.closed.recv().unwrap(), 0);
        std::thread::sleep(2 * super::pool::RESTED);
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=2");
    });
}

#[test]
fn a_body_that_nobody_reads_to_its_end_closes_its_connection() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", OK]));
        let sent = pool.send(&script.server, get()).await.unwrap();
        drop(sent);
        tokio::task::spawn_blocking(move || script.closed.recv().unwrap()).await.unwrap();
        assert_eq!(pool.stats(), PoolStats { open: 0, idle: 0, opened: 1, reused: 0 });
    });
}

#[test]
fn a_call_given_up_before_its_answer_closes_its_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::new("127.0.0.1", listener.local_addr().unwrap().port(), None, Duration::from_secs(60));
        let pool = Pool::new();
        let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let silent = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            connection.read_exact(&mut [0; 4]).unwrap();
            asked.send(()).unwrap();
            connection.read_to_end(&mut Vec::new()).unwrap();
        });
        tokio::select! {
            _ = pool.send(&server, get()) => panic!("answered"),
            heard = heard.recv() => heard.unwrap(),
        }
        tokio::task::spawn_blocking(|| silent.join().unwrap()).await.unwrap();
        assert_eq!(pool.stats().open, 0);
    });
}

#[test]
fn a_connection_is_not_used_after_its_idle_time() {
    run(async {
        let (pool, script) = (Pool::new(), Script::with_idle(&[OK, OK], Duration::ZERO));
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
    });
}

#[test]
fn idle_connections_are_closed_and_forgotten() {
    run(async {
        let (pool, script) = (Pool::new(), Script::with_idle(&[OK, OK], Duration::from_millis(1)));
        assert_eq!(call(&pool, &script).await, "200 ok reused=false attempts=1");
        let closed = tokio::task::spawn_blocking(move || script.closed.recv().unwrap());
        assert_eq!(closed.await.unwrap(), 0);
        assert_eq!(pool.stats(), PoolStats { open: 0, idle: 0, opened: 1, reused: 0 });
    });
}

#[test]
fn a_request_body_that_breaks_off_is_the_clients_failure() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&[]));
        let fault = BodyFault::TooSlow { bytes: 1, waited: Duration::ZERO };
        let error: BoxError = std::io::Error::new(std::io::ErrorKind::TimedOut, fault).into();
        let mut frames = vec![Err(error), Ok(Frame::data(Bytes::from_static(b"a")))];
        let body = StreamBody::new(futures_stream(move || frames.pop())).boxed_unsync();
        let request = Request::post("/p").header("host", "h").body(body).unwrap();
        let error = pool.send(&script.server, request).await.unwrap_err().error;
        assert_eq!((error.kind, error.side(), error.retry_safe), (Kind::RequestBody, Side::Client, false));
        assert!(matches!(BodyFault::find(&error), Some(BodyFault::TooSlow { bytes: 1, .. })));
    });
}

fn futures_stream<T: Unpin>(next: impl FnMut() -> Option<T> + Unpin) -> impl futures_core::Stream<Item = T> {
    struct Stream<F>(F);
    impl<T, F: FnMut() -> Option<T> + Unpin> futures_core::Stream for Stream<F> {
        type Item = T;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            std::task::Poll::Ready((self.0)())
        }
    }
    Stream(next)
}

#[test]
fn equal_servers_share_connections_and_others_do_not() {
    let one = Server::new("[::1]", 80, None, Duration::from_secs(4));
    assert_eq!(one, Server::new("::1", 80, None, Duration::from_secs(4)));
    assert_ne!(one, Server::new("::1", 81, None, Duration::from_secs(4)));
    assert_eq!(one.to_string(), "http://[::1]:80");
}

/// The gateway counts on this: a response without a body is known to have none.
#[test]
fn an_empty_response_ends_at_once() {
    run(async {
        let (pool, script) = (Pool::new(), Script::new(&["HTTP/1.1 204 No Content\r\n\r\n"]));
        let sent = pool.send(&script.server, get()).await.unwrap();
        assert!(sent.response.body().is_end_stream());
    });
}
