//! Upstreams that fail in every way, and real ones that do not.

use std::sync::atomic::{AtomicUsize, Ordering};

use callgate_testkit::{Authority, Fault, Nginx, RawClient, ScriptedUpstream, TestGate, reply, wait_for};

use crate::setup::{api, check, check_problem, gate_yaml, public_shop, shop, shop_yaml};

const INVALID: &str = "502 upstream_invalid";
const UNREACHABLE: &str = "502 upstream_unreachable";

#[test]
fn nobody_listens() {
    let gate = TestGate::start(&shop_yaml(&format!("http://{}", ScriptedUpstream::nobody()), "access: public"));
    let refused = check(&gate.call("GET /shop/a"), UNREACHABLE);
    let problem = check_problem(&refused);
    assert!(
        !problem.to_string().contains("127.0.0.1"),
        "where the upstream is, is not the caller's to know: {problem}"
    );
    let record = gate.record(&refused.call_id());
    assert_eq!(record["http.response.status_code"], 502, "{record}");
    assert!(record["callgate.upstream.address"].is_string(), "{record}");
}

#[test]
fn a_name_that_does_not_resolve() {
    let gate = TestGate::start(&shop_yaml("http://nowhere.invalid:9", "access: public"));
    check(&gate.call("GET /shop/a"), UNREACHABLE);
}

#[test]
fn answers_that_are_not_http() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(10 * 1024 * 1024));
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10_000);
    let many: String = (0..100_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (what, bytes) in [
        ("garbage", "\x01\x02\x03 garbage\r\n\r\n".to_owned()),
        ("another protocol", "SSH-2.0-OpenSSH_9.0\r\n".to_owned()),
        ("no such status", "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("letters for a status", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc".to_owned()),
        ("a length of letters", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab".to_owned()),
        ("10 MiB in one field", huge),
        ("100,000 fields", format!("HTTP/1.1 200 OK\r\n{many}\r\n")),
        ("interim answers without an end", interim),
        ("a folded field", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("a space before the colon", "HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("an unasked switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned()),
    ] {
        let upstream = ScriptedUpstream::start(move |connection| {
            if connection.request().is_some() {
                connection.send(&bytes);
                connection.finish_sending();
                connection.until_closed();
            }
        });
        let answer = public_shop(&upstream).call("POST /shop/a").send();
        assert_eq!(answer.summary(), INVALID, "{what}: {answer}");
        check_problem(&answer);
        assert_eq!(upstream.count(), 1, "{what}: a POST is sent once");
    }
}

#[test]
fn an_upstream_that_closes_without_a_word_or_in_the_middle_of_one() {
    for word in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let upstream = ScriptedUpstream::start(move |connection| {
            connection.request();
            connection.send(word);
        });
        check(&public_shop(&upstream).call("POST /shop/a"), UNREACHABLE);
        assert_eq!(upstream.count(), 1, "a POST is sent once");
    }
}

#[test]
fn a_reset_before_the_answer_is_not_repeated_for_a_post() {
    let upstream = ScriptedUpstream::start(|connection| {
        connection.request();
        connection.reset();
    });
    let gate = public_shop(&upstream);
    let answer = gate.call("POST /shop/a").body("text/plain", "pay 10").send();
    assert_eq!(answer.status, 502, "{answer}");
    assert_eq!(upstream.count(), 1, "the payment may have been taken");
}

#[test]
fn a_body_that_breaks_off_is_never_completed() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let upstream = ScriptedUpstream::start(move |connection| {
            connection.request();
            connection.send(bytes);
        });
        let gate = public_shop(&upstream);
        let cut = gate.call("GET /shop/a").open().try_answer();
        assert!(matches!(cut, Err(Fault::Cut(_) | Fault::Reset | Fault::Closed)), "{bytes:?}: {cut:?}");
        wait_for("its record", || gate.records().iter().any(|record| record["callgate.end"] == "upstream_broke"));
    }
}

#[test]
fn more_than_the_declared_length_reaches_nobody() {
    let upstream = ScriptedUpstream::start(|connection| {
        while connection.request().is_some() {
            connection.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
            );
        }
    });
    let gate = public_shop(&upstream);
    let mut client = gate.call("GET /shop/1").open();
    assert_eq!(client.answer().text(), "ok");
    for _ in 0..5 {
        client.send(gate.call("GET /shop/2").bytes());
        let answer = client.answer();
        assert_ne!(answer.text(), "poison", "an answer nobody asked for was handed over");
    }
}

#[test]
fn a_connection_that_went_stale_is_replaced_without_the_caller_noticing() {
    let upstream = ScriptedUpstream::start(|connection| {
        // One answer a connection, and no word of closing it.
        connection.request();
        connection.send(reply("200 OK", "ok"));
    });
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    for number in 0..30 {
        client.send(gate.call("GET /shop/a").bytes());
        let answer = client.answer();
        assert_eq!(answer.summary(), "200", "call {number}: {answer}");
        wait_for("the upstream to close", || upstream.closed() > number);
    }
    assert_eq!(upstream.count(), 30);
}

#[test]
fn connections_are_kept_and_used_again() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::start(&shop_yaml(&upstream.url(), "access: public").replace("workers: 2", "workers: 1"));
    for _ in 0..20 {
        check(&gate.call("GET /shop/a"), "200");
    }
    assert!(upstream.connections() <= 2, "{} connections for 20 calls", upstream.connections());
}

#[test]
fn a_connection_is_not_used_again_after_a_broken_call() {
    let count = AtomicUsize::new(0);
    let upstream = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/late" {
                connection.read(1);
            }
            count.fetch_add(1, Ordering::Relaxed);
            connection.send(reply("200 OK", request.target()));
        }
    });
    let gate = public_shop(&upstream);
    for number in 0..10 {
        gate.call("GET /shop/late").open().reset();
        let target = format!("/{number}");
        let answer = check(&gate.call(&format!("GET /shop{target}")), "200");
        assert_eq!(answer.text(), target);
    }
}

#[test]
fn statuses_and_error_bodies_pass_untouched() {
    for status in
        ["204 No Content", "304 Not Modified", "404 Not Found", "418 I'm a teapot", "500 Oops", "503 Later", "599 Odd"]
    {
        let upstream = ScriptedUpstream::responding(move |_| match status {
            "204 No Content" | "304 Not Modified" => format!("HTTP/1.1 {status}\r\nX-Own: 1\r\n\r\n").into_bytes(),
            _ => format!("HTTP/1.1 {status}\r\nX-Own: 1\r\nContent-Length: 3\r\n\r\nown").into_bytes(),
        });
        let answer = public_shop(&upstream).call("GET /shop/a").send();
        assert_eq!((answer.summary().as_str(), answer.field("x-own")), (&status[..3], Some("1")), "{answer}");
    }
}

#[test]
fn a_real_nginx_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    let page = "page\n".repeat(100_000);
    std::fs::write(folder.path().join("www/page.txt"), &page).unwrap();
    let nginx = Nginx::start_in(
        folder,
        "listen 127.0.0.1:PORT; root FOLDER/www; location = /hello { return 200 hello; } keepalive_requests 3;",
    );
    let gate = TestGate::start(&shop_yaml(&format!("http://{}", nginx.address()), "access: public"));
    for _ in 0..10 {
        assert_eq!(check(&gate.call("GET /shop/hello"), "200").text(), "hello");
    }
    assert_eq!(check(&gate.call("GET /shop/page.txt"), "200").text(), page);
    let part = gate.call("GET /shop/page.txt").field("Range", "bytes=0-3").send();
    assert_eq!((part.status, part.text().as_str()), (206, "page"));
    assert_eq!(check(&gate.call("HEAD /shop/page.txt"), "200").field("content-length"), Some("500000"));
    check(&gate.call("GET /shop/none"), "404");
    assert_eq!(gate.call("POST /shop/page.txt").body("text/plain", "x").send().status, 405);
}

#[test]
fn a_real_nginx_over_tls_is_verified() {
    let authority = Authority::new();
    let tls = |names: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        authority.certificate(names).write(folder.path(), "leaf");
        Nginx::start_in(
            folder,
            "listen 127.0.0.1:PORT ssl; ssl_certificate FOLDER/leaf.pem; ssl_certificate_key FOLDER/leaf.key; \
             location / { return 200 secret; }",
        )
    };
    let (good, other) = (tls(&["localhost", "127.0.0.1"]), tls(&["other.example.com"]));
    let folder = tempfile::tempdir().unwrap();
    let _ = authority.write(folder.path());
    let long = |nginx: &Nginx, tls: &str| {
        let port = nginx.address().port();
        format!("{{ server: \"https://localhost:{port}\"{tls} }}")
    };
    let apis = api("good", &long(&good, ", tls: { ca: ca.pem }"), "access: public")
        + &api("other", &long(&other, ", tls: { ca: ca.pem }"), "access: public")
        + &api("stranger", &long(&good, ""), "access: public");
    let gate = TestGate::start_in(folder, &gate_yaml("", &apis));
    assert_eq!(check(&gate.call("GET /good/a"), "200").text(), "secret");
    let wrong_name = check(&gate.call("GET /other/a"), UNREACHABLE);
    assert!(!wrong_name.text().contains("secret"));
    check(&gate.call("GET /stranger/a"), UNREACHABLE);
}

#[test]
fn an_upstream_with_a_base_path() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::start(&shop_yaml(&format!("{}/api/v1", upstream.url()), "access: public"));
    check(&gate.call("GET /shop/books?x=1"), "200");
    assert_eq!(upstream.last().target(), "/api/v1/books?x=1");
    check(&gate.call("GET /shop"), "200");
    check(&gate.call("GET /shop/../x"), "404 no_such_route");
}

#[test]
fn one_slow_upstream_does_not_slow_another() {
    let slow = ScriptedUpstream::start(|connection| {
        if connection.request().is_some() {
            connection.hold();
        }
    });
    let fast = ScriptedUpstream::answering("ok");
    let apis = api("slow", &slow.url(), "access: public") + &api("fast", &fast.url(), "access: public");
    let gate = TestGate::start(&gate_yaml("", &apis));
    let held: Vec<_> = (0..100).map(|_| gate.call("GET /slow/a").open()).collect();
    wait_for("all at the slow upstream", || slow.count() == 100);
    for _ in 0..20 {
        check(&gate.call("GET /fast/a"), "200");
    }
    drop(held);
}

#[test]
fn a_refusing_upstream_comes_back() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    check(&gate.call("GET /shop/a"), "200");
    let address = upstream.address();
    drop(upstream);
    wait_for("the upstream to be gone", || gate.call("GET /shop/a").send().status != 200);
    let nginx = std::net::TcpListener::bind(address).unwrap();
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = nginx.accept().unwrap();
        let mut head = [0_u8; 4096];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(&reply("200 OK", "back")).unwrap();
    });
    wait_for("the upstream to be back", || gate.call("GET /shop/a").send().text() == "back");
    answering.join().unwrap();
}
