//! Descriptors in a message over a Unix socket (SCM_RIGHTS, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use callgate_model::bounds::UPGRADE_SOCKETS_MAX;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The sockets and the lock.
const DESCRIPTORS_MAX: usize = UPGRADE_SOCKETS_MAX + 1;
/// Bytes of the line beside them: an address is at most 47 of them.
const LINE_BYTES_MAX: usize = 64 * DESCRIPTORS_MAX;

/// Sends a line and descriptors in one message, so that neither comes without the other.
pub(super) async fn send(stream: &UnixStream, line: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if descriptors.len() > DESCRIPTORS_MAX || !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        Ok(sendmsg(stream, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::NOSIGNAL)?)
    });
    // A fresh socket's buffer takes far more than a line may have.
    if sent.await? == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives what [`send`] sent.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<(String, Vec<OwnedFd>)> {
    stream
        .async_io(Interest::READABLE, || {
            let mut line = vec![0; LINE_BYTES_MAX];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            // Not to be inherited by whatever this process may start one day.
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(stream, &mut [IoSliceMut::new(&mut line)], &mut control, flags)?;
            let mut descriptors = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(passed) = message {
                    descriptors.extend(passed);
                }
            }
            line.truncate(received.bytes);
            let line = String::from_utf8(line).map_err(io::Error::other)?;
            Ok((line, descriptors))
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn as_many_as_there_may_be_arrive_and_are_the_same() {
        let (here, there) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let many = vec![file.as_fd(); DESCRIPTORS_MAX];
        let line = "x".repeat(LINE_BYTES_MAX);
        send(&here, &line, &many).await.unwrap();
        let (heard, descriptors) = receive(&there).await.unwrap();
        assert_eq!((heard, descriptors.len()), (line, DESCRIPTORS_MAX));
        file.set_len(7).unwrap();
        let copy = std::fs::File::from(descriptors.into_iter().next_back().unwrap());
        assert_eq!(copy.metadata().unwrap().len(), 7);
        let one_more = vec![file.as_fd(); DESCRIPTORS_MAX + 1];
        assert!(send(&here, "x", &one_more).await.is_err());
    }
}
