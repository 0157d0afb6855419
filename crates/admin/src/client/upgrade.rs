//! Asking a gate to hand itself over.

use std::path::Path;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::exchange::{told, unreachable};
use crate::problem::{AdminCode, AdminError, with_sources};
use crate::routes::upgrade::PROTOCOL;
use crate::socket;

/// Bytes of the answer's head, and of a problem behind it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Asks the gate of a data folder to hand itself over, and gives the connection on which it does.
///
/// # Errors
/// No gate runs there, or it says why not.
pub async fn upgrade(data_dir: &Path) -> Result<UnixStream, AdminError> {
    let connected = socket::connect(data_dir).await.map_err(|error| unreachable(with_sources(&error)))?;
    let none = || {
        let detail = format!(
            "no gate is running on `{}`: start one with `callgate serve`, without `--upgrade`",
            data_dir.display()
        );
        AdminError::new(AdminCode::NotRunning, detail)
    };
    let mut stream = connected.ok_or_else(none)?;
    let broke = |error: std::io::Error| unreachable(format!("the connection to the gate broke: {error}"));
    let request =
        format!("POST /v1/upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broke)?;
    let mut head = Vec::new();
    // Byte by byte: what comes behind the head is not HTTP, and may carry descriptors.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == ANSWER_BYTES_MAX {
            return Err(unreachable("what answers there is no admin API"));
        }
        head.push(stream.read_u8().await.map_err(broke)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    match status {
        Some(StatusCode::SWITCHING_PROTOCOLS) => Ok(stream),
        Some(status) => {
            let mut lengths = head
                .lines()
                .filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let length = lengths.next().unwrap_or(0_usize).min(ANSWER_BYTES_MAX);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.map_err(broke)?;
            Err(told(status, &body))
        }
        None => Err(unreachable("what answers there is no admin API")),
    }
}
