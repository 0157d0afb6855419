//! Against a server that answers with exactly these bytes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn fetching() -> Fetch {
    Fetch { tls: None, allows: Arc::new(|ip| ip.is_loopback()), bytes_max: 1024, time_max: Duration::from_secs(5) }
}

/// A server that answers each connection so, and how many there were.
async fn server(answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _request = socket.read(&mut head).await;
            let _sent = socket.write_all(&answer).await;
            let _flushed = socket.shutdown().await;
        }
    });
    (url, seen)
}

async fn check(answer: impl Into<Vec<u8>>, expect: Result<&str, &str>) {
    let (url, _) = server(answer.into()).await;
    let fetched = fetching().get(&url).await;
    let told =
        fetched.map(|fetched| String::from_utf8(fetched.bytes.to_vec()).unwrap()).map_err(|error| error.to_string());
    match expect {
        Ok(body) => assert_eq!(told.unwrap(), body),
        Err(start) => assert!(told.as_ref().is_err_and(|told| told.starts_with(start)), "{told:?} instead of {start}"),
    }
}

#[tokio::test]
async fn only_a_whole_document_of_a_bounded_size_counts() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok("{}")).await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Ok("{}")).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", Err("can't be fetched: 127.0.0.1")).await;
    check(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        Err("is not there: the answer was 302 Found, and redirects"),
    )
    .await;
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Err("is not there: the answer was 404")).await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        Err("comes with a `Content-Encoding`"),
    )
    .await;
    let long = [b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".as_slice(), &[b' '; 4096]].concat();
    check(long, Err("is longer than 1024 bytes")).await;
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b' '; 4096]].concat();
    check(endless, Err("is longer than 1024 bytes")).await;
    check("SSH-2.0-OpenSSH\r\n", Err("can't be fetched: 127.0.0.1")).await;
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_was_not_named() {
    let (url, seen) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec()).await;
    let mut fetch = fetching();
    fetch.allows = Arc::new(|_| false);
    for url in [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")] {
        let error = fetch.get(&url).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { kind: "loopback", .. }), "{url}: {error:?}");
    }
    // One machine's loopback is not another's.
    fetch.allows = Arc::new(|ip| ip == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    assert!(matches!(fetch.get(&url).await.unwrap_err(), FetchError::Forbidden { .. }));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    fetch.allows = Arc::new(|ip| ip.is_loopback());
    assert!(fetch.get(&url).await.is_ok());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fetch = Fetch { time_max: Duration::from_millis(50), ..fetching() };
    let error = fetch.get(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::TooSlow { .. }), "{error:?}");
}

#[test]
fn how_long_a_document_is_fresh() {
    let check = |fields: &[&'static str], expect: Option<u64>| {
        let fields: HeaderMap = fields.iter().map(|field| (CACHE_CONTROL, HeaderValue::from_static(field))).collect();
        assert_eq!(fresh(&fields), expect.map(Duration::from_secs), "{fields:?}");
    };
    check(&[], None);
    check(&["no-store"], None);
    check(&["public, max-age=60"], Some(60));
    check(&["public", "Max-Age=\"7\""], Some(7));
    check(&["max-age=x", "max-age=-1"], None);
}
