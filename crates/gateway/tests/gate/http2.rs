//! HTTP/2: the same phases, the same refusals.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use callgate_model::record::End;
use callgate_testkit::{ScriptedUpstream, reply, wait_for};
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::house::{House, shop};

type Body = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

/// An answer over HTTP/2.
struct Heard {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Heard {
    fn summary(&self) -> String {
        match self.headers.get("callgate-refused") {
            Some(code) => format!("{} {}", self.status.as_u16(), code.to_str().unwrap()),
            None => self.status.as_u16().to_string(),
        }
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed()
}

/// A body whose length nobody declares: over HTTP/2 that needs no field at all.
fn undeclared(pieces: &[&'static str]) -> Body {
    BodyExt::boxed(Pieces(VecDeque::from_iter(pieces.iter().copied())))
}

struct Pieces(VecDeque<&'static str>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

#[track_caller]
fn call(house: &House, request: Request<Body>) -> Heard {
    house.runtime.block_on(async {
        let mut sender = connect(house.listeners[0]).await;
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Heard { status: parts.status, headers: parts.headers, body }
    })
}

fn request(what: &str) -> http::request::Builder {
    let (method, path) = what.split_once(' ').unwrap();
    Request::builder().method(method).uri(format!("http://api.example.com{path}"))
}

#[test]
fn the_same_refusals() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key\naccepts: [application/json]\nbody_max: 8\nroutes: [\"* /a/**\": {}]");
    let key = house.key("ada");
    let check = |request: Request<Body>, expect: &str| {
        let heard = call(&house, request);
        assert_eq!(heard.summary(), expect, "{:?}", heard.headers);
        heard
    };
    let heard = check(request("GET /shop/a").body(empty()).unwrap(), "401 credential_missing");
    assert_eq!(heard.headers["content-type"], "application/problem+json");
    assert!(heard.body.starts_with(b"{"));
    let heard = check(request("HEAD /shop/a").body(empty()).unwrap(), "401 credential_missing");
    assert!(heard.body.is_empty());
    let keyed = |what: &str| request(what).header("x-api-key", &key);
    check(keyed("GET /shop/a").body(empty()).unwrap(), "200");
    check(keyed("GET /shop/b").body(empty()).unwrap(), "404 no_such_route");
    check(keyed("GET /shop/a;x").body(empty()).unwrap(), "400 malformed_request");
    check(keyed("GET /shop/a/../../../x").body(empty()).unwrap(), "400 malformed_request");
    check(keyed("GET /shop/a").header("host", "other.example.com").body(empty()).unwrap(), "400 malformed_request");
    check(keyed("GET /shop/a").header("x_forwarded_for", "1.2.3.4").body(empty()).unwrap(), "400 malformed_request");
    check(keyed("TRACE /shop/a").body(empty()).unwrap(), "501 method_unsupported");
    let json = |body| keyed("POST /shop/a").header("content-type", "application/json").body(body).unwrap();
    check(json(undeclared(&["{", "}"])), "200");
    assert_eq!(upstream.last().body, b"{}");
    check(json(undeclared(&["{", "          }"])), "413 body_too_large");
}

/// HTTP/2 needs neither Content-Length nor Transfer-Encoding, so a body is not known by its fields.
#[test]
fn a_body_without_a_type_is_refused_though_nothing_declares_it() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\naccepts: [application/json]");
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        let heard = call(&house, request(&format!("{method} /shop/a")).body(undeclared(&["<x/>"])).unwrap());
        assert_eq!(heard.summary(), "415 unsupported_content_type", "{method}");
        assert_eq!(heard.headers["accept"], "application/json");
    }
    assert!(upstream.received().iter().all(|received| received.body.is_empty()));
    // Ending the stream with an empty piece is no body.
    let heard = call(&house, request("GET /shop/a").body(undeclared(&[])).unwrap());
    assert_eq!(heard.summary(), "200");
}

#[test]
fn cookies_are_joined_and_a_get_keeps_its_body() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public");
    let crumbs = request("GET /shop/a").header("cookie", "a=1").header("cookie", "b=2").body(empty()).unwrap();
    assert_eq!(call(&house, crumbs).summary(), "200");
    let received = upstream.last();
    assert_eq!(received.fields_named("cookie"), ["a=1; b=2"]);
    assert_eq!(received.line, "GET /a HTTP/1.1");
    assert_eq!(received.field("x-forwarded-host"), Some("api.example.com"));
    assert_eq!(call(&house, request("GET /shop/a").body(undeclared(&["hello"])).unwrap()).summary(), "200");
    assert_eq!(upstream.last().body, b"hello");
}

#[test]
fn a_stream_that_is_reset_is_recorded_once_and_gives_its_place_back() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/hold" {
                connection.hold();
            } else {
                connection.send(reply("200 OK", "ok"));
            }
        }
    });
    let house = shop(&upstream, "access: public\nconcurrent: 1");
    house.runtime.block_on(async {
        let mut sender = connect(house.listeners[0]).await;
        let held = sender.send_request(request("GET /shop/hold").body(empty()).unwrap());
        let held = tokio::time::timeout(std::time::Duration::from_millis(300), held).await;
        assert!(held.is_err(), "nobody answers");
    });
    wait_for("the place", || call(&house, request("GET /shop/a").body(empty()).unwrap()).status == 200);
    let record = &house.records_of("/shop/hold", 1)[0];
    assert_eq!((record.end, record.status), (End::ClientGone, 0));
}

#[test]
fn calls_of_one_connection_are_never_mixed_up() {
    let upstream = ScriptedUpstream::responding(|request| reply("200 OK", request.target()));
    let house = shop(&upstream, "access: public");
    house.runtime.block_on(async {
        let sender = connect(house.listeners[0]).await;
        let mut calls = Vec::new();
        for number in 0..100 {
            let mut sender = sender.clone();
            calls.push(tokio::spawn(async move {
                let path = format!("/{number}");
                let response =
                    sender.send_request(request(&format!("GET /shop{path}")).body(empty()).unwrap()).await.unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, path);
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
    });
}
