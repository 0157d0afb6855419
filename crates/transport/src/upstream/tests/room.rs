//! Servers that may have only so many connections.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio::time::{Instant, timeout};

use super::super::room::{Given, Next};
use super::*;

/// A server whose connections each answer one request after the other, as its path asks for; and how many it works on.
fn working() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let most = Arc::new(AtomicU32::new(0));
    let (told, active) = (most.clone(), Arc::new(AtomicU32::new(0)));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, most, active) = (connection.unwrap(), told.clone(), active.clone());
            thread::spawn(move || {
                loop {
                    let head = head_of(&mut connection);
                    let answer = match head.split(' ').nth(1) {
                        Some("/ok") => {
                            most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(1));
                            active.fetch_sub(1, Ordering::SeqCst);
                            OK
                        }
                        Some("/half") => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                        Some("/never") => "",
                        _ => return,
                    };
                    if connection.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, most)
}

fn head_of(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(connection.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn asking(path: &str) -> Request<TestBody> {
    let mut request = get();
    *request.uri_mut() = path.parse().unwrap();
    request
}

fn with_room(port: u16, room: &Arc<Room>) -> Server {
    Server::new("127.0.0.1", port, None, Duration::from_secs(60)).within(room.clone())
}

async fn ok(pool: &Pool, server: &Server) -> bool {
    let sent = pool.send(server, asking("/ok")).await.unwrap();
    sent.response.into_body().collect().await.unwrap();
    sent.reused
}

/// One call of a kind that a number chooses, which may be given up at any moment of it.
async fn any(pool: &Pool, server: &Server, random: u64) {
    let path = ["/ok", "/half", "/never", "/cut"][usize::try_from(random % 4).unwrap()];
    let call = async {
        let Ok(sent) = pool.send(server, asking(path)).await else { return };
        let mut body = sent.response.into_body();
        while let Some(Ok(_)) = body.frame().await {}
    };
    // Nobody waits for it.
    let _over = timeout(Duration::from_micros(random >> 8 & 0x7ff), call).await;
}

/// Workers, each with a pool of its own, whose calls end in every way.
#[test]
fn there_are_never_more_connections_than_room_and_none_is_lost() {
    const MAX: u32 = 3;
    let (port, most) = working();
    let room = Arc::new(Room::new(MAX, 3));
    let workers: Vec<_> = (0..3_u64)
        .map(|worker| {
            let room = room.clone();
            thread::spawn(move || {
                run(async {
                    let (pool, server) = (Pool::new(), with_room(port, &room));
                    let tasks: Vec<_> = (0..8_u64)
                        .map(|task| {
                            let (pool, server, room) = (pool.clone(), server.clone(), room.clone());
                            tokio::task::spawn_local(async move {
                                let mut random = worker * 31 + task + 1;
                                for _ in 0..60 {
                                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                                    any(&pool, &server, random >> 16).await;
                                    assert!(room.taken() <= MAX);
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                    // What was given up left nothing behind: there is room for every worker's calls, in turn.
                    most_of_all_workers(&pool, &server).await;
                });
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!((room.taken(), room.waiting()), (0, 0), "{room:?}");
    assert!(most.load(Ordering::SeqCst) >= 1);
}

async fn most_of_all_workers(pool: &Pool, server: &Server) {
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (pool, server) = (pool.clone(), server.clone());
            tokio::task::spawn_local(async move {
                for _ in 0..10 {
                    ok(&pool, &server).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Without calls that are given up, which a server still works on, it sees no more calls at a time than connections.
#[test]
fn calls_of_all_workers_take_turns() {
    let (port, most) = working();
    let room = Arc::new(Room::new(2, 4));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let room = room.clone();
            thread::spawn(move || run(async { most_of_all_workers(&Pool::new(), &with_room(port, &room)).await }))
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?} at a time");
    assert_eq!(room.taken(), 0);
}

#[test]
fn waiting_calls_of_a_worker_share_its_connection() {
    let (port, _) = working();
    run(async {
        let (pool, room) = (Pool::new(), Arc::new(Room::new(1, 1)));
        most_of_all_workers(&pool, &with_room(port, &room)).await;
        assert_eq!(pool.stats(), PoolStats { open: 1, idle: 1, opened: 1, reused: 49 });
    });
}

#[test]
fn a_connection_without_a_call_makes_room_for_another_worker() {
    let (port, _) = working();
    run(async {
        let (one, other, room) = (Pool::new(), Pool::new(), Arc::new(Room::new(1, 2)));
        let server = with_room(port, &room);
        for _ in 0..5 {
            assert!(!ok(&one, &server).await);
            assert!(ok(&one, &server).await);
            assert!(!ok(&other, &server).await);
        }
    });
}

#[test]
fn a_call_that_finds_no_room_in_time_is_told_so_and_can_be_sent_again() {
    let (port, _) = working();
    run(async {
        let (pool, room) = (Pool::new(), Arc::new(Room::new(1, 1)));
        let server = with_room(port, &room);
        let held = pool.send(&server, asking("/half")).await.unwrap();
        let began = Instant::now();
        let failure = pool.send(&server, asking("/ok")).await.unwrap_err();
        assert!(began.elapsed() >= callgate_model::bounds::UPSTREAM_ROOM_TIME_MAX);
        assert_eq!((failure.error.kind, failure.error.retry_safe, failure.error.fault()), (Kind::NoRoom, true, None));
        assert!(failure.request.is_some());
        drop(held);
        assert!(!ok(&pool, &server).await);
    });
}

#[test]
fn too_many_that_wait_are_not_let_wait() {
    let room = Arc::new(Room::new(1, 1));
    let _seat = room.seat().unwrap();
    let now = Instant::now();
    let mut waiting: Vec<_> =
        (0..callgate_model::bounds::UPSTREAM_WAITING_MAX).map(|_| room.queue(1, now).unwrap()).collect();
    assert!(room.queue(1, now).is_none());
    waiting.pop();
    assert!(room.queue(1, now).is_some());
}

#[test]
fn a_free_connection_is_its_own_workers_unless_another_has_waited_long() {
    let room = Arc::new(Room::new(1, 2));
    let seat = room.seat().unwrap();
    let now = Instant::now();
    assert_eq!(room.next(1), Next::Kept, "nobody waits");
    let other = room.queue(2, now).unwrap();
    assert_eq!(room.next(1), Next::Closed, "the only one that waits is another worker's");
    let mut own = room.queue(1, now).unwrap();
    assert_eq!(room.next(1), Next::Promised);
    assert!(own.leave(), "it was promised, and is not used");
    drop(other);
    let long_ago = now.checked_sub(Duration::from_secs(1)).unwrap();
    let (_own, mut other) = (room.queue(1, now).unwrap(), room.queue(2, long_ago).unwrap());
    assert_eq!(room.next(1), Next::Closed);
    drop(seat);
    run(async {
        let Given::Seat(_seat) = other.given().await else { panic!("it waits longest, and gets what was closed") };
        assert_eq!((room.taken(), room.waiting()), (1, 1));
    });
}

#[test]
fn who_leaves_hands_on_what_it_was_given() {
    let room = Arc::new(Room::new(1, 2));
    let seat = room.seat().unwrap();
    let now = Instant::now();
    let (first, mut second) = (room.queue(1, now).unwrap(), room.queue(2, now).unwrap());
    drop(seat);
    assert_eq!((room.taken(), room.waiting()), (1, 1), "the first has it");
    drop(first);
    run(async {
        let Given::Seat(_seat) = second.given().await else { panic!("a seat") };
        assert_eq!((room.taken(), room.waiting()), (1, 0));
    });
    assert_eq!(room.taken(), 0);
    assert!(room.seat().is_some());
}
