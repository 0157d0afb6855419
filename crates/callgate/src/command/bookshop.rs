//! `callgate bookshop`: the sample API alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use callgate_bookshop::Bookshop;
use clap::Args;

use crate::terminal;

/// Serve the sample API: books, orders, customers, a login, health
#[derive(Debug, Args)]
pub struct BookshopArgs {
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The address
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
}

// === impl BookshopArgs ===

impl BookshopArgs {
    /// Serves until Ctrl-C.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn run(self) -> Result<()> {
        let address = SocketAddr::new(self.address, self.port);
        let running = Bookshop::start(address).await;
        let running = running.with_context(|| format!("{address} can't be listened on; --port 0 takes a free one"))?;
        terminal::say(&format!("bookshop is ready: http://{}", running.addr));
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        Ok(())
    }
}
