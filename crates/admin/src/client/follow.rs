//! An answer that does not end of itself, read line by line.

use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http::Method;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::AdminClient;
use super::exchange::{broke, collected, told, unreachable};
use crate::problem::AdminError;
use crate::views::Followed;

/// Until the gate says that it will tell.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Three signs of life that did not come.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes of a line; a record has a few thousand.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Calls as they end. Dropping it ends the connection.
#[derive(Debug)]
pub struct Following {
    body: Body,
    /// Read, and not yet a whole line.
    read: BytesMut,
    /// Moves the bytes of the connection.
    connection: JoinHandle<()>,
}

// === impl AdminClient ===

impl AdminClient {
    pub(super) async fn follow(&self, target: String) -> Result<Following, AdminError> {
        let request = self.request(Method::GET, target, None)?;
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(broke)?;
        // Its error is also that of the body, where it is told.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let answer = timeout(HEAD_TIME_MAX, sender.send_request(request)).await;
        let answer = answer.map_err(|_| unreachable("the gate did not answer in time"))?.map_err(broke)?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(told(status, &collected(answer.into_body()).await?));
        }
        Ok(Following { body: Body::new(answer.into_body()), read: BytesMut::new(), connection })
    }
}

// === impl Following ===

impl Following {
    /// The next; none when the gate has ended.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Followed>, AdminError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let followed = serde_json::from_slice(&line);
                return followed.map(Some).map_err(|error| unreachable(format!("a line is no call: {error}")));
            }
            if self.read.len() > LINE_BYTES_MAX {
                return Err(unreachable("a line is longer than any record"));
            }
            let frame = timeout(SILENCE_MAX, self.body.frame()).await;
            match frame.map_err(|_| unreachable("the gate has gone silent"))? {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(unreachable(format!("the connection to the gate broke: {error}"))),
                None => return Ok(None),
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
