//! Clients that take their time. The clock is tokio's paused one: it jumps when everybody waits.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::guarded::Guarded;

async fn took(scene: &mut Scene) -> (String, u64) {
    let start = Instant::now();
    let heard = scene.hear_all().await;
    (heard.lines().next().unwrap_or_default().to_owned(), start.elapsed().as_secs())
}

#[test]
fn a_head_that_does_not_come_is_answered_with_a_timeout() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        scene.client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(took(&mut scene).await, ("HTTP/1.1 408 Request Timeout".to_owned(), 10));
        assert_eq!(scene.calls(), "too slow");
    });
}

#[test]
fn a_head_may_not_be_stretched_by_sending_some_of_it_now_and_then() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        let start = Instant::now();
        for piece in b"GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh".chunks(1) {
            scene.client.write_all(piece).await.ok();
            sleep(Duration::from_secs(1)).await;
            if !scene.calls.borrow().is_empty() {
                break;
            }
        }
        // The client looks once per second.
        assert!((10..=11).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(scene.calls(), "too slow");
    });
}

#[test]
fn a_connection_without_a_request_is_closed_silently() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        assert_eq!(took(&mut scene).await, (String::new(), 75));
        assert_eq!(scene.calls(), "");
    });
}

#[test]
fn a_kept_connection_is_closed_after_its_idle_time_counted_from_the_last_call() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            scene.client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
            assert!(scene.hear_one().await.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(took(&mut scene).await, (String::new(), 75));
        assert_eq!(scene.calls.borrow().len(), 3);
        scene.served.await.unwrap().unwrap();
    });
}

#[test]
fn a_long_call_is_not_an_idle_connection() {
    run(async {
        let mut scene = Scene::with(Timing::default(), |_request, _inspected| async {
            sleep(Duration::from_secs(500)).await;
            (String::new(), text(200, "late".to_owned()))
        });
        scene.client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert!(scene.hear_one().await.ends_with("late\n"));
    });
}

#[test]
fn a_body_that_stops_is_a_timeout() {
    run(async {
        let timing = Timing { body_rate_grace: Duration::from_secs(1000), ..Timing::default() };
        let mut scene = Scene::new(timing);
        scene.client.write_all(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nabc").await.unwrap();
        let start = Instant::now();
        assert!(scene.hear_one().await.starts_with("HTTP/1.1 408"));
        assert_eq!(start.elapsed().as_secs(), 60);
        assert_eq!(scene.calls(), "POST /p too slow after 3 bytes");
    });
}

#[test]
fn a_body_that_trickles_is_a_timeout() {
    run(async {
        let mut scene = Scene::new(Timing::default());
        let start = Instant::now();
        scene.client.write_all(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
        while scene.calls.borrow().is_empty() {
            // 100 bytes per second, where 240 are asked for.
            scene.client.write_all(&[b'a'; 100]).await.ok();
            sleep(Duration::from_secs(1)).await;
        }
        assert!((20..=21).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert!(scene.calls().starts_with("POST /p too slow after 2"), "{}", scene.calls());
    });
}

#[test]
fn a_slow_reader_of_the_body_is_not_the_clients_fault() {
    run(async {
        let mut scene = Scene::with(Timing::default(), |request, inspected| async {
            sleep(Duration::from_secs(500)).await;
            let (status, said) = say(request, inspected).await;
            (String::new(), text(status, said))
        });
        scene.client.write_all(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab").await.unwrap();
        sleep(Duration::from_secs(505)).await;
        scene.client.write_all(b"c").await.unwrap();
        assert!(scene.hear_one().await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    run(async {
        let (mut client, server) = duplex(1024);
        let timing = Timing::default();
        let served = spawn_local(async move {
            let server = Guarded::new(server, timing.write_stall_max);
            let greeted = sniff(server, None, &timing).await.unwrap();
            let call = |_request, _inspected| async { Ok(text(200, "x".repeat(1_000_000))) };
            Server::new(timing).serve(greeted, Drain::new().enter(), call).await
        });
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let start = Instant::now();
        // One that reads slowly is none that does not read.
        for _ in 0..10 {
            sleep(Duration::from_secs(20)).await;
            client.read_exact(&mut [0; 10]).await.unwrap();
        }
        let error = served.await.unwrap().unwrap_err();
        assert_eq!(start.elapsed().as_secs(), 230);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the peer read nothing for 30 s");
    });
}
