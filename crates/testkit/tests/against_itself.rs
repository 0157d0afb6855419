//! The testkit's pieces against each other: a test that trusts its tools must be able to fail for the gate's sake only.

use callgate_testkit::{Authority, Call, Fault, RawClient, ScriptedUpstream, Signal, reply, wait_for};

#[test]
fn a_call_reaches_the_upstream_whole_and_its_answer_comes_back() {
    let upstream = ScriptedUpstream::echoing();
    let answer = Call::new(upstream.address(), "POST /a?b=c").field("X-One", "1").body("text/plain", "hello").send();
    assert_eq!(answer.summary(), "200");
    let received = upstream.last();
    assert_eq!((received.target(), received.field("x-one"), &*received.body), ("/a?b=c", Some("1"), &b"hello"[..]));
    assert!(answer.text().ends_with("hello"), "{answer}");
}

#[test]
fn chunks_trailers_and_interim_answers_are_read() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-End: 1\r\n\r\n",
    );
    let answer = Call::new(upstream.address(), "POST /").body("text/plain", "x".repeat(20_000)).chunked().send();
    assert_eq!((answer.interim.as_slice(), answer.text().as_str()), (&[100][..], "abcde"));
    assert_eq!(answer.trailers, [("X-End".to_owned(), "1".to_owned())]);
    assert_eq!(upstream.last().body.len(), 20_000);
}

#[test]
fn a_connection_is_kept_and_requests_are_told_apart() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut client = RawClient::connect(upstream.address());
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
    let received: Vec<_> = upstream.received().into_iter().map(|request| (request.connection, request.line)).collect();
    assert_eq!(received, [(0, "GET /1 HTTP/1.1".to_owned()), (0, "GET /2 HTTP/1.1".to_owned())]);
}

#[test]
fn an_upstream_resets_closes_early_and_waits_until_told() {
    let go = Signal::new();
    let told = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        let request = connection.request().unwrap();
        match request.target() {
            "/reset" => connection.reset(),
            "/cut" => assert!(connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")),
            "/wait" => {
                told.wait();
                connection.send(reply("200 OK", ""));
            }
            _ => connection.hold(),
        }
    });
    let call = |target: &str| Call::new(upstream.address(), &format!("GET {target}"));
    assert_eq!(call("/reset").open().try_answer().unwrap_err(), Fault::Reset);
    assert!(matches!(call("/cut").open().try_answer(), Err(Fault::Cut(_))));
    let mut client = call("/wait").open();
    wait_for("the request", || upstream.count() == 3);
    go.raise();
    assert_eq!(client.answer().status, 200);
    let late = call("/hold").open().patience(std::time::Duration::from_millis(50)).try_answer();
    assert_eq!(late.unwrap_err(), Fault::Late(Vec::new()));
}

#[test]
fn an_authority_signs_what_its_client_trusts() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.certificate(&["localhost"]).write(folder.path(), "leaf");
    let nginx = callgate_testkit::Nginx::start_in(
        folder,
        "listen 127.0.0.1:PORT ssl; ssl_certificate FOLDER/leaf.pem; ssl_certificate_key FOLDER/leaf.key; \
         location / { return 200 secret; }",
    );
    let mut client = RawClient::connect_tls(nginx.address(), "localhost", &authority);
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().text(), "secret");
    let stranger = RawClient::try_connect_tls(nginx.address(), "localhost", &Authority::new());
    let error = stranger.unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
}
