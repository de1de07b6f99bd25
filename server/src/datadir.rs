//! The data folder: one process owns it at a time, and its files belong to the folder's owner.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use protocol::keys::PrivateKey;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is not there.
    #[error(
        "the data folder {path} does not exist: `operations-center serve --data {path}` makes one"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another process owns it.
    #[error("the data folder {path} is in use by another process")]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error(
        "{path} is not a server key (64 hexadecimal digits): restore it from a backup; agents trust no other key"
    )]
    BadKey {
        /// Which file.
        path: PathBuf,
    },
}

/// A data folder that this process owns until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds something while somebody works in the folder, so that what is found in it later was left behind.
    lock: Flock<File>,
    was_closed_well: bool,
}

/// How long a local command waits for another process to let go of the folder.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(50);

impl DataDir {
    /// Opens the folder for the server, making it when missing.
    ///
    /// # Errors
    /// Another process owns it, or it cannot be made.
    pub fn create(path: &Path) -> Result<Self, DataDirError> {
        if !path.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(io_error(path))?;
        }
        Self::lock(path, Duration::ZERO)
    }

    /// Opens an existing folder for a local command; waits for the lock for up to [`LOCK_WAIT`].
    ///
    /// # Errors
    /// There is none, or another process keeps it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        if !path.join("state.db").exists() {
            return Err(DataDirError::Missing {
                path: path.to_owned(),
            });
        }
        Self::lock(path, LOCK_WAIT)
    }

    fn lock(path: &Path, wait: Duration) -> Result<Self, DataDirError> {
        become_owner_of(path).map_err(io_error(path))?;
        let lock_path = path.join("lock");
        let mut waited = Duration::ZERO;
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&lock_path)
                .map_err(io_error(&lock_path))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Self::of(path, lock).map_err(io_error(&lock_path)),
                Err(_) if waited < wait => {
                    std::thread::sleep(LOCK_POLL);
                    waited += LOCK_POLL;
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                    return Err(DataDirError::Locked {
                        path: path.to_owned(),
                    });
                }
                Err((_, errno)) => {
                    return Err(DataDirError::Io {
                        path: lock_path,
                        source: errno.into(),
                    });
                }
            }
        }
    }

    fn of(path: &Path, mut lock: Flock<File>) -> io::Result<Self> {
        let was_closed_well = lock.metadata()?.len() == 0;
        let noted = lock
            .write_all(b"in use, or not closed in good order\n")
            .and_then(|()| lock.sync_all());
        if let Err(error) = noted {
            // A full disk is no reason not to start.
            tracing::warn!(%error, "a stop that is not in good order cannot be noted");
        }
        make_files_private(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
            was_closed_well,
        })
    }

    /// Did whoever had it before close it in good order? Otherwise its databases are to be checked.
    pub fn was_closed_well(&self) -> bool {
        self.was_closed_well
    }

    /// All that was written in it is whole, and nothing more is written.
    ///
    /// # Errors
    /// That cannot be noted; it will be checked again then.
    pub fn close_well(&self) -> io::Result<()> {
        self.lock.set_len(0)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of keys, made when missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn keys_folder(&self) -> Result<PathBuf, DataDirError> {
        let folder = self.path.join("keys");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(io_error(&folder))?;
        Ok(folder)
    }

    /// The server's identity: made on first use, on disk before anybody sees its public half.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn server_key(&self) -> Result<PrivateKey, DataDirError> {
        let path = self.path.join("keys").join("server.key");
        match File::open(&path) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(io_error(&path))?;
                let seed = data_encoding::HEXLOWER_PERMISSIVE
                    .decode(text.trim().as_bytes())
                    .ok()
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .ok_or_else(|| DataDirError::BadKey { path: path.clone() })?;
                Ok(PrivateKey::from_seed(seed))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = crate::random::bytes();
                self.keys_folder()?;
                write_secret(&path, data_encoding::HEXLOWER.encode(&seed).as_bytes())?;
                Ok(PrivateKey::from_seed(seed))
            }
            Err(error) => Err(DataDirError::Io {
                path,
                source: error,
            }),
        }
    }
}

/// Writes a file that only its owner reads; after this it is on disk whole, or not there.
fn write_secret(path: &Path, content: &[u8]) -> Result<(), DataDirError> {
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(io_error(path))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirError + use<> {
    let path = path.to_owned();
    move |source| DataDirError::Io { path, source }
}

/// Versions before this one let others read the databases. The folder's own mode is its packager's.
fn make_files_private(path: &Path) -> io::Result<()> {
    for (folder, is_all) in [("", false), ("backups", false), ("keys", true)] {
        let entries = match std::fs::read_dir(path.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let file = entry.path();
            let extension = file.extension().and_then(|extension| extension.to_str());
            let is_ours = is_all || extension.is_some_and(|extension| extension.starts_with("db"));
            let meta = entry.metadata()?;
            if is_ours && meta.is_file() && meta.mode() & 0o077 != 0 {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            }
        }
    }
    Ok(())
}

/// Root working in somebody's folder works as that somebody, so that no file there ends up root's.
fn become_owner_of(path: &Path) -> io::Result<()> {
    let owner = std::fs::metadata(path)?;
    if nix::unistd::geteuid().is_root() && owner.uid() != 0 {
        nix::unistd::setegid(nix::unistd::Gid::from_raw(owner.gid()))?;
        nix::unistd::seteuid(nix::unistd::Uid::from_raw(owner.uid()))?;
    }
    Ok(())
}
