//! The admin socket: where it lies, how it comes to be there safely, how it is found.
//!
//! It lies in `<data_dir>/admin`, a folder of mode 0700, so that no other user can even try to connect; the uid of the
//! peer is looked at all the same ([`crate::access`]). The kernel takes no socket path over 107 bytes: then the socket lies
//! in `$XDG_RUNTIME_DIR`, and a file `admin/sock.path` says so.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Bytes of a socket's path that fit into `sun_path` with its final zero (unix(7)).
const PATH_BYTES_MAX: usize = 107;
const FOLDER: &str = "admin";
const SOCKET: &str = "sock";
const POINTER: &str = "sock.path";

/// A bound admin socket. Its file goes when it is dropped, unless somebody has put another in its place.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    identity: (u64, u64),
    own_uid: u32,
}

/// Why there is no admin socket, or none could be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The file system said no.
    #[error("`{}` can't be {act}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// `made`, `read`, `bound`.
        act: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The place is not what it must be for nobody else to get in.
    #[error("`{}` {why}", path.display())]
    Place {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A gate answers there already.
    #[error("a gate is already answering on `{}`: stop it first", path.display())]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// The path is too long for a socket and there is no other place.
    #[error(
        "`{}` is too long for a socket (over {PATH_BYTES_MAX} bytes): give `data_dir` a shorter path, or set XDG_RUNTIME_DIR",
        path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
}

/// The user that this process runs as. Asked of the kernel by way of a socket to ourselves, which needs no unsafe code.
///
/// # Errors
/// The system gives no sockets.
pub fn own_uid() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

// === impl AdminSocket ===

impl AdminSocket {
    /// Binds the socket of a data folder; takes the place of a socket that nobody listens on any more.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind(data_dir: &Path) -> Result<AdminSocket, SocketError> {
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        AdminSocket::bind_with(data_dir, runtime_dir.as_deref())
    }

    pub(crate) fn bind_with(data_dir: &Path, runtime_dir: Option<&Path>) -> Result<AdminSocket, SocketError> {
        let data_dir = fs::canonicalize(data_dir).map_err(at(data_dir, "found"))?;
        let own_uid = own_uid().map_err(at(&data_dir, "judged"))?;
        let folder = data_dir.join(FOLDER);
        make_private_folder(&folder, own_uid)?;
        let (path, pointer) = (place(&data_dir, runtime_dir, own_uid)?, folder.join(POINTER));
        clear(&path)?;
        let listener = UnixListener::bind(&path).map_err(at(&path, "bound"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(at(&path, "made private"))?;
        if path.parent() == Some(&*folder) {
            remove_if_there(&pointer)?;
        } else {
            write_pointer(&pointer, &path)?;
        }
        let identity = identity(&path).map_err(at(&path, "read"))?;
        Ok(AdminSocket { listener, path, identity, own_uid })
    }

    /// Binds a socket beside the one of the gate that runs on a data folder, for [`AdminSocket::take_place`].
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind_beside(data_dir: &Path) -> Result<AdminSocket, SocketError> {
        let data_dir = fs::canonicalize(data_dir).map_err(at(data_dir, "found"))?;
        let own_uid = own_uid().map_err(at(&data_dir, "judged"))?;
        make_private_folder(&data_dir.join(FOLDER), own_uid)?;
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let path = beside(&place(&data_dir, runtime_dir.as_deref(), own_uid)?);
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(SocketError::TooLong { path });
        }
        clear(&path)?;
        let listener = UnixListener::bind(&path).map_err(at(&path, "bound"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(at(&path, "made private"))?;
        let identity = identity(&path).map_err(at(&path, "read"))?;
        Ok(AdminSocket { listener, path, identity, own_uid })
    }

    /// Puts a socket that was bound beside another in that one's place: whoever connects from now on comes here.
    ///
    /// # Errors
    /// The file system says no.
    pub fn take_place(&mut self) -> Result<(), SocketError> {
        let path = self.path.with_extension("");
        fs::rename(&self.path, &path).map_err(at(&path, "replaced"))?;
        self.path = path;
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    pub(crate) fn own_uid(&self) -> u32 {
        self.own_uid
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _gone_already = fs::remove_file(&self.path);
        }
    }
}

/// Connects to the gate that runs on a data folder; nothing when none does.
///
/// # Errors
/// The socket is there and may not be used.
pub(crate) async fn connect(data_dir: &Path) -> Result<Option<UnixStream>, SocketError> {
    let folder = data_dir.join(FOLDER);
    let pointer = folder.join(POINTER);
    let path = match fs::read(&pointer) {
        Ok(bytes) => PathBuf::from(std::ffi::OsStr::from_bytes(bytes.trim_ascii_end())),
        Err(error) if absent(&error) => folder.join(SOCKET),
        Err(error) => return Err(at(&pointer, "read")(error)),
    };
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Ok(None);
    }
    match UnixStream::connect(&path).await {
        Ok(stream) => {
            check_server(&stream, &path)?;
            Ok(Some(stream))
        }
        Err(error) if absent(&error) || error.kind() == ErrorKind::ConnectionRefused => Ok(None),
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            let why = "is another user's: run the command as the user of the gate, or as root";
            Err(SocketError::Place { path, why: why.to_owned() })
        }
        Err(source) => Err(SocketError::File { path, act: "connected to", source }),
    }
}

/// Commands carry secrets (imported keys), so whoever listens must be the gate's user: not somebody who found a folder
/// left open. Root may ask anybody's gate.
fn check_server(stream: &UnixStream, path: &Path) -> Result<(), SocketError> {
    let server = stream.peer_cred().map_err(at(path, "judged"))?.uid();
    let own = own_uid().map_err(at(path, "judged"))?;
    if own == 0 || server == 0 || server == own {
        return Ok(());
    }
    let why = format!("is answered by user {server}, and this command runs as user {own}: run it as the gate's user");
    Err(SocketError::Place { path: path.to_owned(), why })
}

fn place(data_dir: &Path, runtime_dir: Option<&Path>, own_uid: u32) -> Result<PathBuf, SocketError> {
    let near = data_dir.join(FOLDER).join(SOCKET);
    if near.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok(near);
    }
    let Some(runtime_dir) = runtime_dir else { return Err(SocketError::TooLong { path: near }) };
    check_private(runtime_dir, own_uid)?;
    // The pointer file tells the name; the hash only keeps the gates of several folders apart.
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    let far = runtime_dir.join(format!("callgate-{:016x}.sock", hasher.finish()));
    if far.as_os_str().len() > PATH_BYTES_MAX { Err(SocketError::TooLong { path: far }) } else { Ok(far) }
}

/// `sock` → `sock.next`. The far place has an extension already, which stays.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

fn make_private_folder(folder: &Path, own_uid: u32) -> Result<(), SocketError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(at(folder, "made"))?,
    }
    let found = fs::symlink_metadata(folder).map_err(at(folder, "read"))?;
    if found.is_dir() && found.uid() == own_uid && found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(at(folder, "made private"))?;
    }
    check_private(folder, own_uid)
}

/// A real folder (a symbolic link could lead anywhere later), ours, and closed to others.
fn check_private(folder: &Path, own_uid: u32) -> Result<(), SocketError> {
    let found = fs::symlink_metadata(folder).map_err(at(folder, "read"))?;
    let why = if !found.is_dir() {
        "must be a folder: remove what is there".to_owned()
    } else if found.uid() != own_uid {
        format!("belongs to user {}, not to user {own_uid} who runs this: `chown` or remove it", found.uid())
    } else if found.mode() & 0o077 != 0 {
        format!("is open to other users (mode {:03o}): `chmod 700` it", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(SocketError::Place { path: folder.to_owned(), why })
}

/// Makes room: only a socket that nobody listens on is removed.
fn clear(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if absent(&error) => return Ok(()),
        Err(error) => return Err(at(path, "read")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            let why = "is in the admin socket's place and is no socket: move it away".to_owned();
            return Err(SocketError::Place { path: path.to_owned(), why });
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(SocketError::Live { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_if_there(path),
        Err(error) => Err(at(path, "judged")(error)),
    }
}

fn write_pointer(pointer: &Path, socket: &Path) -> Result<(), SocketError> {
    let draft = pointer.with_extension("new");
    remove_if_there(&draft)?;
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let mut file = open.map_err(at(&draft, "made"))?;
    file.write_all(socket.as_os_str().as_bytes()).map_err(at(&draft, "written"))?;
    fs::rename(&draft, pointer).map_err(at(pointer, "written"))
}

fn remove_if_there(path: &Path) -> Result<(), SocketError> {
    match fs::remove_file(path) {
        Err(error) if !absent(&error) => Err(at(path, "removed")(error)),
        _ => Ok(()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn at(path: &Path, act: &'static str) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::File { path, act, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn it_lies_in_a_private_folder_and_goes_with_its_gate() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("admin")).unwrap();
        fs::set_permissions(data.path().join("admin"), Permissions::from_mode(0o755)).unwrap();
        let socket = AdminSocket::bind_with(data.path(), None).unwrap();
        let path = data.path().canonicalize().unwrap().join("admin/sock");
        assert_eq!(socket.path(), path);
        assert_eq!((mode(&data.path().join("admin")), mode(&path)), (0o700, 0o600));
        assert!(connect(data.path()).await.unwrap().is_some());
        drop(socket);
        assert!(!path.exists() && connect(data.path()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("admin/sock");
        fs::create_dir(data.path().join("admin")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a killed gate leaves its socket behind");
        assert!(connect(data.path()).await.unwrap().is_none());
        let socket = AdminSocket::bind_with(data.path(), None).unwrap();
        let second = AdminSocket::bind_with(data.path(), None);
        assert!(matches!(second, Err(SocketError::Live { .. })), "{second:?}");
        drop(socket);
        fs::write(&path, "mine").unwrap();
        let third = AdminSocket::bind_with(data.path(), None).unwrap_err();
        assert!(third.to_string().contains("is no socket"), "{third}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_path_too_long_is_pointed_to() {
        let (data, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let deep = data.path().join("d".repeat(100));
        fs::create_dir(&deep).unwrap();
        fs::set_permissions(runtime.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(AdminSocket::bind_with(&deep, None), Err(SocketError::TooLong { .. })));
        let socket = AdminSocket::bind_with(&deep, Some(runtime.path())).unwrap();
        assert_eq!(socket.path().parent(), Some(runtime.path()));
        assert!(connect(&deep).await.unwrap().is_some());
        drop(socket);
        assert!(connect(&deep).await.unwrap().is_none());
        fs::set_permissions(runtime.path(), Permissions::from_mode(0o755)).unwrap();
        let open = AdminSocket::bind_with(&deep, Some(runtime.path())).unwrap_err();
        assert!(open.to_string().contains("chmod 700"), "{open}");
    }

    #[tokio::test]
    async fn one_takes_the_place_of_another_without_a_moment_of_none() {
        let data = tempfile::tempdir().unwrap();
        let first = AdminSocket::bind_with(data.path(), None).unwrap();
        let path = first.path().to_owned();
        let mut second = AdminSocket::bind_beside(data.path()).unwrap();
        assert!(connect(data.path()).await.unwrap().is_some());
        second.take_place().unwrap();
        assert_eq!(second.path(), path);
        let (asked, came) = tokio::join!(connect(data.path()), second.listener().accept());
        assert!(asked.unwrap().is_some() && came.is_ok());
        drop(first);
        assert!(path.exists(), "the first leaves the second's file alone");
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_link_in_the_folders_place_is_not_followed() {
        let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), data.path().join("admin")).unwrap();
        let error = AdminSocket::bind_with(data.path(), None).unwrap_err();
        assert!(error.to_string().contains("must be a folder"), "{error}");
    }
}
