//! Makes a backup of a running server, or of a folder that no server uses.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{
    BackupError, FILES, FORMAT, MANIFEST, Manifest, PACKS, Scratch, folder_of, io_error, is_pack,
    sha256_of,
};
use crate::health::api::database_bytes;
use crate::health::disk::space_of;
use crate::ops::Ops;

/// The databases' copies, and the file that is made of them beside these.
const PEAK_COPIES: u64 = 2;

/// Writes the backup `target`, which must not exist.
///
/// # Errors
/// See [`BackupError`]; nothing remains of a backup that failed.
pub async fn create(ops: &Ops, target: &Path) -> Result<Manifest, BackupError> {
    if target.exists() {
        return Err(BackupError::Exists {
            path: target.to_owned(),
        });
    }
    check_room(ops, folder_of(target))?;
    let scratch = Scratch::new(folder_of(target))?;
    // Samples first: a host enrolled in between is then known without samples, never the other way round.
    ops.metrics.copy_into(&scratch.file("metrics.db")).await?;
    ops.state.copy_into(&scratch.file("state.db")).await?;
    let data = ops.data_path().to_owned();
    let (target, created_at_ms) = (target.to_owned(), ops.clock.now().0);
    let packed = tokio::task::spawn_blocking(move || pack(&scratch, &data, &target, created_at_ms));
    match packed.await {
        Ok(result) => result,
        Err(error) => Err(BackupError::Io {
            path: PathBuf::from(MANIFEST),
            source: std::io::Error::other(error),
        }),
    }
}

/// A backup must not be what fills the disk that reports go to.
fn check_room(ops: &Ops, folder: &Path) -> Result<(), BackupError> {
    let needed = PEAK_COPIES
        * database_bytes(ops)
            .iter()
            .map(|(_, bytes)| bytes)
            .sum::<u64>();
    let space = space_of(folder).map_err(io_error(folder))?;
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev());
    let own = device(ops.data_path()).map_err(io_error(ops.data_path()))?;
    let has_room = match device(folder).map_err(io_error(folder))? == own {
        true => ops.disk.level().has_room_for(space, needed),
        false => space.free_bytes >= needed,
    };
    let shown = |bytes: u64| app::format::bytes(bytes as f64);
    match has_room {
        true => Ok(()),
        false => Err(BackupError::NoRoom {
            folder: folder.to_owned(),
            needed: shown(needed),
            free: shown(space.free_bytes),
        }),
    }
}

fn pack(
    scratch: &Scratch,
    data: &Path,
    target: &Path,
    created_at_ms: i64,
) -> Result<Manifest, BackupError> {
    let key = data.join("keys").join("server.key");
    std::fs::copy(&key, scratch.file("server.key")).map_err(io_error(&key))?;
    let packs = packs_in(data)?;
    for name in &packs {
        let from = data.join(name);
        std::fs::copy(&from, scratch.file(name)).map_err(io_error(&from))?;
    }
    let files = FILES
        .into_iter()
        .chain(packs.iter().map(String::as_str))
        .map(|name| sha256_of(&scratch.file(name), name))
        .collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at_ms,
        files,
    };
    let draft = scratch.file("backup.tar");
    write_tar(scratch, &manifest, &draft).map_err(io_error(&draft))?;
    // Not `rename`, which would replace a file that appeared meanwhile.
    std::fs::hard_link(&draft, target).map_err(io_error(target))?;
    let folder = folder_of(target);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error(folder))?;
    Ok(manifest)
}

/// The product packs of a data folder, by the names that a backup calls them.
fn packs_in(data: &Path) -> Result<Vec<String>, BackupError> {
    let folder = data.join(PACKS);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(&folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error(&folder))?;
        let name = entry
            .file_name()
            .to_str()
            .map(|name| format!("{PACKS}/{name}"));
        names.extend(name.filter(|name| is_pack(name) && entry.path().is_file()));
    }
    names.sort();
    Ok(names)
}

fn write_tar(scratch: &Scratch, manifest: &Manifest, draft: &Path) -> std::io::Result<()> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    let mut tar = tar::Builder::new(std::io::BufWriter::new(file));
    let text = serde_json::to_vec_pretty(manifest)?;
    let head = |bytes: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(manifest.created_at_ms / 1000).unwrap_or(0));
        header
    };
    tar.append_data(&mut head(text.len() as u64), MANIFEST, text.as_slice())?;
    for file in &manifest.files {
        let content = File::open(scratch.file(&file.name))?;
        tar.append_data(&mut head(file.bytes), &file.name, content)?;
    }
    let mut writer = tar.into_inner()?;
    writer.flush()?;
    writer
        .into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()
}
