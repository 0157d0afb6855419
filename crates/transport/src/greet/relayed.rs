//! The PROXY header that a trusted balancer writes before everything else.

use std::time::Duration;

use callgate_wire::proxy::{ProxyReader, Relayed};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::GreetError;

/// A header with the extensions that balancers usually send.
const PIECE_BYTES: usize = 256;

/// Reads the header of the PROXY protocol, and not a byte behind it: that one may be of a TLS handshake.
///
/// # Errors
/// There is none, or it takes too long. There is nothing to answer with: who speaks HTTP here came past the balancer.
pub async fn relayed(socket: &mut TcpStream, within: Duration) -> Result<Relayed, GreetError> {
    timeout(within, read(socket)).await.map_err(|_elapsed| GreetError::TooSlow)?
}

async fn read(socket: &mut TcpStream) -> Result<Relayed, GreetError> {
    let mut reader = ProxyReader::default();
    let mut piece = [0; PIECE_BYTES];
    loop {
        // Looked at first and taken afterwards, because only the header itself says where it ends.
        let offered = socket.peek(&mut piece).await.map_err(GreetError::Broken)?;
        if offered == 0 {
            return Err(GreetError::Closed);
        }
        let (taken, relayed) = reader.take(piece.get(..offered).unwrap_or_default()).map_err(GreetError::NotRelayed)?;
        socket.read_exact(piece.get_mut(..taken).unwrap_or_default()).await.map_err(GreetError::Broken)?;
        if let Some(relayed) = relayed {
            return Ok(relayed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{IpAddr, TcpStream as StdStream};
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (StdStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn leaves_what_follows_the_header() {
        let (mut client, mut socket) = connected().await;
        client.write_all(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\nGET").unwrap();
        let found = relayed(&mut socket, Duration::from_secs(10)).await.unwrap();
        assert_eq!(found, Relayed::For(IpAddr::from([203, 0, 113, 9])));
        let mut rest = [0; 3];
        socket.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"GET");
    }

    #[tokio::test]
    async fn waits_so_long_and_no_longer() {
        let (mut client, mut socket) = connected().await;
        client.write_all(b"PROXY TCP4 203.0").unwrap();
        let (began, within) = (Instant::now(), Duration::from_millis(100));
        let error = relayed(&mut socket, within).await.unwrap_err();
        assert!(matches!(error, GreetError::TooSlow) && began.elapsed() >= within, "{error}");
        drop(client);
        let error = relayed(&mut socket, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, GreetError::Closed), "{error}");
    }
}
