//! Watches the disk that holds the databases, and remembers which step of the ladder it stands on.
//!
//! Read by `agents::routes` before a report is stored, by pages and by metrics. The decision is `domain::disk`.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use domain::disk::{DiskLevel, DiskSpace};

use crate::events::{self, Actor, NewEvent};
use crate::ops::Ops;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Where we stand.
#[derive(Debug, Default)]
pub struct Disk {
    level: AtomicU8,
    free_bytes: AtomicU64,
    usable_bytes: AtomicU64,
}

impl Disk {
    /// The step of the ladder.
    pub fn level(&self) -> DiskLevel {
        match self.level.load(Ordering::Relaxed) {
            0 => DiskLevel::Ok,
            1 => DiskLevel::Warning,
            2 => DiskLevel::NoSamples,
            _ => DiskLevel::Critical,
        }
    }

    /// What the filesystem said last.
    pub fn space(&self) -> DiskSpace {
        DiskSpace {
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            usable_bytes: self.usable_bytes.load(Ordering::Relaxed),
        }
    }

    /// Takes what the filesystem says; the levels before and after.
    pub fn set(&self, space: DiskSpace) -> (DiskLevel, DiskLevel) {
        let before = self.level();
        let after = before.next(space);
        self.free_bytes.store(space.free_bytes, Ordering::Relaxed);
        self.usable_bytes
            .store(space.usable_bytes, Ordering::Relaxed);
        self.level.store(after as u8, Ordering::Relaxed);
        (before, after)
    }

    /// One sentence for people, when there is something to say.
    pub fn notice(&self) -> Option<String> {
        let free = app::format::bytes(self.space().free_bytes as f64);
        match self.level() {
            DiskLevel::Ok => None,
            DiskLevel::Warning => Some(format!(
                "The disk of this server has {free} left. Free some, or shorten what is kept."
            )),
            DiskLevel::NoSamples | DiskLevel::Critical => Some(format!(
                "The disk of this server has {free} left: reports are not stored until there is room. Agents keep them and send them then."
            )),
        }
    }
}

/// Looks every few seconds until the server stops.
pub async fn watch(ops: Ops) {
    let mut timer = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            _ = timer.tick() => look(&ops).await,
        }
    }
}

/// Looks once; a change of level is logged and becomes an event.
pub async fn look(ops: &Ops) {
    let space = match nix::sys::statvfs::statvfs(ops.data_path()) {
        Ok(found) => {
            let unit = found.fragment_size();
            let used = found.blocks().saturating_sub(found.blocks_free());
            DiskSpace {
                free_bytes: found.blocks_available().saturating_mul(unit),
                usable_bytes: used
                    .saturating_add(found.blocks_available())
                    .saturating_mul(unit),
            }
        }
        Err(error) => {
            tracing::warn!(%error, "the data folder's filesystem does not tell how full it is");
            return;
        }
    };
    let (before, after) = ops.disk.set(space);
    if before != after {
        announce(ops, before, after).await;
    }
}

async fn announce(ops: &Ops, before: DiskLevel, after: DiskLevel) {
    let free_bytes = ops.disk.space().free_bytes;
    if after > before {
        tracing::error!(
            disk.level = after.as_str(),
            disk.free_bytes = free_bytes,
            "the server's disk is filling up"
        );
    } else {
        tracing::info!(
            disk.level = after.as_str(),
            disk.free_bytes = free_bytes,
            "the server's disk has room again"
        );
    }
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &Actor::Server,
        verb: "server disk level changed",
        subject: "server".to_owned(),
        node_id: None,
        detail: format!("{} → {}", before.as_str(), after.as_str()),
    };
    let written = async {
        let mut tx = ops.state.write().await?;
        events::store::append(&mut tx, event).await?;
        tx.commit()
            .await
            .map_err(crate::error::StoreError::doing("committing an event"))
    };
    if let Err(error) = written.await {
        // The disk may be the very reason; the log and the pages say it all the same.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the event could not be written"
        );
    }
}
