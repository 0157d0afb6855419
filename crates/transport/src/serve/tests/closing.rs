//! How connections end.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use http_body_util::StreamBody;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::*;
use crate::greet::greet;

/// Answers at once and reads no body.
fn refuse() -> (String, Response<TestBody>) {
    ("refused".to_owned(), text(401, "who are you?".to_owned()))
}

/// Sees whether a call was given up.
struct Watch(Rc<Cell<bool>>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_client_that_goes_away_ends_its_call() {
    run(async {
        for pipelined in ["", "GET /held HTTP/1.1\r\nHost: h\r\n\r\n"] {
            let dropped = Rc::new(Cell::new(false));
            let watch = dropped.clone();
            let mut scene = Scene::with(Timing::default(), move |_request, _inspected| {
                let watch = Watch(watch.clone());
                async move {
                    sleep(Duration::from_secs(1000)).await;
                    drop(watch);
                    refuse()
                }
            });
            let input = format!("GET /a HTTP/1.1\r\nHost: h\r\n\r\n{pipelined}");
            scene.client.write_all(input.as_bytes()).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            assert!(!dropped.get());
            drop(scene.client);
            scene.served.await.unwrap().unwrap_err();
            assert!(dropped.get());
            assert_eq!(scene.calls.borrow().len(), 0);
        }
    });
}

#[test]
fn an_unread_body_closes_the_connection_unless_it_is_small_and_here() {
    run(async {
        let refusing = || Scene::with(Timing::default(), |_request, _inspected| async { refuse() });
        let mut scene = refusing();
        let small = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        for _ in 0..3 {
            scene.client.write_all(small).await.unwrap();
            let heard = scene.hear_one().await;
            assert!(!heard.contains("connection: close"), "{heard}");
        }
        let large = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\nhello";
        scene.client.write_all(large).await.unwrap();
        let heard = scene.hear_one().await;
        assert!(heard.contains("connection: close"), "{heard}");

        let mut scene = refusing();
        let expecting = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
        scene.client.write_all(expecting).await.unwrap();
        let heard = scene.hear_one().await;
        assert!(heard.starts_with("HTTP/1.1 401") && heard.contains("connection: close"), "{heard}");
    });
}

#[test]
fn continue_is_said_when_the_body_is_wanted() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        let expecting = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
        scene.client.write_all(expecting).await.unwrap();
        let mut heard = [0; 25];
        scene.client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"HTTP/1.1 100 Continue\r\n\r\n");
        scene.client.write_all(b"hello").await.unwrap();
        assert!(scene.hear_one().await.starts_with("HTTP/1.1 200"));
        assert_eq!(scene.calls(), "POST /p \"hello\" 0 trailers");
    });
}

#[test]
fn a_response_body_that_fails_breaks_the_connection() {
    run(async {
        let mut scene = Scene::with(Timing::default(), |_request, _inspected| async {
            let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"half"))), Err(BoxError::from("broken"))];
            let body = StreamBody::new(Frames(frames.into_iter().collect())).boxed_unsync();
            (String::new(), Response::new(body))
        });
        scene.client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let heard = scene.hear_all().await;
        assert!(!heard.ends_with("0\r\n\r\n"), "{heard}");
        scene.served.await.unwrap().unwrap_err();
    });
}

/// A stream of prepared frames.
struct Frames(std::collections::VecDeque<Result<http_body::Frame<Bytes>, BoxError>>);

impl futures_core::Stream for Frames {
    type Item = Result<http_body::Frame<Bytes>, BoxError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[test]
fn a_drain_ends_connections_with_their_next_answer_and_leaves_silent_ones() {
    run(async {
        let go = Rc::new(Notify::new());
        let wait = go.clone();
        let mut scene = Scene::with(Timing::default(), move |_request, _inspected| {
            let wait = wait.clone();
            async move {
                wait.notified().await;
                refuse()
            }
        });
        go.notify_one();
        scene.client.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        scene.hear_one().await;
        assert_eq!(scene.drain.open(), 1);

        scene.client.write_all(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        sleep(Duration::from_secs(1)).await;
        scene.drain.begin();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.drain.open(), 1);
        go.notify_one();
        let heard = scene.hear_all().await;
        assert!(heard.starts_with("HTTP/1.1 401") && heard.contains("connection: close"), "{heard}");
        scene.drain.finished().await;

        for before in [0, 1] {
            let mut idle = Scene::new(Timing::default());
            for _ in 0..before {
                idle.client.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
                idle.hear_one().await;
            }
            idle.drain.begin();
            sleep(Duration::from_secs(20)).await;
            idle.client.write_all(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
            let heard = idle.hear_all().await;
            assert!(heard.starts_with("HTTP/1.1 200") && heard.contains("connection: close"), "{heard}");
            idle.drain.finished().await;
        }
    });
}

/// It sent another request behind the one that was answered last, reads the end, and neither sends more nor closes.
#[test]
fn a_client_that_stays_silent_behind_its_last_answer_is_waited_for_a_moment() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        scene.drain.begin();
        let pipelined = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
        scene.client.write_all(pipelined).await.unwrap();
        let heard = scene.hear_all().await;
        assert_eq!((heard.matches("HTTP/1.1 200").count(), heard.contains("connection: close")), (1, true), "{heard}");
        let ended = Instant::now();
        scene.drain.finished().await;
        assert_eq!(ended.elapsed().as_secs(), bounds::LINGER_QUIET_TIME_MAX.as_secs());
    });
}

#[test]
fn a_client_that_is_still_sending_is_given_longer() {
    run(async {
        let mut scene = Scene::with(Timing::default(), |_request, _inspected| async { refuse() });
        let large = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\nhello";
        scene.client.write_all(large).await.unwrap();
        assert!(scene.hear_one().await.starts_with("HTTP/1.1 401"));
        let answered = Instant::now();
        for _ in 1..bounds::LINGER_TIME_MAX.as_secs() {
            sleep(Duration::from_secs(1)).await;
            scene.client.write_all(b"more").await.unwrap();
        }
        assert_eq!(scene.drain.open(), 1);
        scene.drain.finished().await;
        assert_eq!(answered.elapsed().as_secs(), bounds::LINGER_TIME_MAX.as_secs());
    });
}

#[test]
fn silent_connections_are_closed_when_the_drain_says_so() {
    run(async {
        let mut idle = Scene::new(Timing::default());
        idle.client.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        idle.hear_one().await;
        idle.drain.begin();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(idle.drain.open(), 1);
        idle.drain.close_idle();
        assert_eq!(idle.hear_all().await, "");
        idle.drain.finished().await;
    });
}

/// Real sockets, because only a kernel sends resets.
#[test]
fn a_refusal_reaches_a_client_that_first_sends_all_of_its_20_mib() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async {
        for chunked in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::thread::spawn(move || {
                let mut client = StdStream::connect(address).unwrap();
                let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 20971520" };
                write!(client, "POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n").unwrap();
                let megabyte = vec![b'a'; 1 << 20];
                for _ in 0..20 {
                    if chunked {
                        client.write_all(b"100000\r\n").unwrap();
                    }
                    client.write_all(&megabyte).unwrap();
                    if chunked {
                        client.write_all(b"\r\n").unwrap();
                    }
                }
                let mut heard = String::new();
                client.read_to_string(&mut heard).unwrap();
                heard
            });
            let (socket, _) = listener.accept().await.unwrap();
            let timing = Timing::default();
            let greeted = greet(socket, None, &timing).await.unwrap();
            let call = |_request, _inspected| async { Ok(refuse().1) };
            Server::new(timing).serve(greeted, Drain::new().enter(), call).await.unwrap();
            let heard = tokio::task::spawn_blocking(|| client.join().unwrap()).await.unwrap();
            assert!(heard.starts_with("HTTP/1.1 401") && heard.ends_with("who are you?\n"), "{heard}");
        }
    }));
}
