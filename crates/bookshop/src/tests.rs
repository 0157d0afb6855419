//! The shop over its socket, as callers see it.

mod contract;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Bookshop, Running};

/// A running shop and one kept-alive connection to it.
struct Visit {
    shop: Running,
    sender: SendRequest<Full<Bytes>>,
}

impl Visit {
    async fn begin() -> Visit {
        let shop = Bookshop::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let stream = TcpStream::connect(shop.addr).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Visit { shop, sender }
    }

    /// `GET /x`, `POST /x`, with fields, and a body.
    async fn call(&mut self, line: &str, fields: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target).header("host", "shop.example");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        self.sender.ready().await.unwrap();
        let (parts, body) = self.sender.send_request(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// Status, the fields that mean something, body.
    async fn check(&mut self, line: &str, fields: &[(&str, &str)], body: &str, expect: &str) {
        let response = self.call(line, fields, body).await;
        let mut shown = response.status().as_u16().to_string();
        for name in ["allow", "accept", "location"] {
            if let Some(value) = response.headers().get(name) {
                shown.push_str(&format!(" {name}:{}", value.to_str().unwrap()));
            }
        }
        let text = String::from_utf8_lossy(response.body());
        assert_eq!(format!("{shown} {text}").trim(), expect, "{line} {body}");
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn answers() {
    let mut visit = Visit::begin().await;
    for (line, expect) in [
        ("GET /health", r#"200 {"status":"ok"}"#),
        ("HEAD /health", "200"),
        ("OPTIONS /orders", "204 allow:GET, HEAD, POST, OPTIONS"),
        (
            "GET /books/2",
            r#"200 {"id":2,"title":"Pride and Prejudice","author":"Jane Austen","year":1813,"price_cents":990}"#,
        ),
        (
            "GET /books?q=TIME+mach",
            r#"200 {"books":[{"id":4,"title":"The Time Machine","author":"H. G. Wells","year":1895,"price_cents":790}],"page":1,"pages":1,"total":1}"#,
        ),
        ("GET /books?page=9", r#"200 {"books":[],"page":9,"pages":3,"total":24}"#),
        (
            "GET /books?page=two",
            r#"400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"Query parameter `page` is `two`; write a whole number from 0 to 4294967295."}"#,
        ),
        (
            "GET /books/99",
            r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"The shop has no book 99."}"#,
        ),
        (
            "GET /books/",
            r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"Nothing is at /books/; see /openapi.json."}"#,
        ),
        (
            "DELETE /books/1",
            r#"405 allow:GET, HEAD, OPTIONS {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"/books/1 does not take DELETE; the Allow field lists what it takes."}"#,
        ),
        (
            "GET /orders/2",
            r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"You have no order 2."}"#,
        ),
        ("GET /slow?ms=0", r#"200 {"waited_ms":0}"#),
    ] {
        visit.check(line, &[], "", expect).await;
    }
    visit
        .check(
            "GET /headers?a=1",
            &[("x-one", "1"), ("x-two", "a"), ("x-two", "b")],
            "",
            r#"200 {"method":"GET","target":"/headers?a=1","headers":{"host":"shop.example","x-one":"1","x-two":["a","b"]}}"#,
        )
        .await;
}

#[tokio::test]
async fn an_order_is_placed_and_found_again() {
    let mut visit = Visit::begin().await;
    let order = r#"{"id":13,"customer":1,"items":[{"book":2,"quantity":3}],"total_cents":2970,"status":"placed"}"#;
    let body = r#"{"items":[{"book":2,"quantity":3}]}"#;
    visit.check("POST /orders", &[JSON], body, &format!("201 location:orders/13 {order}")).await;
    visit.check("GET /orders/13", &[], "", &format!("200 {order}")).await;
    let list = visit.call("GET /orders", &[], "").await;
    assert!(std::str::from_utf8(list.body()).unwrap().contains(order));
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_all_at_once() {
    let mut visit = Visit::begin().await;
    let unfit = |errors: &str, count: u8| {
        format!(
            r#"422 {{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"The body has {count} member(s) to correct.","errors":[{errors}]}}"#
        )
    };
    visit
        .check(
            "POST /orders",
            &[JSON],
            r#"{"items":[{"book":77,"quantity":0},{"book":1}]}"#,
            &unfit(
                r#"{"pointer":"/items/0/book","detail":"the shop has no book 77"},{"pointer":"/items/0/quantity","detail":"is 0; order 1 to 99"}"#,
                2,
            ),
        )
        .await;
    visit
        .check(
            "POST /orders",
            &[JSON],
            r#"{"items":[]}"#,
            &unfit(r#"{"pointer":"/items","detail":"has 0 lines; send 1 to 20"}"#, 1),
        )
        .await;
    visit
        .check(
            "POST /orders",
            &[JSON],
            r#"{"items":[],"admin":true}"#,
            &unfit(r#"{"pointer":"","detail":"unknown field `admin`, expected `items` at line 1 column 19"}"#, 1),
        )
        .await;
    for (content_type, body, status) in [
        ("application/json", "{", 400),
        ("Application/JSON; charset=utf-8", r#"{"items":[{"book":1}]}"#, 201),
        ("text/plain", "{}", 415),
        ("application/jsonp", "{}", 415),
    ] {
        let response = visit.call("POST /orders", &[("content-type", content_type)], body).await;
        assert_eq!(response.status(), status, "{content_type} {body}");
    }
    let long = format!(r#"{{"items":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(visit.call("POST /orders", &[JSON], &long).await.status(), 413);
}

#[tokio::test]
async fn a_session_says_who_calls() {
    let mut visit = Visit::begin().await;
    let wrong = visit.call("POST /login", &[JSON], r#"{"user":"ben","password":"harbour-23"}"#).await;
    assert_eq!(wrong.status(), 401);
    let mut session = async |body| {
        let answer = visit.call("POST /login", &[JSON], body).await;
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        format!("Bearer {}", document["token"].as_str().unwrap())
    };
    let ben = session(r#"{"user":"ben","password":"harbour-22"}"#).await;
    let esra = session(r#"{"user":"esra","password":"keeper-of-shelves"}"#).await;
    for (line, authorization, status) in [
        ("GET /orders/2", ben.as_str(), 200),
        ("GET /orders/7", &ben, 404),
        ("GET /customers/2", &ben, 200),
        ("GET /customers/1", &ben, 404),
        ("GET /admin/stats", &ben, 403),
        ("GET /admin/stats", &esra, 200),
        ("GET /orders", "Bearer session-0", 401),
        ("GET /orders/7", "Bearer a-key-of-the-gate", 200),
    ] {
        let answer = visit.call(line, &[("authorization", authorization)], "").await;
        assert_eq!(answer.status(), status, "{line} {authorization}");
        assert!(!String::from_utf8_lossy(answer.body()).contains("harbour-22"), "passwords are never shown");
    }
}

#[tokio::test]
async fn orders_are_bounded_and_the_seeded_ones_stay() {
    let mut visit = Visit::begin().await;
    for _ in 0..crate::shop::ORDERS_MAX {
        visit.call("POST /orders", &[JSON], r#"{"items":[{"book":1}]}"#).await;
    }
    assert_eq!(visit.call("GET /orders/13", &[], "").await.status(), 404, "the oldest placed one went");
    assert_eq!(visit.call("GET /orders/7", &[], "").await.status(), 200);
    let stats = visit.call("GET /admin/stats", &[], "").await;
    let stats: serde_json::Value = serde_json::from_slice(stats.body()).unwrap();
    assert_eq!(stats["orders"], crate::shop::ORDERS_MAX);
}

#[tokio::test]
async fn five_events_and_the_end() {
    let mut visit = Visit::begin().await;
    let answer = visit.call("GET /events?ms=1", &[], "").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let text = std::str::from_utf8(answer.body()).unwrap();
    assert_eq!(text.matches("event: sale\n").count(), 5);
    assert!(text.ends_with("id: 5\nevent: sale\ndata: {\"book\":5,\"of\":5}\n\n"), "{text}");
}

#[tokio::test]
async fn an_echo_comes_back_before_the_request_has_ended() {
    let shop = Bookshop::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(shop.addr).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: text/x\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"4\r\ntick\r\n").await.unwrap();
    let mut seen = read_until(&mut stream, Vec::new(), "tick").await;
    stream.write_all(b"4\r\ntock\r\n0\r\n\r\n").await.unwrap();
    seen = read_until(&mut stream, seen, "0\r\n\r\n").await;
    let text = String::from_utf8(seen).unwrap();
    assert!(text.contains("content-type: text/x") && text.contains("tock"), "{text}");
}

async fn read_until(stream: &mut TcpStream, mut seen: Vec<u8>, mark: &str) -> Vec<u8> {
    while !String::from_utf8_lossy(&seen).contains(mark) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the connection ended before {mark:?}");
    }
    seen
}

#[tokio::test]
async fn stopping_frees_the_address_and_ends_idle_connections() {
    let mut visit = Visit::begin().await;
    visit.call("GET /health", &[], "").await;
    let addr = visit.shop.addr;
    visit.shop.stop().await;
    let again = Bookshop::start(addr).await.unwrap();
    assert_eq!(again.addr, addr);
    let taken = Bookshop::start(addr).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    // Returns an error once the server has closed the idle connection; hangs if it never does.
    assert!(
        async {
            while visit.sender.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
            true
        }
        .await
    );
}
