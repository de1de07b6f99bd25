//! Scheduled backups: made, verified on the copy, and the oldest removed.
//!
//! The decision is `domain::backup`. What a backup is called says when it was made, so nothing else has to be kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::time::{Timestamp, format_utc};

use super::{BackupError, create, io_error, verify};
use crate::ops::Ops;

const PREFIX: &str = "operations-center-";
const SUFFIX: &str = ".tar";
/// A server that has just started has more urgent things to do.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// A schedule is looked at this often: a clock may jump.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Makes backups until the server stops.
pub async fn run(ops: Ops) {
    let mut wait = FIRST_AFTER;
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match make_what_is_due(&ops).await {
            Ok(made) => {
                if let Some(path) = made {
                    tracing::info!(path = %path.display(), "backup made and verified");
                }
                LOOK_EVERY
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the scheduled backup failed; it is tried again"
                );
                AGAIN_AFTER
            }
        };
    }
}

/// Makes a backup when one is due, and removes those beyond what is kept.
///
/// # Errors
/// It could not be made or is not good; older ones stay.
pub async fn make_what_is_due(ops: &Ops) -> Result<Option<PathBuf>, BackupError> {
    let settings = &ops.settings.backup;
    let folder = settings
        .dir
        .clone()
        .unwrap_or_else(|| ops.data_path().join("backups"));
    let now = ops.clock.now();
    let plan = settings.policy.plan(&made_at(&folder)?, now);
    if plan.due_at.is_none_or(|due| due > now) {
        return Ok(None);
    }
    make_folder(&folder)?;
    let path = path_of(&folder, now);
    create::create(ops, &path).await?;
    if let Err(error) = verify::verify(&path).await {
        let bad = path.with_extension("bad");
        std::fs::rename(&path, &bad).map_err(io_error(&path))?;
        return Err(error);
    }
    let plan = settings.policy.plan(&made_at(&folder)?, now);
    for expired in plan.expired {
        let path = path_of(&folder, expired);
        std::fs::remove_file(&path).map_err(io_error(&path))?;
    }
    Ok(Some(path))
}

fn make_folder(folder: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(io_error(folder))
}

/// The date for people, the milliseconds for us: `operations-center-2026-11-24-1795490701059.tar`.
fn path_of(folder: &Path, at: Timestamp) -> PathBuf {
    let date: String = format_utc(at).chars().take(10).collect();
    folder.join(format!("{PREFIX}{date}-{}{SUFFIX}", at.0))
}

/// When the backups in a folder were made; files of others are left alone.
fn made_at(folder: &Path) -> Result<Vec<Timestamp>, BackupError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error(folder))?.file_name();
        let at = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
            .and_then(|rest| rest.rsplit('-').next()?.parse().ok());
        found.extend(at.map(Timestamp));
    }
    Ok(found)
}
