//! `std::fs` with the path in every error: "permission denied" alone tells nobody which file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

/// What the operating system said about one path. Its words are part of the text, so they are no `source`.
#[derive(Debug, thiserror::Error)]
#[error("could not {act} `{}`: {error}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was tried, as a verb.
    pub act: &'static str,
    /// What the system answered.
    pub error: io::Error,
}

/// Readable by its owner alone.
const PRIVATE_FILE: u32 = 0o600;
/// The same for a folder.
const PRIVATE_FOLDER: u32 = 0o700;

fn at(path: &Path, act: &'static str) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |error| FileError { path, act, error }
}

/// Makes a folder for its owner alone, and every missing one above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path).map_err(at(path, "create"))
}

/// The names in a folder, sorted; none where there is no folder.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(path, "list"))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(at(path, "list"))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether something is there.
pub(crate) fn exists(path: &Path) -> Result<bool, FileError> {
    path.try_exists().map_err(at(path, "look for"))
}

/// The permission bits.
pub(crate) fn mode(path: &Path) -> Result<u32, FileError> {
    Ok(fs::metadata(path).map_err(at(path, "look at"))?.permissions().mode() & 0o777)
}

/// Takes a folder away from everybody but its owner.
pub(crate) fn make_folder_private(path: &Path) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_FOLDER)).map_err(at(path, "close to others"))
}

/// Opens a file for reading and writing, made for its owner alone when it is missing.
pub(crate) fn open_private(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
    options.open(path).map_err(at(path, "open for writing"))
}

/// The whole text of a small file.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(at(path, "read"))
}

/// Replaces what an open file holds.
pub(crate) fn overwrite(file: &mut File, path: &Path, text: &str) -> Result<(), FileError> {
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(at(path, "write"))
}

/// Writes a small private file so that a crash leaves all of it or nothing, and it is on the disk when this returns.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let unfinished = path.with_extension("unfinished");
    let mut file = open_private(&unfinished)?;
    file.set_len(0)
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .map_err(at(&unfinished, "write"))?;
    rename(&unfinished, path)
}

/// Renames within one folder; the new name is on the disk when this returns.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(at(from, "rename"))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file; on the disk when this returns.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(at(path, "remove"))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Brings the names in a folder to the disk: without it a crash may lose a file whose bytes are safe.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    sync(path)
}

/// Brings a file's bytes to the disk.
pub(crate) fn sync(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(at(path, "write through"))
}

/// Copies a file to a new private one and says what its bytes add up to.
pub(crate) fn copy_private(from: &Path, to: &Path) -> Result<Sum, FileError> {
    let mut target = open_private(to)?;
    let sum = sum_into(from, |bytes| target.write_all(bytes).map_err(at(to, "write")))?;
    target.sync_all().map_err(at(to, "write through"))?;
    Ok(sum)
}

/// The length and SHA-256 of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Reads a file once, in pieces: a backup may hold a gigabyte.
pub(crate) fn sum(path: &Path) -> Result<Sum, FileError> {
    sum_into(path, |_| Ok(()))
}

fn sum_into(path: &Path, mut also: impl FnMut(&[u8]) -> Result<(), FileError>) -> Result<Sum, FileError> {
    let mut file = File::open(path).map_err(at(path, "open"))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0_u8; 128 * 1024];
    let mut total = 0_u64;
    loop {
        let count = file.read(&mut buffer).map_err(at(path, "read"))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Sum { bytes: total, sha256: crate::hex::write(context.finish().as_ref()) });
        }
        total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        context.update(bytes);
        also(bytes)?;
    }
}
