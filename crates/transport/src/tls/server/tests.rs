//! Handshakes with certificates made on the spot.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsConnector;

use super::*;
use crate::greet::{GreetError, Protocol, greet};
use crate::serve::{Drain, Server};
use crate::tls::{ClientTlsSet, Tickets};
use crate::upstream::{self, Kind, Pool};
use crate::{BoxError, Timing};

/// Writes a self-signed certificate and its key.
fn pair(folder: &Path, file: &str, names: &[&str]) -> (PathBuf, PathBuf) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (chain, key) = (folder.join(format!("{file}.pem")), folder.join(format!("{file}.key")));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (chain, key)
}

/// A listener's TLS with these certificates, which asks for none.
fn server_tls(pairs: &[(PathBuf, PathBuf)]) -> Result<ServerTls, TlsError> {
    super::server_tls(pairs, &[], Tickets::default().of(None, 0, &[]).unwrap())
}

/// Trusts this authority too.
fn trusting(ca: &Path) -> Arc<rustls::ClientConfig> {
    ClientTlsSet::default().of(None, Some(ca), None).unwrap().config
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test))
}

/// Serves TLS on a free port: every call is answered with the server name and the protocol.
async fn listen(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let config = config.clone();
            spawn_local(async move {
                let timing = Timing::default();
                let Ok(greeted) = greet(socket, Some(config), &timing).await else { return };
                let said = format!("{:?} {:?}", greeted.protocol, greeted.tls.clone().unwrap().server_name);
                let call = move |_request, _inspected| {
                    let body = Full::new(Bytes::from(said.clone())).map_err(|never| match never {}).boxed_unsync();
                    async move { Ok::<_, BoxError>(Response::new(body)) }
                };
                Server::new(timing).serve(greeted, Drain::new().enter(), call).await.ok();
            });
        }
    });
    address
}

fn get() -> Request<Full<Bytes>> {
    Request::get("/").header("host", "h").body(Full::default()).unwrap()
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let folder = TempDir::new().unwrap();
    let one = pair(folder.path(), "one", &["one.example"]);
    let two = pair(folder.path(), "two", &["two.example", "*.two.example"]);
    let config = server_tls(&[one.clone(), two.clone()]).unwrap().config;
    let trust_one = trusting(&one.0);
    let trust_two = trusting(&two.0);
    run(async {
        let address = listen(config).await;
        let shakes = async |trust: &Arc<rustls::ClientConfig>, name: &str| {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(name.to_owned()).unwrap();
            TlsConnector::from(trust.clone()).connect(name, socket).await.is_ok()
        };
        assert!(shakes(&trust_one, "one.example").await);
        assert!(shakes(&trust_two, "two.example").await);
        assert!(shakes(&trust_two, "TWO.example").await);
        assert!(shakes(&trust_two, "a.two.example").await);
        assert!(!shakes(&trust_two, "a.b.two.example").await);
        assert!(!shakes(&trust_one, "two.example").await);
        assert!(!shakes(&trust_two, "one.example").await);
    });
}

#[test]
fn a_pool_calls_over_tls_and_verifies() {
    let folder = TempDir::new().unwrap();
    let pair = pair(folder.path(), "one", &["localhost"]);
    let config = server_tls(std::slice::from_ref(&pair)).unwrap().config;
    run(async {
        let port = listen(config).await.port();
        let pool = Pool::new();
        let server = |host: &str, trust| upstream::Server::new(host, port, Some(trust), Duration::from_secs(4));
        let trusted = server("localhost", trusting(&pair.0));
        for reused in [false, true] {
            let sent = pool.send(&trusted, get()).await.unwrap();
            assert_eq!(sent.reused, reused);
            let body = sent.response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "Http1 Some(\"localhost\")");
        }
        let wrong_name = server("127.0.0.1", trusting(&pair.0));
        let failure = pool.send(&wrong_name, get()).await.unwrap_err();
        assert_eq!((failure.error.kind, failure.error.retry_safe), (Kind::Tls, true));
    });
}

#[test]
fn http2_is_preferred_and_clear_text_is_no_handshake() {
    let folder = TempDir::new().unwrap();
    let pair = pair(folder.path(), "one", &["localhost"]);
    let config = server_tls(std::slice::from_ref(&pair)).unwrap().config;
    let mut both = (*trusting(&pair.0)).clone();
    both.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = spawn_local(async move {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let _stream = TlsConnector::from(Arc::new(both)).connect(name, socket).await.unwrap();
            let mut socket = TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        });
        let (socket, _) = listener.accept().await.unwrap();
        let greeted = greet(socket, Some(config.clone()), &Timing::default()).await.unwrap();
        assert_eq!(greeted.protocol, Protocol::Http2);
        assert_eq!(greeted.tls.unwrap().version, "1.3");
        let (socket, _) = listener.accept().await.unwrap();
        let error = greet(socket, Some(config), &Timing::default()).await.unwrap_err();
        assert!(matches!(error, GreetError::Plain));
        client.await.unwrap();
    });
}

/// The text with the folder cut away.
fn refused(certificates: &[(PathBuf, PathBuf)], folder: &TempDir) -> String {
    let error = server_tls(certificates).unwrap_err();
    error.to_string().replace(&folder.path().display().to_string(), "TLS")
}

#[test]
fn what_is_wrong_is_said_with_the_files_names() {
    let folder = TempDir::new().unwrap();
    let (one, one_key) = pair(folder.path(), "one", &["one.example"]);
    let (_, two_key) = pair(folder.path(), "two", &["two.example"]);
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing here\n").unwrap();
    let missing = folder.path().join("missing.pem");
    assert_eq!(
        refused(&[(one.clone(), two_key)], &folder),
        "the key in TLS/two.key does not fit the certificate in TLS/one.pem: they are from different pairs"
    );
    assert_eq!(
        refused(&[(empty.clone(), one_key.clone())], &folder),
        "TLS/empty.pem holds no certificate: it should begin with -----BEGIN CERTIFICATE-----"
    );
    assert_eq!(refused(&[(missing, one_key)], &folder), "TLS/missing.pem could not be read as PEM");
    assert_eq!(refused(&[(one, empty)], &folder), "TLS/empty.pem could not be read as PEM");
    assert_eq!(refused(&[], &folder), "there is no certificate: name at least one certificate and its key");
}
