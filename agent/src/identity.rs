//! The state folder: who this agent is, and which number its next record gets.
//!
//! | file | what | written |
//! |---|---|---|
//! | `lock` | held while a process uses the folder | – |
//! | `key` | private key, 64 hex digits, 0600 | once, synced before anything is sent |
//! | `identity.json` | server, its key, host and node id | at enrollment, synced |
//! | `cursor` | epoch, last number given, last acknowledged | at every record, not synced |
//! | `spool/` | records that are not acknowledged ([`crate::spool`]) | at every record, synced when they wait |
//!
//! The invariant: a (epoch, seq) is never given twice for different records. The cursor survives the end of the process
//! by itself; what a power cut may have taken back is skipped: after a boot, numbering goes on 10,000 later.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use protocol::keys::{PrivateKey, short_digest};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::{random, spool};

/// Numbers skipped after a boot, more than any agent gives between two writes that reach the disk.
pub const SEQ_SKIP_AFTER_BOOT: u64 = 10_000;
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who this agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Address it enrolled at.
    pub server: String,
    /// The server's public key, hex.
    pub server_key: String,
    /// What hello names.
    pub host_id: String,
    /// The host's own node.
    pub node_id: String,
    /// Certificate authority given at enrollment.
    pub ca_file: Option<PathBuf>,
    /// Plain http beyond this machine was allowed.
    pub insecure_http: bool,
}

impl Identity {
    /// The server's public key.
    ///
    /// # Errors
    /// It is no key.
    pub fn server_key(&self) -> Result<[u8; 32], Failure> {
        hex32(&self.server_key).ok_or_else(|| {
            Failure::could_not(
                "identity.json: `server_key` is not 64 hex digits; the file was changed by hand",
            )
        })
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()?
        .try_into()
        .ok()
}

/// The folder.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

/// Held as long as this process uses the folder.
#[derive(Debug)]
pub struct StateLock(#[allow(dead_code, reason = "held, never read")] Flock<File>);

impl StateFolder {
    /// The folder at this path; nothing is touched yet.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the server refused something last.
    pub fn refusal(&self) -> PathBuf {
        self.file("refusal.json")
    }

    /// Where found servers are remembered.
    pub fn servers(&self) -> PathBuf {
        self.file("servers.json")
    }

    /// Packs that the server offered last.
    pub fn served_packs(&self) -> PathBuf {
        self.file("served-packs")
    }

    /// Where records wait.
    pub fn spool(&self) -> PathBuf {
        self.file("spool")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn failed(&self, name: &str, doing: &str, error: impl std::fmt::Display) -> Failure {
        Failure::could_not(format!(
            "{} cannot be {doing}: {error}; give this user the folder or choose another with --state",
            self.file(name).display()
        ))
    }

    /// Makes the folder, 0700, unless it is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self) -> Result<(), Failure> {
        if self.path.is_dir() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| self.failed("", "made", error))
    }

    /// Takes the folder for this process.
    ///
    /// # Errors
    /// Another process has it, or the file cannot be made.
    pub fn lock(&self) -> Result<StateLock, Failure> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.file("lock"))
            .map_err(|error| self.failed("lock", "opened", error))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(StateLock(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Failure::could_not(format!(
                "{} is used by another oc-agent; stop that one or give this one its own --state",
                self.path.display()
            ))),
            Err((_, error)) => Err(self.failed("lock", "locked", error)),
        }
    }

    /// Does a process use the folder now?
    pub fn is_in_use(&self) -> bool {
        File::open(self.file("lock")).is_ok_and(|file| {
            matches!(
                Flock::lock(file, FlockArg::LockSharedNonblock),
                Err((_, nix::errno::Errno::EWOULDBLOCK))
            )
        })
    }

    fn read(&self, name: &str) -> Result<Option<String>, Failure> {
        let file = match File::open(self.file(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(name, "read", error)),
        };
        let mut text = String::new();
        match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(self.failed(name, "read", error)),
        }
    }

    /// Writes a file whole or not at all, synced with its folder.
    fn write_synced(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let failed = |error| self.failed(name, "written", error);
        let fresh = self.file(&format!("{name}.new"));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(failed)?;
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&fresh, self.file(name)))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(failed)
    }

    /// The private key, if there is one.
    ///
    /// # Errors
    /// Damaged, or readable by others.
    pub fn key(&self) -> Result<Option<PrivateKey>, Failure> {
        let Some(text) = self.read("key")? else {
            return Ok(None);
        };
        let path = self.file("key");
        let mode = std::fs::metadata(&path)
            .map_err(|error| self.failed("key", "read", error))?
            .mode();
        if mode & 0o077 != 0 {
            return Err(Failure::could_not(format!(
                "{} can be read by others (mode {:03o}); `chmod 600` it, and if somebody may have read it, enroll anew in an empty state folder",
                path.display(),
                mode & 0o777
            )));
        }
        match hex32(&text) {
            Some(seed) => Ok(Some(PrivateKey::from_seed(seed))),
            None => Err(Failure::could_not(format!(
                "{} is damaged: 64 hex digits expected, {} bytes found; restore it from a backup, or move {} away and enroll with a new token and --replace NODE_ID to keep the node's history",
                path.display(),
                text.len(),
                self.path.display()
            ))),
        }
    }

    /// The private key, made and synced if there is none yet.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn key_or_new(&self) -> Result<PrivateKey, Failure> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let key = PrivateKey::from_seed(random::bytes()?);
        let text = data_encoding::HEXLOWER.encode(&key.seed());
        self.write_synced("key", text.as_bytes())?;
        Ok(key)
    }

    /// Who this agent is, if it is enrolled.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn identity(&self) -> Result<Option<Identity>, Failure> {
        let Some(text) = self.read("identity.json")? else {
            return Ok(None);
        };
        match serde_json::from_str(&text) {
            Ok(identity) => Ok(Some(identity)),
            Err(error) => Err(Failure::could_not(format!(
                "{} is damaged ({error}); restore it from a backup, or move {} away and enroll with a new token and --replace NODE_ID to keep the node's history",
                self.file("identity.json").display(),
                self.path.display()
            ))),
        }
    }

    /// Remembers who this agent is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_identity(&self, identity: &Identity) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(identity)
            .map_err(|error| self.failed("identity.json", "encoded", error))?;
        self.write_synced("identity.json", text.as_bytes())
    }

    /// The cursor as it is on disk, for reading only.
    pub fn peek_cursor(&self) -> Result<Option<Cursor>, CursorError> {
        match std::fs::read(self.file("cursor")) {
            Ok(bytes) => Cursor::decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(CursorError),
        }
    }

    /// Opens the cursor for this boot, skipping numbers that may have been given before.
    ///
    /// A damaged cursor is no reason to stay silent: the server is asked for a new epoch, where nothing can collide.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub fn open_cursor(&self, boot_id: [u8; 16]) -> Result<CursorFile, Failure> {
        let failed = |error| self.failed("cursor", "opened", error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(self.file("cursor"))
            .map_err(failed)?;
        let mut bytes = Vec::new();
        (&file)
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let (found, wants_new_epoch) = if bytes.is_empty() {
            (None, false)
        } else {
            match Cursor::decode(&bytes) {
                Ok(cursor) => (Some(cursor), false),
                Err(CursorError) => (None, true),
            }
        };
        let cursor = found.unwrap_or(Cursor::first(boot_id)).at_boot(boot_id);
        let opened = CursorFile {
            file,
            path: self.file("cursor"),
            is_same_boot: found.is_some_and(|found| found.boot_id == boot_id),
            cursor,
            wants_new_epoch,
        };
        opened.write()?;
        Ok(opened)
    }

    /// Writes a little as the spool does, and takes it back; gives how many records wait. For `doctor`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn try_spool(&self) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| {
            Failure::could_not(format!(
                "{} takes no records ({error}); they wait in memory and are lost if the agent ends; make room on the disk",
                self.path.display()
            ))
        };
        let path = self.file("doctor.try");
        let tried = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(&[0; 4096])?;
                file.sync_data()
            });
        drop(std::fs::remove_file(&path));
        tried.map_err(failed)?;
        match self.peek_cursor() {
            Ok(Some(cursor)) => {
                spool::count(&self.spool(), cursor.epoch, cursor.acked_seq).map_err(failed)
            }
            _ => Ok(0),
        }
    }

    /// What is wrong with the folder's owner and modes, for `doctor`.
    pub fn permission_findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (name, forbidden) in [
            ("", 0o077),
            ("key", 0o077),
            ("identity.json", 0o022),
            ("cursor", 0o022),
            ("spool", 0o077),
        ] {
            if let Ok(meta) = std::fs::metadata(self.file(name))
                && meta.mode() & forbidden != 0
            {
                findings.push(format!(
                    "{} has mode {:03o}; run `chmod go-rwx` on it",
                    self.file(name).display(),
                    meta.mode() & 0o777
                ));
            }
        }
        findings
    }
}

/// Bytes that are no cursor: torn, or not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is damaged; the server will be asked for a new epoch, which shows as a gap")]
pub struct CursorError;

/// What was given and what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Boot in which this was written.
    pub boot_id: [u8; 16],
    /// Epoch of the folder; 0 until the server gave one.
    pub epoch: u32,
    /// Last number given.
    pub seq: u64,
    /// Last number acknowledged in this epoch; 0 for none.
    pub acked_seq: u64,
    /// Short digest of that record.
    pub acked_digest: Option<[u8; 8]>,
    /// When the last acknowledgement came, by the host's clock.
    pub last_ack_at_ms: Option<i64>,
    /// Records that wait.
    pub waiting: u32,
}

const CURSOR_MAGIC: &[u8; 8] = b"occursr1";
const CURSOR_BYTES: usize = 8 + 16 + 4 + 8 + 8 + 9 + 9 + 4 + 8;

impl Cursor {
    /// Of a folder that never gave a number.
    pub fn first(boot_id: [u8; 16]) -> Self {
        Self {
            boot_id,
            epoch: 1,
            seq: 0,
            acked_seq: 0,
            acked_digest: None,
            last_ack_at_ms: None,
            waiting: 0,
        }
    }

    fn at_boot(self, boot_id: [u8; 16]) -> Self {
        if self.boot_id == boot_id {
            return self;
        }
        Self {
            boot_id,
            seq: self.seq.saturating_add(SEQ_SKIP_AFTER_BOOT),
            ..self
        }
    }

    /// Fixed layout: magic, fields little endian, options behind a presence byte, short digest of all before it.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CURSOR_BYTES);
        out.extend_from_slice(CURSOR_MAGIC);
        out.extend_from_slice(&self.boot_id);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.acked_seq.to_le_bytes());
        out.push(u8::from(self.acked_digest.is_some()));
        out.extend_from_slice(&self.acked_digest.unwrap_or_default());
        out.push(u8::from(self.last_ack_at_ms.is_some()));
        out.extend_from_slice(&self.last_ack_at_ms.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&self.waiting.to_le_bytes());
        out.extend_from_slice(&short_digest(&out));
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        let bytes: &[u8; CURSOR_BYTES] = bytes.try_into().map_err(|_| CursorError)?;
        let (body, digest) = bytes.split_at(CURSOR_BYTES - 8);
        if short_digest(body) != digest {
            return Err(CursorError);
        }
        let mut rest = body;
        if take::<8>(&mut rest)? != *CURSOR_MAGIC {
            return Err(CursorError);
        }
        Ok(Self {
            boot_id: take(&mut rest)?,
            epoch: u32::from_le_bytes(take(&mut rest)?),
            seq: u64::from_le_bytes(take(&mut rest)?),
            acked_seq: u64::from_le_bytes(take(&mut rest)?),
            acked_digest: (take::<1>(&mut rest)? != [0], take(&mut rest)?).into_option(),
            last_ack_at_ms: (
                take::<1>(&mut rest)? != [0],
                i64::from_le_bytes(take(&mut rest)?),
            )
                .into_option(),
            waiting: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

trait IntoOption<T> {
    fn into_option(self) -> Option<T>;
}

impl<T> IntoOption<T> for (bool, T) {
    fn into_option(self) -> Option<T> {
        self.0.then_some(self.1)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CursorError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CursorError)?;
    *rest = tail;
    Ok(*head)
}

/// The cursor and its open file.
#[derive(Debug)]
pub struct CursorFile {
    file: File,
    path: PathBuf,
    cursor: Cursor,
    is_same_boot: bool,
    wants_new_epoch: bool,
}

impl CursorFile {
    /// Was it last written in this boot, so that it is exactly as it was left?
    pub fn is_same_boot(&self) -> bool {
        self.is_same_boot
    }

    /// As it is now.
    pub fn get(&self) -> Cursor {
        self.cursor
    }

    /// Must the server be asked for a new epoch?
    pub fn wants_new_epoch(&self) -> bool {
        self.wants_new_epoch
    }

    /// The server holds another record under one of our numbers.
    pub fn want_new_epoch(&mut self) {
        self.wants_new_epoch = true;
    }

    /// Gives the next number; it is on file before this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn next_seq(&mut self, waiting: usize) -> Result<(u32, u64), Failure> {
        self.cursor.seq = self.cursor.seq.saturating_add(1);
        self.cursor.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.write()?;
        Ok((self.cursor.epoch, self.cursor.seq))
    }

    /// Remembers how many records wait after some were dropped.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_waiting(&mut self, waiting: usize) -> Result<(), Failure> {
        self.cursor.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.write()
    }

    /// Numbers go on behind this one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn skip_to(&mut self, seq: u64) -> Result<(), Failure> {
        self.cursor.seq = self.cursor.seq.max(seq);
        self.write()
    }

    /// Remembers an acknowledgement.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn acked(
        &mut self,
        last: Option<(u64, [u8; 8])>,
        at_ms: i64,
        waiting: usize,
    ) -> Result<(), Failure> {
        if let Some((seq, digest)) = last {
            self.cursor.acked_seq = seq;
            self.cursor.acked_digest = Some(digest);
        }
        self.cursor.last_ack_at_ms = Some(at_ms);
        self.cursor.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.write()
    }

    /// Begins an epoch after this many numbers were given in it. Synced: it happens hardly ever and must not be undone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin_epoch(&mut self, epoch: u32, seq: u64, waiting: usize) -> Result<(), Failure> {
        self.cursor.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.cursor.epoch = epoch;
        self.cursor.seq = seq;
        self.cursor.acked_seq = 0;
        self.cursor.acked_digest = None;
        self.wants_new_epoch = false;
        self.write()?;
        self.sync()
    }

    /// Waits until the disk has it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self) -> Result<(), Failure> {
        self.file.sync_data().map_err(|error| self.failed(&error))
    }

    fn write(&self) -> Result<(), Failure> {
        self.file
            .write_all_at(&self.cursor.encode(), 0)
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::could_not(format!(
            "{} cannot be written: {error}; make room on its filesystem",
            self.path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder() -> (tempfile::TempDir, StateFolder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(&temp.path().join("state"));
        folder.create().unwrap();
        (temp, folder)
    }

    #[test]
    fn the_folder_and_the_key_are_for_the_owner_alone_and_the_key_stays() {
        let (_temp, folder) = folder();
        let key = folder.key_or_new().unwrap();
        assert_eq!(folder.key_or_new().unwrap().public(), key.public());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("key")), 0o600);
        assert!(folder.permission_findings().is_empty());
    }

    #[test]
    fn a_damaged_or_open_file_is_named_with_a_way_out() {
        let (_temp, folder) = folder();
        let key = folder.path().join("key");
        folder.key_or_new().unwrap();
        std::fs::write(&key, "abc").unwrap();
        let message = folder.key().unwrap_err().message;
        assert!(
            message.contains("key is damaged") && message.contains("--replace"),
            "{message}"
        );
        std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let message = folder.key().unwrap_err().message;
        assert!(message.contains("chmod 600"), "{message}");
        std::fs::write(folder.path().join("identity.json"), "{\"server\":").unwrap();
        let message = folder.identity().unwrap_err().message;
        assert!(
            message.contains("identity.json is damaged") && message.contains("--replace"),
            "{message}"
        );
    }

    #[test]
    fn two_processes_cannot_use_one_folder() {
        let (_temp, folder) = folder();
        let held = folder.lock().unwrap();
        assert!(folder.is_in_use());
        let message = folder.lock().unwrap_err().message;
        assert!(message.contains("used by another oc-agent"), "{message}");
        drop(held);
        assert!(!folder.is_in_use());
        folder.lock().unwrap();
    }

    #[test]
    fn numbers_rise_across_processes_and_skip_ahead_after_a_boot() {
        let (_temp, folder) = folder();
        let mut cursor = folder.open_cursor([1; 16]).unwrap();
        assert_eq!(cursor.next_seq(0).unwrap(), (1, 1));
        assert_eq!(cursor.next_seq(1).unwrap(), (1, 2));
        cursor.acked(Some((2, [9; 8])), 77, 0).unwrap();
        drop(cursor);
        let mut cursor = folder.open_cursor([1; 16]).unwrap();
        assert_eq!(cursor.get().last_ack_at_ms, Some(77));
        assert_eq!(cursor.next_seq(0).unwrap(), (1, 3));
        drop(cursor);
        let mut cursor = folder.open_cursor([2; 16]).unwrap();
        assert_eq!(
            cursor.next_seq(0).unwrap(),
            (1, 3 + SEQ_SKIP_AFTER_BOOT + 1)
        );
        assert_eq!(
            (cursor.get().acked_seq, cursor.get().acked_digest),
            (2, Some([9; 8]))
        );
    }

    #[test]
    fn a_torn_cursor_leads_to_a_new_epoch() {
        let (_temp, folder) = folder();
        drop(folder.open_cursor([1; 16]).unwrap());
        let path = folder.path().join("cursor");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(folder.peek_cursor(), Err(CursorError));
        let mut cursor = folder.open_cursor([1; 16]).unwrap();
        assert!(cursor.wants_new_epoch());
        cursor.begin_epoch(7, 0, 0).unwrap();
        drop(cursor);
        let cursor = folder.open_cursor([1; 16]).unwrap();
        assert_eq!((cursor.get().epoch, cursor.wants_new_epoch()), (7, false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_cursor_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Cursor::decode(&bytes).is_err());
        }

        #[test]
        fn a_cursor_reads_back(boot_id: [u8; 16], epoch: u32, seq: u64, acked_seq: u64, acked_digest: Option<[u8; 8]>,
            last_ack_at_ms: Option<i64>, waiting: u32) {
            let cursor = Cursor { boot_id, epoch, seq, acked_seq, acked_digest, last_ack_at_ms, waiting };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }
    }
}
