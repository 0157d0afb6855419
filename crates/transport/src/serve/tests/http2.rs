//! HTTP/2 with prior knowledge, by hyper's own client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::client::conn::http2 as client;
use tokio::time::{Instant, sleep};

use super::*;

type Sender = client::SendRequest<Full<Bytes>>;

async fn connect(scene: Scene) -> (Sender, Rc<RefCell<Vec<String>>>, Drain, JoinHandle<Result<(), ServeError>>) {
    let Scene { client, calls, drain, served } = scene;
    let (sender, connection) = client::handshake(LocalExecutor::default(), TokioIo::new(client)).await.unwrap();
    spawn_local(connection);
    (sender, calls, drain, served)
}

fn post(path: &str) -> Request<Full<Bytes>> {
    Request::post(format!("http://h{path}")).body(Full::new(Bytes::from_static(b"hello"))).unwrap()
}

#[test]
fn calls_come_to_the_same_service() {
    run(async {
        let (mut sender, calls, ..) = connect(Scene::new(Timing::default())).await;
        let (one, two) = tokio::join!(sender.clone().send_request(post("/a")), sender.send_request(post("/b")));
        assert_eq!((one.unwrap().status(), two.unwrap().status()), (200.try_into().unwrap(), 200.try_into().unwrap()));
        assert_eq!(calls.borrow().join("\n"), "POST /a \"hello\" 0 trailers\nPOST /b \"hello\" 0 trailers");
    });
}

#[test]
fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    run(async {
        let (mut sender, _, _, served) = connect(Scene::new(Timing::default())).await;
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            sender.send_request(post("/a")).await.unwrap().into_body().collect().await.unwrap();
        }
        let start = Instant::now();
        // hyper's client drops its socket on GOAWAY, so the last write may fail.
        served.await.unwrap().ok();
        assert_eq!(start.elapsed().as_secs(), 75);
    });
}

#[test]
fn a_drain_lets_streams_finish() {
    run(async {
        let scene = Scene::with(Timing::default(), |_request, _inspected| async {
            sleep(Duration::from_secs(5)).await;
            (String::new(), text(200, "done".to_owned()))
        });
        let (mut sender, _, drain, served) = connect(scene).await;
        let call = spawn_local(sender.send_request(post("/a")));
        sleep(Duration::from_secs(1)).await;
        drain.begin();
        let body = call.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "done\n");
        served.await.unwrap().ok();
        assert_eq!(drain.open(), 0);
    });
}

/// Answered before it was read, its rest neither comes nor ends.
#[test]
fn a_request_that_stands_still_behind_its_answer_holds_a_drain_up_for_a_moment() {
    run(async {
        let scene = Scene::with(Timing::default(), |_request, _inspected| async {
            (String::new(), text(401, "who are you?".to_owned()))
        });
        let Scene { client, drain, served, .. } = scene;
        let (mut sender, connection) = client::handshake(LocalExecutor::default(), TokioIo::new(client)).await.unwrap();
        spawn_local(connection);
        let (_held, body) = tokio::sync::mpsc::channel::<Bytes>(1);
        let response = sender.send_request(Request::post("http://h/p").body(Trickle(body)).unwrap()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "who are you?\n");
        let answered = Instant::now();
        drain.begin();
        served.await.unwrap().ok();
        assert_eq!(drain.open(), 0);
        assert_eq!(answered.elapsed().as_secs(), bounds::LINGER_QUIET_TIME_MAX.as_secs());
    });
}

#[test]
fn a_connection_that_comes_during_a_drain_has_its_first_call_answered() {
    run(async {
        for pause in [0, 20] {
            let scene = Scene::new(Timing::default());
            scene.drain.begin();
            let (mut sender, _, drain, served) = connect(scene).await;
            sleep(Duration::from_secs(pause)).await;
            sender.send_request(post("/a")).await.unwrap().into_body().collect().await.unwrap();
            served.await.unwrap().ok();
            assert_eq!(drain.open(), 0);
            sender.ready().await.unwrap_err();
        }
    });
}

#[test]
fn half_a_preface_is_a_faulty_request() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        scene.client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").await.unwrap();
        assert!(scene.hear_all().await.starts_with("HTTP/1.1 400"));
        assert!(scene.calls().starts_with("fault: "), "{}", scene.calls());
    });
}

/// Sees whether a body was dropped, and never ends.
struct Endless(Arc<AtomicBool>);

impl Answering for Endless {}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_response_that_nobody_reads_is_dropped_and_its_neighbours_are_not() {
    run(async {
        let dropped = Arc::new(AtomicBool::new(false));
        let watch = dropped.clone();
        let scene = Scene::with(Timing::default(), move |request, _inspected| {
            let body = match request.uri().path() {
                "/endless" => Endless(watch.clone()).boxed_unsync(),
                _ => text(200, "quick".to_owned()).into_body(),
            };
            async { (String::new(), Response::new(body)) }
        });
        let (mut sender, ..) = connect(scene).await;
        let unread = sender.send_request(post("/endless")).await.unwrap();
        for _ in 0..15 {
            sleep(Duration::from_secs(10)).await;
            let quick = sender.send_request(post("/quick")).await.unwrap();
            assert_eq!(quick.into_body().collect().await.unwrap().to_bytes(), "quick\n");
        }
        assert!(dropped.load(Ordering::Relaxed));
        assert!(unread.into_body().collect().await.is_err());
    });
}

#[test]
fn a_body_that_trickles_is_a_timeout_here_too() {
    run(async {
        let timing = Timing::default();
        let scene = Scene::with(timing, move |request, _inspected| async move {
            let error = request.into_body().collect().await.unwrap_err();
            let slow = matches!(BodyFault::find(error.as_ref()), Some(BodyFault::TooSlow { .. }));
            (format!("slow: {slow}"), text(408, String::new()))
        });
        let Scene { client, calls, drain: _drain, served: _served } = scene;
        let (mut sender, connection) = client::handshake(LocalExecutor::default(), TokioIo::new(client)).await.unwrap();
        spawn_local(connection);
        let (bytes, body) = tokio::sync::mpsc::channel::<Bytes>(1);
        let request = Request::post("http://h/p").body(Trickle(body)).unwrap();
        let start = Instant::now();
        let call = spawn_local(sender.send_request(request));
        while !call.is_finished() {
            bytes.send(Bytes::from_static(&[b'a'; 100])).await.ok();
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(call.await.unwrap().unwrap().status(), 408);
        assert!((20..=22).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(calls.borrow().join(""), "slow: true");
    });
}

/// A body of what comes through a channel.
struct Trickle(tokio::sync::mpsc::Receiver<Bytes>);

impl Answering for Trickle {}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}
