//! The access log's file: opened, opened anew after somebody moved it, and moved aside when it is full.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// When a file is full, and how many full ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of one file.
    pub size: u64,
    /// Full files beside the one that is written: `access.log.1` is the youngest.
    pub keep: u32,
}

/// An open file, appended to.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    /// What is in it, by our own count: asking the kernel at every write would cost more than counting.
    bytes: u64,
    /// None where the file only grows, and for what is no regular file (a pipe can't be moved aside).
    rotation: Option<Rotation>,
}

// === impl LogFile ===

impl LogFile {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<LogFile> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        let rotation = rotation.filter(|_| metadata.is_file());
        Ok(LogFile { path: path.to_owned(), file, bytes: metadata.len(), rotation })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands at the path now, made if nothing does; the file opened before is let go.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let file = open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = file;
        Ok(())
    }

    /// Moves the file aside when so many bytes more would be too many, and begins a new one; says whether it did. When
    /// this fails, lines still go to the file that is open.
    pub(crate) fn make_room(&mut self, coming: usize) -> io::Result<bool> {
        let Some(rotation) = self.rotation else { return Ok(false) };
        if self.bytes == 0 || self.bytes.saturating_add(coming as u64) <= rotation.size {
            return Ok(false);
        }
        let ours = self.file.metadata()?;
        let still_there =
            std::fs::metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if still_there && ours.len() < self.bytes {
            // Somebody emptied it in place.
            self.bytes = ours.len();
            return self.make_room(coming);
        }
        // Where somebody else moved it already, what stands at the path is not ours to move.
        if still_there {
            shift(&self.path, rotation.keep)?;
        }
        self.reopen()?;
        Ok(true)
    }
}

impl io::Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// 0640: a log names callers, so it is not for everybody, but a group may be let in to ship it.
/// Opening a pipe must not wait for its reader: the gate could neither start nor stop. Writing to it may, on the thread that does
/// nothing else.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => io::Error::other("it is a pipe that nobody reads"),
        _ => error,
    })?;
    rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Renames `log.4` to `log.5` and so on, the file itself to `log.1`; the oldest is overwritten. A gap is no error: somebody
/// may have taken one away.
fn shift(path: &Path, keep: u32) -> io::Result<()> {
    for number in (1..keep).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The names in the folder with their texts, `log` first.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap_or_default())
        };
        let mut files: Vec<_> = entries.map(read).collect();
        files.sort();
        files
    }

    fn write(log: &mut LogFile, text: &str) -> bool {
        let rotated = log.make_room(text.len()).unwrap();
        log.write_all(text.as_bytes()).unwrap();
        rotated
    }

    fn check(folder: &Path, expect: &[(&str, &str)]) {
        let files = files(folder);
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(files, expect);
    }

    #[test]
    fn a_full_file_is_moved_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&folder.path().join("log"), Some(Rotation { size: 4, keep: 2 })).unwrap();
        let rotated: Vec<bool> = ["aa", "bb", "cc", "toolong", "d", "eeee"].map(|text| write(&mut log, text)).into();
        assert_eq!(rotated, [false, false, true, true, true, true]);
        check(folder.path(), &[("log", "eeee"), ("log.1", "d"), ("log.2", "toolong")]);
        // The count begins with what a restart finds.
        let mut log = LogFile::open(&folder.path().join("log"), Some(Rotation { size: 4, keep: 2 })).unwrap();
        assert!(write(&mut log, "f"));
        check(folder.path(), &[("log", "f"), ("log.1", "eeee"), ("log.2", "d")]);
    }

    #[test]
    fn what_others_do_to_the_file_meanwhile_costs_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(Rotation { size: 4, keep: 2 })).unwrap();
        // Moved away, and another one put there.
        write(&mut log, "aaaa");
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        std::fs::write(&path, "x").unwrap();
        assert!(write(&mut log, "bbb"));
        check(folder.path(), &[("log", "xbbb"), ("moved", "aaaa")]);
        // Emptied in place.
        std::fs::write(&path, "").unwrap();
        assert!(!write(&mut log, "cc"));
        check(folder.path(), &[("log", "cc"), ("moved", "aaaa")]);
        // A younger one taken away.
        write(&mut log, "dddd");
        std::fs::remove_file(folder.path().join("log.1")).unwrap();
        write(&mut log, "eeee");
        check(folder.path(), &[("log", "eeee"), ("log.1", "dddd"), ("moved", "aaaa")]);
    }

    #[test]
    fn a_file_that_cannot_be_moved_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&folder.path().join("log"), Some(Rotation { size: 4, keep: 1 })).unwrap();
        write(&mut log, "aaaa");
        // A folder that is not empty stands where the full file should go: nobody, not even root, renames over it.
        std::fs::create_dir_all(folder.path().join("log.1/full")).unwrap();
        log.make_room(2).unwrap_err();
        log.write_all(b"bb").unwrap();
        check(folder.path(), &[("log", "aaaabb"), ("log.1", "")]);
    }

    #[test]
    fn what_is_no_regular_file_is_never_moved() {
        let mut log = LogFile::open(Path::new("/dev/null"), Some(Rotation { size: 4, keep: 1 })).unwrap();
        assert!(!write(&mut log, "aaaa") && !write(&mut log, "bbbb"));
    }
}
