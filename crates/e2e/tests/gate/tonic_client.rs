//! gRPC by tonic, as a program in Rust calls through the gate; the server is Google's.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use callgate_testkit::{GrpcServer, ScriptedUpstream, TestGate};
use http::uri::PathAndQuery;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::grpc::books;
use crate::setup::gate_yaml;

/// Messages are bytes as they are: no protobuf, no generated code.
#[derive(Debug, Clone, Copy)]
struct Plain;

// === impl Plain ===

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        *self
    }

    fn decoder(&mut self) -> Plain {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A client of the gate, and the runtime that it lives on.
struct Client {
    runtime: tokio::runtime::Runtime,
    grpc: Grpc<Channel>,
    key: Option<String>,
}

// === impl Client ===

impl Client {
    #[track_caller]
    fn of(gate: &TestGate, key: Option<&str>) -> Client {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connected = runtime.block_on(Channel::from_shared(gate.url()).unwrap().connect()).unwrap();
        Client { runtime, grpc: Grpc::new(connected), key: key.map(str::to_owned) }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("x-api-key", key.parse().unwrap());
        }
        request
    }

    fn get(&mut self, word: &'static str) -> Result<Bytes, Status> {
        let request = self.request(Bytes::from(word));
        self.get_by(request)
    }

    fn get_by(&mut self, request: Request<Bytes>) -> Result<Bytes, Status> {
        let Client { runtime, grpc, .. } = self;
        runtime.block_on(async {
            grpc.ready().await.unwrap();
            Ok(grpc.unary(request, path("Get"), Plain).await?.into_inner())
        })
    }
}

fn path(method: &str) -> PathAndQuery {
    PathAndQuery::try_from(format!("/shop.Books/{method}")).unwrap()
}

fn gate(server: &GrpcServer, lines: &str) -> TestGate {
    TestGate::start(&gate_yaml("", &books(&server.url(), lines)))
}

/// The call must fail with this code, and a message that begins so.
#[track_caller]
fn fails(result: Result<Bytes, Status>, code: Code, message: &str) -> Status {
    let status = result.unwrap_err();
    assert!(status.code() == code && status.message().starts_with(message), "{status:?}");
    status
}

#[test]
fn every_kind_of_call_passes() {
    let server = GrpcServer::start();
    let gate = gate(&server, "access: key");
    let key = gate.new_key("ada");
    let mut client = Client::of(&gate, Some(&key.text));
    assert_eq!(client.get("one").unwrap(), "book one");

    let (many, asked) = (client.request(Bytes::from("500")), client.request(()));
    let Client { runtime, grpc, .. } = &mut client;
    runtime.block_on(async {
        grpc.ready().await.unwrap();
        let listed = grpc.server_streaming(many, path("List"), Plain).await.unwrap();
        assert_eq!(listed.metadata().get("shelf").unwrap(), "a");
        let mut listed = listed.into_inner();
        for number in 0..500 {
            assert_eq!(listed.message().await.unwrap().unwrap(), format!("book {number}"));
        }
        assert_eq!(listed.message().await.unwrap(), None);
        assert_eq!(listed.trailers().await.unwrap().unwrap().get("checksum").unwrap(), "42");

        let messages = tokio_stream::iter((0..100).map(|_| Bytes::from(vec![b'x'; 10_000])));
        let put = asked.map(|()| messages);
        let (metadata, extensions) = (put.metadata().clone(), tonic::Extensions::default());
        grpc.ready().await.unwrap();
        let put = grpc.client_streaming(put, path("Put"), Plain).await.unwrap();
        assert_eq!(put.into_inner(), "100 messages, 1000000 bytes");

        // Each word is said when the answer to the one before has come.
        let (says, said) = tokio::sync::mpsc::channel(1);
        let chat = Request::from_parts(metadata, extensions, ReceiverStream::new(said));
        grpc.ready().await.unwrap();
        let mut heard = grpc.streaming(chat, path("Chat"), Plain).await.unwrap().into_inner();
        for word in ["a", "b", "c"] {
            says.send(Bytes::from(word)).await.unwrap();
            assert_eq!(heard.message().await.unwrap().unwrap(), format!("re: {word}"));
        }
        says.send(Bytes::from("bye")).await.unwrap();
        assert_eq!(heard.message().await.unwrap(), None);
    });
}

#[test]
fn a_deadline_ends_the_call_at_the_server_too() {
    let mut server = GrpcServer::start();
    let gate = gate(&server, "access: public");
    let mut client = Client::of(&gate, None);
    let mut slow = client.request(Bytes::from("slow"));
    slow.set_timeout(Duration::from_millis(500));
    let status = client.get_by(slow).unwrap_err();
    // tonic keeps the deadline too, and calls it so when it is first.
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    server.program.line("the call to be given up", |line| (line == "slow call ended").then_some(()));
}

#[test]
fn refusals_and_faults_are_statuses() {
    let server = GrpcServer::start();
    let gate =
        gate(&server, "access: key\nlimits: [\"1/min burst 2 per key\"]\nroutes: [\"POST /shop.Books/Get\": {}]");
    let key = gate.new_key("ada");
    let nobody = fails(Client::of(&gate, None).get("one"), Code::Unauthenticated, "credential_missing: ");
    assert_eq!(nobody.metadata().get("callgate-refused").unwrap(), "credential_missing");
    let mut ada = Client::of(&gate, Some(&key.text));
    assert_eq!(ada.get("one").unwrap(), "book one");
    fails(ada.get("missing"), Code::NotFound, "no such book: ü 100 %");
    fails(ada.get("one"), Code::ResourceExhausted, "rate_limited: ");
    let elsewhere = ada.request(Bytes::from("1"));
    let Client { runtime, grpc, .. } = &mut ada;
    let listed = runtime.block_on(async {
        grpc.ready().await.unwrap();
        grpc.unary(elsewhere, path("List"), Plain).await
    });
    fails(listed.map(tonic::Response::into_inner), Code::Unimplemented, "no_such_route: ");

    let down = format!("http://{}", ScriptedUpstream::nobody());
    let gate = TestGate::start(&gate_yaml("", &books(&down, "access: public")));
    fails(Client::of(&gate, None).get("one"), Code::Unavailable, "upstream_unreachable: ");
}
