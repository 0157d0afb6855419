//! Plain HTTP on a port that speaks TLS: said in plain HTTP, because a TLS alert tells its client nothing.

use std::io;

use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Written without waiting, as what is said to a client over the bound is; there is no call yet, hence no record.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nCallgate-Refused: malformed_request\r\n\
    Content-Type: application/problem+json\r\nContent-Length: 196\r\nConnection: close\r\n\r\n\
    {\"type\":\"urn:callgate:refusal:malformed_request\",\"title\":\"The request is not well-formed HTTP.\",\"status\":400,\
    \"code\":\"malformed_request\",\"detail\":\"This port speaks TLS: write https:// in the URL.\"}";
/// What is read of the request, so that closing does not reset the answer away; more than the head of any first call.
const DISCARDED_BYTES_MAX: usize = 4 * 1024;

/// Waits for the first byte, and looks whether it begins a method. A TLS record begins with a number below 32 (RFC 8446
/// section 5.1), so the two can't be taken for each other.
pub(super) async fn begins_plain_http(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let peeked = socket.peek(&mut first).await?;
    Ok(peeked == 1 && first.iter().all(u8::is_ascii_uppercase))
}

/// Tells the client, and closes.
pub(super) async fn refuse(mut socket: TcpStream) {
    // Whether any of it works changes nothing: the client is gone then, or sends more than a request.
    socket.try_read(&mut [0; DISCARDED_BYTES_MAX]).ok();
    SockRef::from(&socket).send(SPEAKS_TLS).ok();
    socket.shutdown().await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prewritten_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(SPEAKS_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
