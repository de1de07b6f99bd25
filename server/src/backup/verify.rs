//! Is a backup good? Everything is checked on a copy: digests, both databases, the audit log's chain.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{
    BackupError, FILES, FORMAT, MANIFEST, MANIFEST_BYTES_MAX, Manifest, PACKS, Scratch, folder_of,
    io_error, is_pack, sha256_of,
};
use crate::db::{self, metrics_migrations, state_migrations};
use crate::events::{self, ChainState};

/// What was found in a good backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// As in the file.
    pub manifest: Manifest,
    /// Entries of the audit log, all as they were written.
    pub events: u64,
}

/// Checks a backup; leaves nothing behind.
///
/// # Errors
/// The first thing that is wrong with it.
pub async fn verify(file: &Path) -> Result<Verified, BackupError> {
    if !file.exists() {
        return Err(BackupError::Io {
            path: file.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        });
    }
    let scratch = Scratch::new(folder_of(file)).or_else(|_| Scratch::new(&std::env::temp_dir()))?;
    verify_in(file, &scratch).await
}

/// The same; what the backup holds is in `scratch` afterwards.
pub(super) async fn verify_in(file: &Path, scratch: &Scratch) -> Result<Verified, BackupError> {
    let not_whole = |detail: String| BackupError::NotWhole {
        path: file.to_owned(),
        detail,
    };
    let manifest = unpack(file, scratch)?;
    for wanted in &manifest.files {
        let found = sha256_of(&scratch.file(&wanted.name), &wanted.name)?;
        if found != *wanted {
            return Err(not_whole(format!(
                "{} has {} bytes and digest {:.12}…, the manifest says {} and {:.12}…",
                wanted.name, found.bytes, found.sha256, wanted.bytes, wanted.sha256
            )));
        }
    }
    let metrics = db::open_copy(&scratch.file("metrics.db"), &metrics_migrations()).await?;
    let damage = db::find_damage(&metrics).await?;
    metrics.close().await;
    if let Some(damage) = damage {
        return Err(not_whole(format!("metrics.db: {damage}")));
    }
    let state = db::open_copy(&scratch.file("state.db"), &state_migrations()).await?;
    if let Some(damage) = db::find_damage(&state).await? {
        return Err(not_whole(format!("state.db: {damage}")));
    }
    let chain = events::store::verify(&state).await;
    state.close().await;
    match chain? {
        ChainState::Whole { count } => Ok(Verified {
            manifest,
            events: count,
        }),
        ChainState::Broken { first_bad_seq } => Err(not_whole(format!(
            "the audit log was changed: entry {first_bad_seq} is missing or not as it was written"
        ))),
    }
}

/// Takes out what belongs there, by name; anything else makes the file none of ours.
fn unpack(file: &Path, scratch: &Scratch) -> Result<Manifest, BackupError> {
    let not_whole = |detail: String| BackupError::NotWhole {
        path: file.to_owned(),
        detail,
    };
    let broken = |error: io::Error| not_whole(error.to_string());
    let opened = File::open(file).map_err(io_error(file))?;
    let mut archive = tar::Archive::new(io::BufReader::new(opened));
    let mut entries = archive.entries().map_err(broken)?;
    let mut first = match entries.next() {
        Some(entry) => entry.map_err(broken)?,
        None => return Err(not_whole("it is empty".to_owned())),
    };
    if first.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(not_whole(format!("it does not begin with {MANIFEST}")));
    }
    let mut text = String::new();
    first
        .by_ref()
        .take(MANIFEST_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(broken)?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| not_whole(format!("{MANIFEST}: {error}")))?;
    if !(1..=FORMAT).contains(&manifest.format) {
        return Err(not_whole(format!(
            "its format is {}, this program knows {FORMAT}; use the version {} that made it",
            manifest.format, manifest.version
        )));
    }
    let named: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let packs = named.strip_prefix(FILES.as_slice());
    if packs.is_none_or(|packs| !packs.iter().all(|name| is_pack(name))) {
        return Err(not_whole(format!(
            "it holds {named:?}, not {FILES:?} and {PACKS}/*.toml"
        )));
    }
    for (entry, name) in entries.by_ref().zip(&named) {
        let mut entry = entry.map_err(broken)?;
        if entry.path_bytes().as_ref() != name.as_bytes() {
            return Err(not_whole(format!("{name} is not in its place")));
        }
        let path = scratch.file(name);
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error(&path))?;
        io::copy(&mut entry, &mut out).map_err(broken)?;
        out.flush()
            .and_then(|()| out.sync_all())
            .map_err(io_error(&path))?;
    }
    match named.iter().find(|name| !scratch.file(name).exists()) {
        Some(missing) => Err(not_whole(format!("{missing} is missing"))),
        None => Ok(manifest),
    }
}
