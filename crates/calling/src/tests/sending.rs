//! What goes over the wire, and every way in which no answer comes.

use std::io::Write as _;
use std::time::Duration;

use super::server::{Server, json, reply};
use super::{verb, words};
use crate::error::CallError;
use crate::{Answer, Arguments, Exit, Http, Prepared, curl_args, send};

async fn text(answer: &mut Answer) -> String {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.piece().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).unwrap()
}

async fn try_to(prepared: &Prepared) -> Result<Answer, CallError> {
    send(&prepared.request, &prepared.sending).await
}

#[tokio::test]
async fn a_request_on_the_wire() {
    let server = Server::replying([json("201 Created", "{}")]).await;
    let prepared = verb("POST", &[&server.url("/a/../b?q=1"), "x=1", "X-Api-Key:k"]).prepare().unwrap();
    let mut answer = try_to(&prepared).await.unwrap();
    assert_eq!((answer.status.as_u16(), text(&mut answer).await.as_str()), (201, "{}"));
    assert!(answer.timings.total.is_some_and(|total| total >= answer.timings.first_byte));
    let seen = server.seen().concat().replace(&server.addr.to_string(), "HOST").replace(env!("CARGO_PKG_VERSION"), "N");
    insta::assert_snapshot!(seen.replace('\r', ""), @r#"
    POST /a/../b?q=1 HTTP/1.1
    host: HOST
    user-agent: callgate/N
    accept: application/json, */*;q=0.5
    content-type: application/json
    x-api-key: k
    content-length: 9

    {"x":"1"}
    "#);
}

#[tokio::test]
async fn a_file_is_streamed_with_its_length() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all("x".repeat(300_000).as_bytes()).unwrap();
    let server = Server::replying([json("200 OK", "1")]).await;
    let prepared = verb("PUT", &[&server.url("/"), &format!("@{}", file.path().display())]).prepare().unwrap();
    assert_eq!(text(&mut try_to(&prepared).await.unwrap()).await, "1");
    let seen = server.seen().concat();
    assert!(seen.contains("content-length: 300000\r\n") && seen.ends_with(&"x".repeat(300_000)));
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let server = Server::replying([json("200 OK", "1"), json("200 OK", "1")]).await;
    for (method, expect) in [("POST", true), ("GET", false)] {
        let prepared = verb(method, &[&server.url("/")]).prepare().unwrap();
        text(&mut try_to(&prepared).await.unwrap()).await;
        assert_eq!(server.seen().last().unwrap().contains("content-length: 0\r\n"), expect, "{method}");
    }
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_is_seen() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_buf(&mut Vec::with_capacity(65_536)).await.unwrap();
        stream.write_all(json("401 Unauthorized", "no").as_bytes()).await.unwrap();
        // Lingers as a gate does: what still comes is read and thrown away.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
    });
    let data = vec!["x".repeat(20 << 20)];
    let prepared = Arguments { data, ..verb("POST", &[&url]) }.prepare().unwrap();
    let mut answer = try_to(&prepared).await.unwrap();
    assert_eq!((answer.status.as_u16(), text(&mut answer).await.as_str()), (401, "no"));
}

#[tokio::test]
async fn a_body_can_be_sent_in_chunks() {
    let server = Server::replying([json("200 OK", "1")]).await;
    let prepared = verb("PUT", &[&server.url("/"), "a=1", "Transfer-Encoding:chunked"]).prepare().unwrap();
    text(&mut try_to(&prepared).await.unwrap()).await;
    let seen = server.seen().concat();
    assert!(seen.contains("transfer-encoding: chunked\r\n") && !seen.contains("content-length"), "{seen}");
}

#[tokio::test]
async fn redirects_are_followed_only_when_asked() {
    let server = Server::replying([
        reply("302 Found", &["location: /b"], ""),
        reply("302 Found", &["location: b/c?d"], ""),
        reply("307 Temporary Redirect", &["location: e"], ""),
        json("200 OK", "1"),
    ])
    .await;
    let prepared = verb("POST", &[&server.url("/a/x"), "n=1"]).prepare().unwrap();
    assert_eq!(try_to(&prepared).await.unwrap().status, 302);
    let prepared = Arguments { follow: true, ..verb("POST", &[&server.url("/a/x"), "n=1"]) }.prepare().unwrap();
    let answer = try_to(&prepared).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.hops.len()), (200, 2));
    let lines: Vec<String> = server.seen().iter().map(|seen| seen.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines[1..], ["POST /a/x HTTP/1.1", "GET /a/b/c?d HTTP/1.1", "GET /a/b/e HTTP/1.1"]);
    assert!(!server.seen()[2].contains("content-"), "a GET after a POST has neither body nor its type");
}

#[tokio::test]
async fn credentials_do_not_go_to_another_origin() {
    let other = Server::replying([json("200 OK", "1")]).await;
    let here = Server::replying([
        reply("307 Temporary Redirect", &["location: /again"], ""),
        reply("307 Temporary Redirect", &[&format!("location: {}", other.url("/"))], ""),
    ])
    .await;
    let url = here.url("/");
    let line =
        ["-L", &url, "-u", "ada:x", "-H", "X-Api-Key: k", "-b", "a=b", "-H", "X-Access-Token: t", "-H", "X-Kept: 1"];
    try_to(&curl_args(&words(&line)).unwrap()).await.unwrap();
    for name in ["authorization: Basic", "x-api-key: k", "cookie: a=b", "x-access-token: t", "x-kept: 1"] {
        assert!(here.seen()[1].contains(name), "{name} goes along within an origin");
        assert_eq!(other.seen()[0].contains(name), name.starts_with("x-kept"), "{name}");
    }
    assert!(other.seen()[0].contains(&format!("host: {}\r\n", other.addr)));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::replying([(); 11].map(|()| reply("302 Found", &["location: /?key=secret"], ""))).await;
    let prepared = Arguments { follow: true, ..verb("GET", &[&server.url("/")]) }.prepare().unwrap();
    let error = try_to(&prepared).await.unwrap_err();
    assert_eq!(error.to_string(), format!("more than 10 redirects, the last to {}", server.url("/?key=[redacted]")));
}

#[tokio::test]
async fn each_way_to_fail_has_its_own_words() {
    // A port that nobody listens on: bound, then given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&format!("http://{free}/"), "refused", Exit::NoAnswer, &format!("is the server running on {free}?")).await;
    check(
        "http://a..b.invalid/",
        "resolve",
        Exit::NoAnswer,
        "is `a..b.invalid` spelled right, and is this machine online?",
    )
    .await;
    let server = Server::replying(["SSH-2.0-OpenSSH_9.9\r\n"]).await;
    check(&server.url("/"), "not_http", Exit::NoAnswer, "does the server speak TLS there? then write https://").await;
    let server = Server::replying([""]).await;
    let broken = "the call may have taken effect: check before repeating it";
    check(&server.url("/"), "broken", Exit::NoAnswer, broken).await;
    let server = Server::replying(["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]).await;
    check(&server.url("/"), "broken", Exit::NoAnswer, broken).await;
    let server = Server::replying(["not TLS"]).await;
    check(
        &format!("https://{}/", server.addr),
        "tls",
        Exit::NoAnswer,
        "does the server speak clear text there? then write http://",
    )
    .await;
    let server = Server::silent().await;
    check(
        &server.url("/"),
        "timeout",
        Exit::TimedOut,
        "the call may have taken effect: check before repeating it; --max-time waits longer",
    )
    .await;
}

async fn check(url: &str, kind: &str, exit: Exit, hint: &str) {
    let max_time = Some(Duration::from_millis(if kind == "timeout" { 50 } else { 20_000 }));
    let prepared = Arguments { max_time, http: Http::One, ..verb("GET", &[url]) }.prepare().unwrap();
    let error = match try_to(&prepared).await {
        Err(error) => error,
        Ok(mut answer) => answer.piece().await.and(answer.piece().await).unwrap_err(),
    };
    assert_eq!((error.kind(), error.exit(), error.hint().as_str()), (kind, exit, hint), "{}", error.in_full());
}
