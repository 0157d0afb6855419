//! An upgrade of the binary: a new process takes the place of the one that serves, and no connection is refused meanwhile
//! (docs/decisions/0042).
//!
//! The new process ([`take`]) asks over the admin socket, and the two talk on that connection, a line each:
//!
//! | new | old |
//! |---|---|
//! | | `estate …`, with the listening sockets and the lock of the data folder |
//! | `prepared`: the configuration is compiled, every address is there | |
//! | | `paused`: no administrative act runs here any more |
//! | `serving`: it accepts from the same sockets | |
//! | | `over`: it does no act any more |
//! | `placed`: its admin socket is in the old one's place | |
//! | | from here on it drains, and its connections end with their next answers |
//! | `changed`, after each act | `seen`: the old process has taken it in |
//!
//! Until `over` the old process gives nothing up: whatever goes wrong, it goes on as before.

mod give;
mod pass;
mod take;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

pub(super) use self::give::{Estate, Heirs};
pub use self::take::Predecessor;
use super::sockets::Purpose;

/// Bytes of a line after the first.
const LINE_BYTES_MAX: u64 = 64;

/// The first line: what the descriptors are that come with it.
#[derive(Debug, Serialize, Deserialize)]
struct Inventory {
    /// The old process.
    pid: u32,
    /// One a listening socket, in their order; behind them comes the lock. Each as the configuration writes it.
    sockets: Vec<(Purpose, SocketAddr)>,
}

/// The two processes' conversation.
#[derive(Debug)]
struct Talk {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

// === impl Talk ===

impl Talk {
    fn over(stream: UnixStream) -> Talk {
        let (reader, writer) = stream.into_split();
        Talk { reader: BufReader::new(reader), writer }
    }

    async fn say(&mut self, word: &str) -> Result<()> {
        let line = format!("{word}\n");
        self.writer.write_all(line.as_bytes()).await.context("the other process is gone")
    }

    /// The next word; nothing at the end.
    async fn hear(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX);
        bounded.read_line(&mut line).await.context("the other process is gone")?;
        Ok(line.strip_suffix('\n').map(str::to_owned))
    }

    async fn expect(&mut self, word: &str) -> Result<()> {
        match self.hear().await? {
            Some(heard) if heard == word => Ok(()),
            Some(heard) => {
                bail!("the other process said `{heard}` instead of `{word}`: its version speaks differently")
            }
            None => bail!("the other process ended before it said `{word}`"),
        }
    }
}
