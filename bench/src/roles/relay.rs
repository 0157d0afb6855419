//! A raw TCP relay: what passing bytes through a process costs when nothing is looked at. No proxy can be cheaper.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};

/// Relays connections from `here` to `there`, for ever.
///
/// # Errors
/// The address can't be listened on.
pub(super) async fn serve(here: SocketAddr, there: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(here).await.with_context(|| format!("listening on {here}"))?;
    loop {
        let (mut near, _) = listener.accept().await.context("accepting")?;
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(there).await else { return };
            if near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).is_ok() {
                // However it ends, both connections end.
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            }
        });
    }
}
