//! Writing to a target that may not be ready, from a thread that nobody waits for.

use std::io::{self, Write};
use std::time::Duration;

/// How long a write waits for a target that answers "not now" (a pipe that another process made non-blocking).
const NOT_NOW_MAX: u32 = 1_000;
const NOT_NOW_PAUSE: Duration = Duration::from_millis(5);

/// Like `Write::write_all`, but says how much was written before it failed, and waits a bounded time for a target that
/// is not ready.
pub(crate) fn write_all(writer: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let (mut written, mut not_now) = (0, 0);
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match writer.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => (written, not_now) = (written + count, 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && not_now < NOT_NOW_MAX => {
                not_now += 1;
                std::thread::sleep(NOT_NOW_PAUSE);
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, writer.flush())
}
