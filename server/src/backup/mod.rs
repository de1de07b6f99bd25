//! Backups: made while the server runs, checked on the copy, restored into an empty folder.
//!
//! A backup is one tar file: `manifest.json` (with the digest of everything else), `server.key`, which agents trust,
//! `metrics.db`, `state.db`, and the product packs `packs/*.toml`. Invariants: a file with the final name is whole; samples are copied before the
//! fleet, so that no sample can be read back under another host's number; nothing is restored that was not verified.

pub mod create;
pub mod restore;
pub mod schedule;
pub mod verify;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::datadir::DataDirError;
use crate::db::DbError;
use crate::error::StoreError;
use crate::ops::OpenError;

/// 1 had no packs.
const FORMAT: u32 = 2;
const MANIFEST: &str = "manifest.json";
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;
/// In the order in which they are put in place: a folder is one of ours from its `state.db` on.
const FILES: [&str; 3] = ["server.key", "metrics.db", "state.db"];
/// Folder of the product packs, in a data folder as in a backup.
const PACKS: &str = "packs";

/// Is this what a backup calls a product pack? One that leads anywhere else is none.
fn is_pack(name: &str) -> bool {
    name.strip_prefix(PACKS)
        .and_then(|name| name.strip_prefix('/'))
        .is_some_and(|file| {
            file.ends_with(".toml") && !file.starts_with('.') && !file.contains(['/', '\0'])
        })
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this layout.
    pub format: u32,
    /// Program that made it.
    pub version: String,
    /// When, by the server's wall clock.
    pub created_at_ms: i64,
    /// Everything else in the file.
    pub files: Vec<FileDigest>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// One of ours.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Why a backup could not be made, is not good, or cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of that name is there.
    #[error("{path} exists already; choose another name, or remove it first")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// It would take more than there is.
    #[error(
        "{folder}: a backup takes {needed} here until it is whole, {free} are free, and reports must still find room; make some, or put it on another disk (backup.dir says where those on schedule go)"
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// Copies of both databases, and the file.
        needed: String,
        /// As the filesystem says.
        free: String,
    },
    /// A folder that should be empty is not.
    #[error("{path} is not empty; restore into a folder that does not exist yet or is empty")]
    NotEmpty {
        /// Which.
        path: PathBuf,
    },
    /// It is not one of our backups, or was changed since.
    #[error("{path} is not a whole backup: {detail}")]
    NotWhole {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A database of it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What is in a database of it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder to restore into.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The restored folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::Io {
        path: path.clone(),
        source,
    }
}

/// A folder for what is not whole yet; it goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    /// Inside `parent`, for our eyes only.
    fn new(parent: &Path) -> Result<Self, BackupError> {
        use std::os::unix::fs::DirBuilderExt;
        let name = data_encoding::HEXLOWER.encode(&crate::random::bytes::<8>());
        let path = parent.join(format!(".operations-center-{name}"));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(io_error(&path))?;
        let scratch = Self(path);
        let packs = scratch.file(PACKS);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&packs)
            .map_err(io_error(&packs))?;
        Ok(scratch)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a scratch folder could not be removed");
        }
    }
}

/// The folder that a file is, or will be, in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The digest of a file that is called `name` in the backup.
fn sha256_of(path: &Path, name: &str) -> Result<FileDigest, BackupError> {
    use sha2::Digest;
    let mut file = std::fs::File::open(path).map_err(io_error(path))?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0u64;
    loop {
        let read = file.read(&mut buffer).map_err(io_error(path))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        hasher.update(chunk);
        bytes += read as u64;
    }
    Ok(FileDigest {
        name: name.to_owned(),
        bytes,
        sha256: data_encoding::HEXLOWER.encode(&hasher.finalize()),
    })
}
