//! HTTP/2 with prior knowledge, by hyper's own client.

use std::time::Duration;

use hyper::client::conn::http2 as client;
use tokio::time::{Instant, sleep};

use super::*;

type Sender = client::SendRequest<Full<Bytes>>;

async fn connect(scene: Scene) -> (Sender, Rc<RefCell<Vec<String>>>, Drain, JoinHandle<Result<(), hyper::Error>>) {
    let Scene { client, calls, drain, served } = scene;
    let (sender, connection) = client::handshake(LocalExecutor, TokioIo::new(client)).await.unwrap();
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

#[test]
fn half_a_preface_is_a_faulty_request() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        scene.client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").await.unwrap();
        assert!(scene.hear_all().await.starts_with("HTTP/1.1 400"));
        assert!(scene.calls().starts_with("fault: "), "{}", scene.calls());
    });
}
