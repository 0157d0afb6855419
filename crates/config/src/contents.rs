//! The bytes of a file that is the configuration, or that it names.
//!
//! It may be a pipe (`-c <(sops -d callgate.yaml)`), and opening one waits for its other end, which nobody promises that there
//! is: a command would wait for ever, and so would a reload, and with it the end of the gate.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use callgate_model::bounds;
use rustix::fs::OFlags;

/// Between two looks into a pipe that has nothing.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a file holds, up to so many bytes.
pub(crate) fn of(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        drain(pipe.take(bytes_max), &mut bytes, bounds::PIPED_FILE_TIME_MAX)?;
    } else {
        File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Reads a pipe to its end, as long as something comes in time.
fn drain(mut pipe: impl Read, bytes: &mut Vec<u8>, patience: Duration) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    let mut piece = [0; 4096];
    loop {
        match pipe.read(&mut piece) {
            // One that nobody has open for writing looks so too.
            Ok(0) if bytes.is_empty() => return Err(io::Error::other("it is a pipe that nobody writes to")),
            Ok(0) => return Ok(()),
            Ok(count) => {
                bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                waited = Duration::ZERO;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && waited < patience => {
                std::thread::sleep(LOOK_EVERY);
                waited += LOOK_EVERY;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::other("it is a pipe, and nothing more came through it"));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    fn pipe() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        (folder, path)
    }

    #[test]
    fn a_pipe_is_read_and_one_without_an_other_end_is_not_waited_for() {
        let (_folder, path) = pipe();
        assert_eq!(of(&path, 100).unwrap_err().to_string(), "it is a pipe that nobody writes to");
        // Open at both ends, so that its writer need not wait for its reader.
        let mut writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        writer.write_all(b"version: 1\n").unwrap();
        assert_eq!(of(&path, 11).unwrap(), b"version: 1\n");
    }

    #[test]
    fn a_writer_that_says_nothing_is_given_up() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::WouldBlock.into())
            }
        }
        let given_up = drain(Silent, &mut Vec::new(), Duration::from_millis(30)).unwrap_err();
        assert_eq!(given_up.to_string(), "it is a pipe, and nothing more came through it");
    }
}
