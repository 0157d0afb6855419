//! When connections are opened, how many, and when they are given up.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[test]
fn no_more_streams_than_the_server_takes() {
    run(async {
        let server = Http2Server::start(2, |mut stream| async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            let connection = stream.connection.to_string();
            stream.answer(&connection);
        })
        .await;
        let pool = Pool::new();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (pool, server) = (pool.clone(), server.server.clone());
            calls.spawn_local(async move { say(&pool, &server, get()).await });
        }
        for said in calls.join_all().await {
            assert!(said.starts_with("200 ") && said.ends_with("attempts=1"), "{said}");
        }
        let most = 2 * callgate_model::bounds::UPSTREAM_SHARED_CONNECTIONS_MAX;
        assert!(server.seen.open_max.get() <= most, "{}", server.seen.open_max.get());
        assert_eq!(server.seen.connections.get(), callgate_model::bounds::UPSTREAM_SHARED_CONNECTIONS_MAX);
    });
}

#[test]
fn many_calls_that_find_no_server_make_one_try() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Server::new("127.0.0.1", port, None, Duration::from_secs(60)).speaking(Protocol::Http2);
        let pool = Pool::new();
        let (one, two) = tokio::join!(say(&pool, &server, get()), say(&pool, &server, get()));
        assert_eq!((one.as_str(), two.as_str()), ("Connect retry_safe=true", "Connect retry_safe=true"));
    });
}

#[test]
fn the_call_that_opens_a_connection_may_be_given_up() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move { stream.answer("ok") }).await;
        let pool = Pool::new();
        let mut given_up = Box::pin(pool.send(&server.server, get()));
        std::future::poll_fn(|context| {
            assert!(given_up.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(given_up);
        assert_eq!(say(&pool, &server.server, get()).await, "200 ok reused=false attempts=1");
        assert_eq!(server.seen.connections.get(), 1);
    });
}

#[test]
fn after_goaway_calls_under_way_end_and_new_ones_go_elsewhere() {
    run(async {
        let go_on = std::rc::Rc::new(tokio::sync::Notify::new());
        let told = go_on.clone();
        let server = Http2Server::start(100, move |mut stream| {
            let told = told.clone();
            async move {
                if stream.number == 0 {
                    told.notified().await;
                }
                let connection = stream.connection.to_string();
                stream.answer(&connection);
            }
        })
        .await;
        let pool = Pool::new();
        let slow = {
            let (pool, server) = (pool.clone(), server.server.clone());
            tokio::task::spawn_local(async move { say(&pool, &server, get()).await })
        };
        while server.seen.requests.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        server.seen.go_away.notify_waiters();
        // Its frame may still be on the way: what is sent meanwhile comes back unsent, and is sent elsewhere.
        loop {
            let said = say(&pool, &server.server, get()).await;
            assert!(said.starts_with("200 "), "{said}");
            if said.starts_with("200 1 ") {
                break;
            }
        }
        go_on.notify_one();
        assert_eq!(slow.await.unwrap(), "200 0 reused=false attempts=1");
        while server.seen.closed.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.stats().open, 1);
    });
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    run(async {
        let http2 = Http2Server::start(100, |mut stream| async move { stream.answer("ok") }).await;
        let server = Server::new("127.0.0.1", http2.server.port(), None, Duration::from_millis(100));
        let server = server.speaking(Protocol::Http2);
        let pool = Pool::new();
        assert_eq!(say(&pool, &server, get()).await, "200 ok reused=false attempts=1");
        assert_eq!(pool.stats().idle, 1);
        while http2.seen.closed.get() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((pool.stats().open, pool.stats().idle), (0, 0));
    });
}

#[test]
fn a_server_of_http_1_is_found_out() {
    run(async {
        let script = Script::new(&["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"]);
        let server = script.server.speaking(Protocol::Http2);
        assert_eq!(say(&Pool::new(), &server, get()).await, "NotHttp2 retry_safe=true");
        // Without TLS nobody can be asked.
        assert_eq!(
            say(&Pool::new(), &script.server.speaking(Protocol::Auto), get()).await,
            "400  reused=true attempts=1"
        );
    });
}

/// Answers the preface with settings and acknowledges the first ping; then it reads, and never says a word again.
async fn falls_silent(listener: tokio::net::TcpListener) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        socket.read_exact(&mut payload).await.unwrap();
        match head[3] {
            4 if head[4] & 1 == 0 => socket.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap(),
            6 => {
                socket.write_all(&[0, 0, 8, 6, 1, 0, 0, 0, 0]).await.unwrap();
                socket.write_all(&payload).await.unwrap();
                break;
            }
            _ => {}
        }
    }
    while socket.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
}

#[test]
fn a_connection_that_fell_silent_is_given_up() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server::new("127.0.0.1", port, None, Duration::from_secs(60)).speaking(Protocol::Http2);
        tokio::task::spawn_local(falls_silent(listener));
        let pool = Pool::new();
        let call = {
            let pool = pool.clone();
            tokio::task::spawn_local(async move { say(&pool, &server, get()).await })
        };
        while pool.stats().open == 0 || pool.stats().idle > 0 {
            tokio::task::yield_now().await;
        }
        let began = tokio::time::Instant::now();
        tokio::time::pause();
        assert_eq!(call.await.unwrap(), "Closed retry_safe=false");
        let took = began.elapsed();
        assert!((Duration::from_secs(29)..Duration::from_secs(31)).contains(&took), "{took:?}");
    });
}

/// Over HTTP/2 every worker gets a connection, and no more than its share.
#[test]
fn calls_that_share_connections_leave_every_worker_one() {
    run(async {
        let http2 = Http2Server::start(1, |mut stream| async move {
            tokio::task::yield_now().await;
            stream.answer("ok");
        });
        let http2 = http2.await;
        let room = Arc::new(Room::new(4, 2));
        let server = http2.server.within(room.clone());
        let pools = [Pool::new(), Pool::new()];
        let call = async |pool: &Pool| {
            let sent = pool.send(&server, get()).await.unwrap();
            sent.response.into_body().collect().await.unwrap();
        };
        for pool in &pools {
            tokio::join!(call(pool), call(pool), call(pool), call(pool), call(pool), call(pool));
            assert_eq!(pool.stats().opened, 2);
        }
        assert_eq!(room.taken(), 4);
        drop(pools);
    });
}
