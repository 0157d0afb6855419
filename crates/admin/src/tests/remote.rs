//! Over TCP: tokens, roles, hosts and origins.

use std::net::SocketAddr;
use std::sync::Arc;

use callgate_model::Secret;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::house::{House, told};
use crate::client::client_config;
use crate::views::{AdminTokenRole, AuditQuery};
use crate::{AdminClient, AdminCode, serve};

async fn listen(house: &House, tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls.map(|config| Arc::new(move || Arc::clone(&config)) as serve::TlsSource);
    tokio::spawn(serve::tcp(listener, tls, house.desk.clone(), std::future::pending()));
    address
}

async fn token(house: &House, name: &str, role: AdminTokenRole) -> Secret {
    Secret::new(house.door().await.admin_tokens_create(name, role).await.unwrap().token.0)
}

async fn raw(address: SocketAddr, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/status HTTP/1.1\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    told(&mut stream).await
}

#[tokio::test]
async fn without_a_token_from_this_place_nobody_is_let_in() {
    let house = House::new().await;
    let address = listen(&house, None).await;
    let token = token(&house, "ci", AdminTokenRole::Read).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token.expose());
    let unknown = format!("Authorization: Bearer cga_{}\r\n", "0".repeat(64));
    for (fields, expect) in [
        (format!("Host: {address}\r\n{bearer}"), "200 {"),
        (format!("Host: {address}\r\nOrigin: http://{address}\r\n{bearer}"), "200 {"),
        (format!("Host: {address}\r\n"), "token_missing"),
        (format!("Host: {address}\r\nAuthorization: Basic Zm9vOmJhcg==\r\n"), "token_missing"),
        (format!("Host: {address}\r\n{unknown}"), "token_unknown"),
        (format!("Host: {address}\r\n{bearer}{unknown}"), "token_missing"),
        (format!("Host: rebound.example\r\n{bearer}"), "host_refused"),
        (format!("Host: {address}\r\nOrigin: https://evil.example\r\n{bearer}"), "origin_refused"),
    ] {
        let told = raw(address, &fields).await;
        assert!(told.contains(expect), "{fields}\n{told}");
    }
}

/// A token must not be enough to take a gate's sockets: they travel on its own machine alone.
#[tokio::test]
async fn a_gate_is_not_handed_over_from_elsewhere() {
    let house = House::new().await;
    let address = listen(&house, None).await;
    let token = token(&house, "ops", AdminTokenRole::Write).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /v1/upgrade HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: upgrade, close\r\n\
         Upgrade: callgate-upgrade-1\r\n\r\n",
        token.expose()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let told = told(&mut stream).await;
    assert!(told.starts_with("403") && told.contains("user_refused"), "{told}");
}

#[tokio::test]
async fn a_token_that_reads_does_not_write() {
    let house = House::new().await;
    let url = format!("http://{}", listen(&house, None).await);
    let tls = client_config(None).unwrap();
    let reader =
        AdminClient::over_tcp(&url, token(&house, "eyes", AdminTokenRole::Read).await, Arc::clone(&tls)).unwrap();
    let writer = AdminClient::over_tcp(&url, token(&house, "ci", AdminTokenRole::Write).await, tls).unwrap();
    assert_eq!(reader.consumers_create("acme", None).await.unwrap_err().code, AdminCode::RoleTooWeak);
    writer.consumers_create("acme", None).await.unwrap();
    let entries = reader.audit_list(&AuditQuery::default()).await.unwrap().entries;
    assert_eq!((entries[0].actor.as_str(), entries[0].act.as_str()), ("token:ci", "consumer.create"));
    house.door().await.admin_tokens_remove("ci").await.unwrap();
    assert_eq!(writer.consumers_list().await.unwrap_err().code, AdminCode::TokenUnknown);
}

#[tokio::test]
async fn over_tls_the_gate_proves_who_it_is() {
    let house = House::new().await;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let port = listen(&house, Some(Arc::new(config))).await.port();
    let ca_file = house.folder.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let token = token(&house, "ci", AdminTokenRole::Write).await;
    let url = format!("https://localhost:{port}");
    let trusting = AdminClient::over_tcp(&url, token.clone(), client_config(Some(&ca_file)).unwrap()).unwrap();
    assert!(trusting.status().await.unwrap().running);
    let doubting = AdminClient::over_tcp(&url, token, client_config(None).unwrap()).unwrap();
    let error = doubting.status().await.unwrap_err();
    assert!(error.code == AdminCode::GateUnreachable && error.detail.contains("is not trusted"), "{error}");
}

#[tokio::test]
async fn a_place_where_nobody_answers_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let tls = client_config(None).unwrap();
    let client = AdminClient::over_tcp(&format!("http://{address}"), Secret::new("cga_x"), tls).unwrap();
    let error = client.status().await.unwrap_err();
    assert!(error.detail.contains(&address.to_string()), "{error}");
}
