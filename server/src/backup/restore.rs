//! Puts a verified backup into an empty folder.

use std::path::Path;

use super::verify::{Verified, verify_in};
use super::{BackupError, FILES, PACKS, Scratch, io_error};
use crate::clock::Clock;
use crate::config::Settings;
use crate::datadir::DataDir;
use crate::error::StoreError;
use crate::events::{self, Actor, NewEvent};
use crate::ops::Ops;

/// Restores `file` into `data`, which must not exist or be empty; `who` did it.
///
/// # Errors
/// See [`BackupError`]; a folder in which nothing could be restored is as it was.
pub async fn restore(file: &Path, data: &Path, who: Actor) -> Result<Verified, BackupError> {
    let existed = data.exists();
    if existed {
        let mut entries = std::fs::read_dir(data).map_err(io_error(data))?;
        if entries.next().is_some() {
            return Err(BackupError::NotEmpty {
                path: data.to_owned(),
            });
        }
    }
    let restored = put_in_place(file, data).await;
    let (verified, folder) = match restored {
        Ok(done) => done,
        Err(error) => {
            let undone = if existed {
                std::fs::remove_file(data.join("lock"))
            } else {
                std::fs::remove_dir_all(data)
            };
            if let Err(problem) = undone {
                tracing::debug!(%problem, "nothing to undo");
            }
            return Err(error);
        }
    };
    let ops = Ops::open(folder, Settings::loopback(), Clock::system()).await?;
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &who,
        verb: "server restored from a backup",
        subject: "server".to_owned(),
        node_id: None,
        detail: format!(
            "made {}",
            domain::time::format_utc(domain::time::Timestamp(verified.manifest.created_at_ms))
        ),
    };
    let mut tx = ops.state.write().await?;
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing an event"))?;
    ops.close().await;
    Ok(verified)
}

async fn put_in_place(file: &Path, data: &Path) -> Result<(Verified, DataDir), BackupError> {
    let folder = DataDir::create(data)?;
    let scratch = Scratch::new(data)?;
    let verified = verify_in(file, &scratch).await?;
    if verified.manifest.files.len() > FILES.len() {
        let packs = data.join(PACKS);
        std::fs::rename(scratch.file(PACKS), &packs).map_err(io_error(&packs))?;
    }
    for name in FILES {
        let place = match name {
            "server.key" => folder.keys_folder()?.join(name),
            _ => data.join(name),
        };
        std::fs::rename(scratch.file(name), &place).map_err(io_error(&place))?;
    }
    std::fs::File::open(data)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error(data))?;
    Ok((verified, folder))
}
