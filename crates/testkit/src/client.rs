//! A client that sends exactly the bytes it is given.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{Domain, SockRef, Socket, Type};

use crate::answer::{Answer, Fault};
use crate::certificate::{Authority, TlsClient};
use crate::wait::PATIENCE;

/// One connection.
#[derive(Debug)]
pub struct RawClient {
    stream: Stream,
    /// Read, but not yet part of an answer.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

// === impl RawClient ===

impl RawClient {
    /// Connects.
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> RawClient {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"))
    }

    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<RawClient> {
        TcpStream::connect(address).map(Self::over)
    }

    /// Connects from one of this machine's own addresses: all of 127.0.0.0/8 are on loopback, and the gate takes each
    /// for a client of its own.
    #[must_use]
    #[track_caller]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> RawClient {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap_or_else(|error| panic!("binding {source}: {error}"));
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        Self::over(socket.into())
    }

    /// Connects with a receive buffer of a few KiB, so that an answer that is not read soon stalls its sender.
    #[must_use]
    #[track_caller]
    pub fn connect_narrow(address: SocketAddr) -> RawClient {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    /// Connects over TLS, asks for the certificate of `name`, and trusts `authority` alone.
    ///
    /// # Panics
    /// When the handshake fails; [`RawClient::try_connect_tls`] says why instead.
    #[must_use]
    #[track_caller]
    pub fn connect_tls(address: SocketAddr, name: &str, authority: &Authority) -> RawClient {
        Self::try_connect_tls(address, name, authority).unwrap_or_else(|error| panic!("TLS with {name}: {error}"))
    }

    /// See [`RawClient::connect_tls`].
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn try_connect_tls(address: SocketAddr, name: &str, authority: &Authority) -> Result<RawClient, String> {
        Self::try_connect_as(address, name, &authority.client(None))
    }

    /// Connects over TLS as this client, which may show a certificate, and may resume an earlier session.
    ///
    /// # Panics
    /// When the handshake fails.
    #[must_use]
    #[track_caller]
    pub fn connect_as(address: SocketAddr, name: &str, client: &TlsClient) -> RawClient {
        Self::try_connect_as(address, name, client).unwrap_or_else(|error| panic!("TLS with {name}: {error}"))
    }

    /// See [`RawClient::connect_as`].
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn try_connect_as(address: SocketAddr, name: &str, client: &TlsClient) -> Result<RawClient, String> {
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let mut connection =
            rustls::ClientConnection::new(Arc::clone(&client.0), name).map_err(|error| error.to_string())?;
        let mut tcp = TcpStream::connect(address).map_err(|error| error.to_string())?;
        prepare(&tcp);
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).map_err(|error| error.to_string())?;
        }
        let stream = Stream::Tls(Box::new(rustls::StreamOwned::new(connection, tcp)));
        Ok(RawClient { stream, buffer: Vec::new() })
    }

    fn over(tcp: TcpStream) -> RawClient {
        prepare(&tcp);
        RawClient { stream: Stream::Tcp(tcp), buffer: Vec::new() }
    }

    /// Sends these bytes. A peer that already closed is not an error here: its answer tells.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.try_send(bytes.as_ref());
        self
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// When the connection is gone, or the peer reads nothing for [`PATIENCE`].
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush())
    }

    /// Says that nothing more will be sent, and keeps reading.
    pub fn finish_sending(&mut self) -> &mut Self {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.tcp().shutdown(Shutdown::Write);
        self
    }

    /// Reads one answer, interim ones before it included.
    #[must_use]
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|fault| panic!("no answer: {fault:?}"))
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// Why there was none.
    pub fn try_answer(&mut self) -> Result<Answer, Fault> {
        Answer::read(&mut self.stream, &mut self.buffer, false)
    }

    /// Reads the answer to a HEAD: it has no body, whatever its fields say.
    #[must_use]
    #[track_caller]
    pub fn answer_to_head(&mut self) -> Answer {
        Answer::read(&mut self.stream, &mut self.buffer, true).unwrap_or_else(|fault| panic!("no answer: {fault:?}"))
    }

    /// Reads through these bytes, and gives them with all before them.
    #[track_caller]
    pub fn read_through(&mut self, end: &[u8]) -> Vec<u8> {
        crate::answer::take_through(&mut self.stream, &mut self.buffer, end)
            .unwrap_or_else(|fault| panic!("waited for {:?}: {fault:?}", String::from_utf8_lossy(end)))
    }

    /// Reads exactly this many bytes.
    #[track_caller]
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        crate::answer::take(&mut self.stream, &mut self.buffer, length)
            .unwrap_or_else(|fault| panic!("waited for {length} bytes: {fault:?}"))
    }

    /// Reads exactly this many bytes.
    ///
    /// # Errors
    /// Why there were fewer.
    pub fn try_read_exactly(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        crate::answer::take(&mut self.stream, &mut self.buffer, length)
    }

    /// Waits until the peer has closed, and gives what it sent until then. Panics when it stays open.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut piece = [0_u8; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return std::mem::take(&mut self.buffer),
                Ok(read) => self.buffer.extend_from_slice(&piece[..read]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    panic!("still open; came: {:?}", String::from_utf8_lossy(&self.buffer))
                }
                Err(_) => return std::mem::take(&mut self.buffer),
            }
        }
    }

    /// How long reads wait from now on.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.tcp().set_read_timeout(Some(patience)).unwrap();
        self
    }

    /// The protocol agreed on by ALPN, over TLS.
    #[must_use]
    pub fn alpn(&self) -> Option<String> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Tls(stream) => {
                stream.conn.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned())
            }
        }
    }

    /// Whether the TLS session was resumed, hence no certificate shown or asked for.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        match &self.stream {
            Stream::Tcp(_) => false,
            Stream::Tls(stream) => stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        }
    }

    /// The certificate that the peer showed, over TLS, in DER.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Tls(stream) => stream.conn.peer_certificates()?.first().map(|leaf| leaf.to_vec()),
        }
    }

    /// Closes with a reset (RST) instead of an end.
    pub fn reset(self) {
        SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

fn prepare(tcp: &TcpStream) {
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
}

// === impl Stream ===

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(buffer),
            Stream::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
