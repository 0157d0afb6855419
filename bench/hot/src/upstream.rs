//! An upstream that costs next to nothing: a thread for each connection that answers every head with the same bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::Result;
use callgate_wire::head;

/// 90 bytes of JSON, as the bench's upstream sends them.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 82\r\n\r\n\
    {\"id\":7,\"title\":\"The Dispossessed\",\"author\":\"Ursula K. Le Guin\",\"year\":1974,\"n\":7}";
/// More than any head that the gate forwards here.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Starts it on a free port. It ends with the process.
pub(crate) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                if let Err(error) = serve(stream)
                    && error.kind() != ErrorKind::ConnectionReset
                {
                    eprintln!("hot: the upstream's connection broke: {error}");
                }
            });
        }
    });
    Ok(address)
}

/// Calls here have no bodies, so what lies before an empty line is a request.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; HEAD_BYTES_MAX];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        // The gate makes one call after the other: nothing comes after an empty line.
        if head::find_end(buffer.get(..filled).unwrap_or_default(), 0).is_some() {
            stream.write_all(ANSWER)?;
            filled = 0;
        }
    }
}
