//! Upstreams that speak HTTP/2: real ones, written by others.

use callgate_testkit::{Authority, Nginx, ScriptedUpstream, TestGate, tools};

use crate::setup::{api, check, gate_yaml, shop_yaml};

const ECHO: &str = "location / { return 200 \"$server_protocol $request_method $request_uri $connection\"; }";

/// A file with one public API before this server, spoken to in this protocol.
fn speaking(protocol: &str, server: &str) -> String {
    let upstream = format!("{{ server: \"{server}\", protocol: {protocol} }}");
    shop_yaml(&upstream, "access: public").replace("workers: 2", "workers: 1")
}

#[test]
fn nginx_in_clear_text_hears_http_2_over_one_connection() {
    let nginx = Nginx::start(&format!("listen 127.0.0.1:PORT http2; {ECHO}"));
    let gate = TestGate::start(&speaking("http2", &format!("http://{}", nginx.address())));
    let first = check(&gate.call("GET /shop/a?b=1"), "200").text();
    assert!(first.starts_with("HTTP/2.0 GET /a?b=1 "), "{first}");
    for _ in 0..10 {
        assert_eq!(check(&gate.call("GET /shop/a?b=1"), "200").text(), first, "the same connection number");
    }
    let posted = gate.call("POST /shop/a").body("text/plain", "x".repeat(100_000)).send();
    assert!(posted.text().starts_with("HTTP/2.0 POST /a "), "{posted}");
    assert_eq!(check(&gate.call("HEAD /shop/a"), "200").text(), "");
}

#[test]
fn a_large_page_comes_whole_and_a_slow_reader_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    let page = "page\n".repeat(1_000_000);
    std::fs::write(folder.path().join("www/page.txt"), &page).unwrap();
    let nginx = Nginx::start_in(folder, "listen 127.0.0.1:PORT http2; root FOLDER/www;");
    let gate = TestGate::start(&speaking("http2", &format!("http://{}", nginx.address())));
    let unread: Vec<_> = (0..20)
        .map(|_| {
            let mut client = callgate_testkit::RawClient::connect_narrow(gate.address());
            client.send(gate.call("GET /shop/page.txt").bytes());
            client.read_through(b"\r\n\r\n");
            client
        })
        .collect();
    assert_eq!(check(&gate.call("GET /shop/page.txt"), "200").text(), page);
    drop(unread);
    assert_eq!(check(&gate.call("GET /shop/page.txt"), "200").text(), page);
}

#[test]
fn over_tls_the_protocol_is_agreed_on() {
    let authority = Authority::new();
    let tls = |listen: &str| {
        let folder = tempfile::tempdir().unwrap();
        authority.certificate(&["localhost", "127.0.0.1"]).write(folder.path(), "leaf");
        Nginx::start_in(
            folder,
            &format!(
                "listen 127.0.0.1:PORT {listen}; ssl_certificate FOLDER/leaf.pem; \
                 ssl_certificate_key FOLDER/leaf.key; {ECHO}"
            ),
        )
    };
    let (new, old) = (tls("ssl http2"), tls("ssl"));
    let folder = tempfile::tempdir().unwrap();
    let _ = authority.write(folder.path());
    let long = |nginx: &Nginx, protocol: &str| {
        let port = nginx.address().port();
        format!("{{ server: \"https://localhost:{port}\", protocol: {protocol}, tls: {{ ca: ca.pem }} }}")
    };
    let apis = api("new_auto", &long(&new, "auto"), "access: public")
        + &api("old_auto", &long(&old, "auto"), "access: public")
        + &api("new_one", &long(&new, "http1"), "access: public")
        + &api("new_two", &long(&new, "http2"), "access: public")
        + &api("old_two", &long(&old, "http2"), "access: public");
    let gate = TestGate::start_in(folder, &gate_yaml("", &apis));
    for (name, protocol) in
        [("new_auto", "HTTP/2.0"), ("old_auto", "HTTP/1.1"), ("new_one", "HTTP/1.1"), ("new_two", "HTTP/2.0")]
    {
        for _ in 0..3 {
            let text = check(&gate.call(&format!("GET /{name}/a")), "200").text();
            assert!(text.starts_with(protocol), "{name}: {text}");
        }
    }
    check(&gate.call("GET /old_two/a"), "502 upstream_unreachable");
}

#[test]
fn a_server_of_http_1_is_told_apart_from_one_that_is_down() {
    let upstream = ScriptedUpstream::replying("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let gate = TestGate::start(&speaking("http2", &upstream.url()));
    let refused = check(&gate.call("GET /shop/a"), "502 upstream_unreachable");
    assert!(refused.text().contains("does not speak HTTP/2"), "{refused}");
}

#[test]
fn thousands_of_calls_over_http_2_on_both_sides() {
    let nginx = Nginx::start(&format!("listen 127.0.0.1:PORT http2; keepalive_requests 300; {ECHO}"));
    let gate = TestGate::start(&speaking("http2", &format!("http://{}", nginx.address())));
    // nginx says GOAWAY every 300 calls: what it did not look at is sent again over another connection.
    let said = tools::h2load(&["-n", "3000", "-c", "4", "-m", "20", &format!("{}/shop/a", gate.url())]);
    assert!(said.stdout.contains("3000 succeeded, 0 failed, 0 errored"), "{said:?}");
    assert!(said.stdout.contains("status codes: 3000 2xx"), "{said:?}");
}
