//! What is sent and received on a stream.

use h2::Reason;

use super::*;

#[test]
fn calls_share_a_connection_and_get_their_own_answers() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let target = stream.request.uri().path().to_owned();
            // The first is answered last.
            for _ in 0..50 - stream.number {
                tokio::task::yield_now().await;
            }
            stream.answer(&target);
        })
        .await;
        let pool = Pool::new();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (pool, server) = (pool.clone(), server.server.clone());
            calls.spawn_local(async move {
                let mut request = get();
                *request.uri_mut() = format!("/{number}").parse().unwrap();
                let said = say(&pool, &server, request).await;
                assert!(said.starts_with(&format!("200 /{number} reused=")), "{number}: {said}");
            });
        }
        calls.join_all().await;
        let stats = pool.stats();
        assert_eq!((stats.open, stats.idle, stats.opened, stats.reused), (1, 1, 1, 49));
        assert_eq!(server.seen.connections.get(), 1);
    });
}

#[test]
fn a_request_is_what_http_2_wants_it_to_be() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let (text, trailers) = stream.body().await;
            stream.answer(&format!("{text} {}", trailers.map(|fields| format!("{fields:?}")).unwrap_or_default()));
        })
        .await;
        let pool = Pool::new();
        let (body, mut request) = streaming("POST");
        request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        request.headers_mut().insert("connection", "close".parse().unwrap());
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        *request.uri_mut() = "/p?q=1".parse().unwrap();
        body.send(Frame::data(Bytes::from_static(b"hel"))).unwrap();
        body.send(Frame::data(Bytes::from_static(b"lo"))).unwrap();
        body.send(Frame::trailers(trailer("x-sum", "7"))).unwrap();
        drop(body);
        assert_eq!(say(&pool, &server.server, request).await, "200 hello {\"x-sum\": \"7\"} reused=false attempts=1");
        let seen = server.seen.requests.borrow();
        assert_eq!(seen[0].uri(), "http://h/p?q=1");
        assert_eq!(format!("{:?}", seen[0].headers()), r#"{"te": "trailers"}"#);
    });
}

#[test]
fn large_bodies_pass_both_ways_and_trailers_come_last() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let (text, _) = stream.body().await;
            let mut body = stream.begin();
            let mut rest = Bytes::from(text.into_bytes());
            while !rest.is_empty() {
                body.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|context| body.poll_capacity(context)).await.unwrap().unwrap();
                body.send_data(rest.split_to(room.min(rest.len())), false).unwrap();
            }
            body.send_trailers(trailer("grpc-status", "0")).unwrap();
        })
        .await;
        let pool = Pool::new();
        let (body, request) = streaming("POST");
        for _ in 0..64 {
            body.send(Frame::data(Bytes::from(vec![b'x'; 64 * 1024]))).unwrap();
        }
        drop(body);
        let response = pool.send(&server.server, request).await.unwrap().response;
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailer("grpc-status", "0")));
        assert_eq!(collected.to_bytes().len(), 64 * 64 * 1024);
    });
}

#[test]
fn both_directions_flow_at_the_same_time() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let mut out = stream.begin();
            let body = stream.request.body_mut();
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                out.send_data(data, false).unwrap();
            }
            out.send_trailers(trailer("grpc-status", "0")).unwrap();
        })
        .await;
        let pool = Pool::new();
        let (body, request) = streaming("POST");
        let mut answer = pool.send(&server.server, request).await.unwrap().response.into_body();
        for word in ["one", "two", "three"] {
            body.send(Frame::data(Bytes::from_static(word.as_bytes()))).unwrap();
            assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), word);
        }
        drop(body);
        assert!(answer.frame().await.unwrap().unwrap().is_trailers());
        assert!(answer.is_end_stream());
        assert_eq!(pool.stats().idle, 1);
    });
}

#[test]
fn an_upload_goes_on_while_nobody_reads_the_answer() {
    run(async {
        let (all, mut got) = tokio::sync::mpsc::unbounded_channel();
        let server = Http2Server::start(100, move |mut stream| {
            let all = all.clone();
            async move {
                let mut out = stream.begin();
                // More than the windows hold: it waits in the server.
                out.send_data(Bytes::from(vec![b'y'; 1024 * 1024]), false).unwrap();
                all.send(stream.body().await.0.len()).unwrap();
            }
        })
        .await;
        let pool = Pool::new();
        let (body, request) = streaming("POST");
        let _unread = pool.send(&server.server, request).await.unwrap().response;
        for _ in 0..64 {
            body.send(Frame::data(Bytes::from(vec![b'x'; 16 * 1024]))).unwrap();
        }
        drop(body);
        assert_eq!(got.recv().await, Some(1024 * 1024));
    });
}

#[test]
fn a_caller_that_does_not_read_holds_nobody_else_back() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let mut out = stream.begin();
            out.send_data(Bytes::from(vec![b'y'; 512 * 1024]), true).unwrap();
            std::future::poll_fn(|context| out.poll_reset(context)).await.unwrap();
        })
        .await;
        let pool = Pool::new();
        let mut unread = Vec::new();
        for _ in 0..20 {
            unread.push(pool.send(&server.server, get()).await.unwrap().response);
        }
        let read = pool.send(&server.server, get()).await.unwrap().response;
        assert_eq!(read.into_body().collect().await.unwrap().to_bytes().len(), 512 * 1024);
        assert_eq!(pool.stats().open, 1);
    });
}

/// Whether it is repeated is for those to say who count repeats.
#[test]
fn a_refused_stream_is_given_back_whole_whatever_the_method() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            match stream.number {
                0 => stream.respond.send_reset(Reason::REFUSED_STREAM),
                _ => stream.answer("ok"),
            }
        })
        .await;
        let pool = Pool::new();
        let request = Request::post("/p").header("host", "h").body(get().into_body()).unwrap();
        let failure = pool.send(&server.server, request).await.unwrap_err();
        assert_eq!((failure.error.kind, failure.error.retry_safe), (Kind::Refused, true));
        assert_eq!(say(&pool, &server.server, failure.request.unwrap()).await, "200 ok reused=true attempts=1");
    });
}

#[test]
fn any_other_reset_is_not_repeated() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            stream.respond.send_reset(Reason::INTERNAL_ERROR);
        })
        .await;
        assert_eq!(say(&Pool::new(), &server.server, get()).await, "Reset retry_safe=false");
        assert_eq!(server.seen.requests.borrow().len(), 1);
    });
}

#[test]
fn an_answer_that_is_reset_is_not_whole() {
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
        run(async {
            let server = Http2Server::start(100, move |mut stream| async move {
                let mut out = stream.begin();
                out.send_data(Bytes::from_static(b"half"), false).unwrap();
                // Once the piece has left; a reset takes back what has not.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                out.send_reset(reason);
            })
            .await;
            let said = say(&Pool::new(), &server.server, get()).await;
            assert_eq!(said, "200 (the upstream broke its answer off)");
        });
    }
}

#[test]
fn a_server_that_answers_early_gets_no_more_of_the_request() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            // Dropped behind it, the stream is reset without an error.
            stream.answer("enough");
        })
        .await;
        let pool = Pool::new();
        let (body, request) = streaming("POST");
        assert_eq!(say(&pool, &server.server, request).await, "200 enough reused=false attempts=1");
        body.closed().await;
    });
}

#[test]
fn a_call_that_is_given_up_is_told_to_the_server() {
    run(async {
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        let server = Http2Server::start(100, move |mut stream| {
            let ended = ended.clone();
            async move {
                let reset = std::future::poll_fn(|context| stream.respond.poll_reset(context)).await;
                ended.send(reset.unwrap()).unwrap();
            }
        })
        .await;
        let pool = Pool::new();
        let given_up = tokio::time::timeout(Duration::from_millis(50), pool.send(&server.server, get())).await;
        assert!(given_up.is_err());
        assert_eq!(end.recv().await, Some(Reason::CANCEL));
        assert_eq!(pool.stats().idle, 1, "the connection serves other calls");
    });
}

#[test]
fn a_flood_of_interim_answers_is_cut() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let early = || http::Response::builder().status(103).body(()).unwrap();
            while stream.respond.send_informational(early()).is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(say(&Pool::new(), &server.server, get()).await, "Invalid retry_safe=false");
    });
}

#[test]
fn a_head_over_the_bound_is_not_taken() {
    run(async {
        let server = Http2Server::start(100, |mut stream| async move {
            let mut head = http::Response::new(());
            for number in 0..40 {
                let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
                head.headers_mut().insert(name, "y".repeat(4_000).parse().unwrap());
            }
            stream.respond.send_response(head, true).unwrap();
        })
        .await;
        let said = say(&Pool::new(), &server.server, get()).await;
        assert_eq!(said, "Invalid retry_safe=false");
    });
}
