//! A session between two ends that send exactly these bytes. Time stands still but for what is waited for.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

const MASK: [u8; 4] = [1, 2, 3, 4];

struct Scene {
    client: DuplexStream,
    server: DuplexStream,
    drain: Arc<Notify>,
    over: JoinHandle<(Ending, u64, u64)>,
}

impl Scene {
    fn new() -> Scene {
        Scene::with_room(64 * 1024)
    }

    /// Both ends take so many bytes before they must read.
    fn with_room(room: usize) -> Scene {
        let (client, mut near) = duplex(room);
        let (server, far) = duplex(room);
        let until = Instant::now() + Duration::from_secs(3600);
        let terms = Terms { idle: Duration::from_secs(60), until, message_bytes_max: 1000 };
        let drain = Arc::new(Notify::new());
        let draining = drain.clone();
        let over = tokio::spawn(async move {
            let mut relay = Relay::new(far, terms, MASK);
            tokio::select! {
                () = poll_fn(|context| relay.poll(&mut near, context)) => {}
                () = draining.notified() => {
                    relay.end(Ending::Draining);
                    poll_fn(|context| relay.poll(&mut near, context)).await;
                }
            }
            (relay.ending().unwrap(), relay.from_client().messages(), relay.from_upstream().messages())
        });
        Scene { client, server, drain, over }
    }

    /// What each side hears until its connection is closed, and how it all ended.
    async fn end(mut self) -> (Vec<u8>, Vec<u8>, Ending) {
        let (mut client, mut server) = (Vec::new(), Vec::new());
        let (ending, ..) = self.over.await.unwrap();
        self.client.read_to_end(&mut client).await.unwrap();
        self.server.read_to_end(&mut server).await.unwrap();
        (client, server, ending)
    }
}

fn text(payload: &str) -> Vec<u8> {
    [&[0x81, payload.len() as u8], payload.as_bytes()].concat()
}

fn masked(payload: &str) -> Vec<u8> {
    let bytes = payload.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [0x81, 0x80 | payload.len() as u8].into_iter().chain(MASK).chain(bytes).collect()
}

fn told(code: u16, reason: &str) -> Vec<u8> {
    close_frame(code, reason, None)
}

fn told_upstream(code: u16, reason: &str) -> Vec<u8> {
    close_frame(code, reason, Some(MASK))
}

#[tokio::test(start_paused = true)]
async fn frames_pass_both_ways_and_a_close_ends_it() {
    let mut scene = Scene::new();
    let (ping, hello) = (b"\x89\x80\x01\x02\x03\x04", masked("hello"));
    scene.client.write_all(&[&ping[..], &hello].concat()).await.unwrap();
    let mut heard = vec![0; ping.len() + hello.len()];
    scene.server.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, [&ping[..], &hello].concat());
    scene.server.write_all(&[text("one"), text("two")].concat()).await.unwrap();
    scene.client.read_exact(&mut [0; 10]).await.unwrap();
    let closing = told_upstream(4000, "bye");
    scene.client.write_all(&closing).await.unwrap();
    scene.server.read_exact(&mut vec![0; closing.len()]).await.unwrap();
    scene.server.write_all(&[text("three"), told(4000, "")].concat()).await.unwrap();
    let Scene { mut client, over, .. } = scene;
    assert_eq!(over.await.unwrap(), (Ending::Closed(Side::Client, 4000), 1, 3));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [text("three"), told(4000, "")].concat());
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_is_waited_for_no_longer_than_its_bound() {
    let mut scene = Scene::new();
    scene.server.write_all(&told(1000, "")).await.unwrap();
    let begun = Instant::now();
    let (client, _, ending) = scene.end().await;
    assert_eq!((client, ending), (told(1000, ""), Ending::Closed(Side::Upstream, 1000)));
    assert_eq!(begun.elapsed().as_secs(), bounds::WEBSOCKET_CLOSE_TIME_MAX.as_secs());
}

#[tokio::test(start_paused = true)]
async fn what_a_client_may_not_send_never_passes() {
    for (bad, code, reason) in [
        (&b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00"[..], 1009, "a message is too large"),
        (b"\x83\x80", 1002, "the client broke the protocol"),
        (b"\x81\x05hello", 1002, "the client broke the protocol"),
        // 1005, which stands for a Close without a code.
        (b"\x88\x82\x00\x00\x00\x00\x03\xed", 1002, "the client broke the protocol"),
        (b"\x88\x83\x00\x00\x00\x00\x03\xe8\xff", 1007, "a text is not UTF-8"),
    ] {
        let mut scene = Scene::new();
        scene.client.write_all(&[&masked("good"), bad].concat()).await.unwrap();
        let (client, server, ending) = scene.end().await;
        assert_eq!(client, told(code, reason));
        assert_eq!(server, [masked("good"), told_upstream(1001, reason)].concat());
        assert!(matches!(ending, Ending::Faulty(Side::Client, _)), "{ending:?}");
        assert_eq!(ending.close_code(), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_may_not_send_never_passes() {
    let mut scene = Scene::new();
    scene.server.write_all(&[text("good"), masked("masked")].concat()).await.unwrap();
    let (client, server, ending) = scene.end().await;
    let reason = "the server broke the protocol";
    assert_eq!((client, server), ([text("good"), told(1011, reason)].concat(), told_upstream(1002, reason)));
    assert_eq!(ending, Ending::Faulty(Side::Upstream, FrameFault::Mask));
}

#[tokio::test(start_paused = true)]
async fn a_text_that_goes_wrong_is_cut_in_its_middle() {
    let mut scene = Scene::new();
    scene.client.write_all(b"\x81\x84\x00\x00\x00\x00ab\xffc").await.unwrap();
    let (client, server, ending) = scene.end().await;
    assert_eq!(client, told(1007, "a text is not UTF-8"));
    assert_eq!(server, b"\x81\x84\x00\x00\x00\x00ab", "nothing can follow half a frame");
    assert_eq!(ending, Ending::Faulty(Side::Client, FrameFault::Text));

    let mut scene = Scene::new();
    scene.server.write_all(b"\x81\x02a\xff").await.unwrap();
    let (client, server, ending) = scene.end().await;
    assert_eq!((&*client, server), (&b"\x81\x02a"[..], told_upstream(1007, "a text is not UTF-8")));
    assert_eq!(ending, Ending::Faulty(Side::Upstream, FrameFault::Text));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_left_is_told() {
    let mut scene = Scene::new();
    scene.client.write_all(&masked("last words")).await.unwrap();
    scene.client.shutdown().await.unwrap();
    let (client, server, ending) = scene.end().await;
    assert_eq!(client, b"");
    assert_eq!(server, [masked("last words"), told_upstream(1001, "the client is gone")].concat());
    assert_eq!((ending, ending.close_code()), (Ending::Gone(Side::Client), None));

    let mut scene = Scene::new();
    scene.server.write_all(&text("last words")).await.unwrap();
    scene.server.shutdown().await.unwrap();
    let (client, _, ending) = scene.end().await;
    assert_eq!(client, [text("last words"), told(1011, "the server is gone")].concat());
    assert_eq!(ending, Ending::Gone(Side::Upstream));
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_followed_by_nothing() {
    let mut scene = Scene::new();
    scene.client.write_all(&masked("cut in the middle")[..10]).await.unwrap();
    scene.client.shutdown().await.unwrap();
    let (_, server, _) = scene.end().await;
    assert_eq!(server, &masked("cut in the middle")[..10]);
}

#[tokio::test(start_paused = true)]
async fn idle_is_without_any_frame_and_a_life_has_an_end() {
    let mut scene = Scene::new();
    let begun = Instant::now();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        scene.server.write_all(b"\x89\x00").await.unwrap();
        scene.client.read_exact(&mut [0; 2]).await.unwrap();
    }
    let (client, server, ending) = scene.end().await;
    assert_eq!(client, told(1001, "idle for too long"));
    assert_eq!((server, ending), (told_upstream(1001, "idle for too long"), Ending::Idle));
    assert_eq!(begun.elapsed().as_secs(), 500 + 60);

    let mut scene = Scene::new();
    let begun = Instant::now();
    while !scene.over.is_finished() {
        scene.server.write_all(b"\x89\x00").await.ok();
        scene.client.read_exact(&mut [0; 2]).await.ok();
        tokio::time::sleep(Duration::from_secs(50)).await;
    }
    assert_eq!(scene.end().await.2, Ending::Lifetime);
    assert!((3600..3660).contains(&begun.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_frame_under_way_is_finished_before_the_gate_speaks() {
    let mut scene = Scene::new();
    scene.server.write_all(&text("half and half")[..6]).await.unwrap();
    scene.client.read_exact(&mut [0; 6]).await.unwrap();
    scene.drain.notify_one();
    tokio::task::yield_now().await;
    scene.server.write_all(&text("half and half")[6..]).await.unwrap();
    scene.server.write_all(&text("never")).await.unwrap();
    let (client, server, ending) = scene.end().await;
    let reason = "the gate is shutting down";
    assert_eq!(client, [&text("half and half")[6..], &told(1001, reason)].concat());
    assert_eq!((server, ending), (told_upstream(1001, reason), Ending::Draining));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_within_a_second() {
    let mut scene = Scene::with_room(64);
    scene.server.write_all(&text(&"x".repeat(100))).await.unwrap();
    scene.drain.notify_one();
    let begun = Instant::now();
    assert_eq!(scene.end().await.2, Ending::Draining);
    assert!(begun.elapsed() <= 2 * bounds::WEBSOCKET_TELL_TIME_MAX, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn bytes_in_any_pieces_arrive_as_they_were() {
    let mut scene = Scene::with_room(7);
    let all: Vec<u8> = (0..200).flat_map(|length| masked(&"m".repeat(length % 120))).collect();
    let sent = all.clone();
    let Scene { mut client, ref mut server, .. } = scene;
    let writing = tokio::spawn(async move { client.write_all(&sent).await.map(|()| client) });
    let mut heard = vec![0; all.len()];
    server.read_exact(&mut heard).await.unwrap();
    assert!(heard == all);
    writing.await.unwrap().unwrap();
}
