//! TLS: what is trusted, what is not, and which HTTP is agreed on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::verb;
use crate::{Answer, Arguments, CallError, Http, send};

/// Answers with the host that it was asked for, over the protocol that was agreed on.
async fn start(protocols: &[&str]) -> SocketAddr {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(|request: Request<Incoming>| async move {
                let host = request.uri().authority().map(ToString::to_string);
                let field = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
                let said = format!("{host:?} {field:?} {}", request.uri().path());
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(said)))
            });
            let io = TokioIo::new(stream);
            if http2 {
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            } else {
                tokio::spawn(http1::Builder::new().serve_connection(io, service));
            }
        }
    });
    addr
}

async fn call(arguments: Arguments) -> Result<(Answer, String), CallError> {
    let prepared = arguments.prepare().unwrap();
    let mut answer = send(&prepared.request, &prepared.sending).await?;
    let body = answer.piece().await?.unwrap_or_default();
    Ok((answer, String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_refused_and_k_takes_it() {
    let port = start(&["http/1.1"]).await.port();
    let url = format!("https://localhost:{port}/x");
    let error = call(verb("GET", &[&url])).await.unwrap_err();
    assert_eq!(error.kind(), "tls");
    assert!(error.hint().contains("SSL_CERT_FILE") && error.hint().contains("-k"), "{}", error.in_full());
    let (answer, _) = call(Arguments { insecure: true, ..verb("GET", &[&url]) }).await.unwrap();
    assert!(answer.status.is_success() && answer.timings.tls.is_some());
}

#[tokio::test]
async fn http_is_agreed_on() {
    let port = start(&["h2", "http/1.1"]).await.port();
    let insecure = |http, items: &[&str]| {
        let url = format!("https://localhost:{port}/x");
        Arguments { insecure: true, http, ..verb("GET", &[&[url.as_str()], items].concat()) }
    };
    let (answer, said) = call(insecure(Http::Negotiated, &[])).await.unwrap();
    assert_eq!(answer.version, Version::HTTP_2);
    assert_eq!(said, format!(r#"Some("localhost:{port}") None /x"#));
    let fields = ["Connection:keep-alive", "Transfer-Encoding:chunked", "Upgrade:h2c"];
    call(insecure(Http::Two, &fields)).await.expect("fields of HTTP/1.1 are left out");
    let (answer, said) = call(insecure(Http::One, &[])).await.unwrap();
    assert_eq!(answer.version, Version::HTTP_11);
    assert_eq!(said, format!(r#"None Some("localhost:{port}") /x"#));
    let (_, said) = call(insecure(Http::Two, &["Host:shop.example"])).await.unwrap();
    assert_eq!(said, r#"Some("shop.example") None /x"#, "a Host of one's own is the authority in HTTP/2");
}
