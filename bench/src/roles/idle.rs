//! Connections that make one call and then do nothing: what most connections of most gates do most of the time.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::READY;

/// Below Callgate's bound of 1,000 connections from one address, which is on here as everywhere.
const PER_ADDRESS: u32 = 800;

/// Opens so many, says that it did, and holds them for ever.
///
/// # Errors
/// One could not be opened, or its call was not answered.
pub(super) async fn hold(address: SocketAddr, connections: u32) -> Result<()> {
    let mut held = Vec::new();
    for number in 0..connections {
        let from = Ipv4Addr::LOCALHOST.to_bits() + 1 + number / PER_ADDRESS;
        held.push(open(address, Ipv4Addr::from_bits(from)).await.with_context(|| format!("connection {number}"))?);
    }
    println!("{READY}");
    std::future::pending::<()>().await;
    drop(held);
    Ok(())
}

async fn open(address: SocketAddr, from: Ipv4Addr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4().context("making a socket")?;
    socket.bind((from, 0).into()).with_context(|| format!("taking the address {from}"))?;
    let mut stream = socket.connect(address).await.context("connecting")?;
    stream.write_all(b"GET /books/1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.context("calling")?;
    let mut answer = [0; 4096];
    if stream.read(&mut answer).await.context("waiting for the answer")? == 0 {
        bail!("the connection was closed");
    }
    Ok(stream)
}
