//! Watches the disk that holds the databases, and remembers which step of the ladder it stands on.
//!
//! Read by `agents::routes` before a report is stored, by the sealer, by pages and by metrics. The decision is
//! `domain::disk`. Invariant: at the last step there is room for what must not be lost: in `state.db` itself, and where
//! the ballast was.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::disk::{BallastStep, DiskLevel, DiskSpace, Seen};
use domain::time::Timestamp;

use super::ballast;
use crate::error::StoreError;
use crate::events::{self, Actor, NewEvent};
use crate::ops::Ops;

/// Between two looks: so long, on a disk that is full all at once, nobody can sign in.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks at what is left of the room within `state.db`.
const RESERVE_EVERY: Duration = Duration::from_secs(60);
/// As much as the log of a database has before it is folded in, and a thousand events.
const RESERVE_BYTES_MAX: u64 = 4 << 20;
/// Of the ballast, where that is small.
const RESERVE_PART: u64 = 4;
/// Changes that wait to be written.
const UNTOLD_MAX: usize = 64;

/// Where we stand.
#[derive(Debug, Default)]
pub struct Disk {
    level: AtomicU8,
    free_bytes: AtomicU64,
    usable_bytes: AtomicU64,
    ballast_bytes: AtomicU64,
    /// The ballast could not be made: it is said once.
    is_ballast_refused: AtomicBool,
    /// Changes that are not in the log of events yet, the oldest first.
    untold: Mutex<VecDeque<Change>>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    at: Timestamp,
    before: DiskLevel,
    after: DiskLevel,
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

    /// Room that is kept for a day when there is none.
    pub fn ballast_bytes(&self) -> u64 {
        self.ballast_bytes.load(Ordering::Relaxed)
    }

    /// Takes what the filesystem says, as if there were no ballast.
    pub fn set(&self, space: DiskSpace) {
        self.keep(space, self.level().next(space));
    }

    fn keep(&self, space: DiskSpace, level: DiskLevel) {
        self.free_bytes.store(space.free_bytes, Ordering::Relaxed);
        self.usable_bytes
            .store(space.usable_bytes, Ordering::Relaxed);
        self.level.store(level as u8, Ordering::Relaxed);
    }

    fn changed(&self, change: Change) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.len() >= UNTOLD_MAX {
            untold.pop_front();
        }
        untold.push_back(change);
    }

    fn untold(&self) -> Vec<Change> {
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.iter().copied().collect()
    }

    fn told(&self, count: usize) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(untold.len());
        untold.drain(..count);
    }

    /// One sentence for people, when there is something to say.
    pub fn notice(&self) -> Option<String> {
        let free = app::format::bytes(self.space().free_bytes as f64);
        match self.level() {
            DiskLevel::Ok => None,
            DiskLevel::Warning => Some(format!(
                "The disk of this server has {free} left. Free some, or shorten what is kept."
            )),
            DiskLevel::NoSamples => Some(format!(
                "The disk of this server has {free} left: reports are not stored until there is room. Agents keep them and send them then."
            )),
            DiskLevel::Critical => Some(format!(
                "The disk of this server is full ({free} left): reports are not stored and history stands still until there is room. Agents keep their reports and send them then. Sign-in, events and settings go on in room that was kept for this, and it is small: free some now, or shorten what is kept."
            )),
        }
    }
}

/// Looks each second until the server stops.
pub async fn watch(ops: Ops) {
    // How much is kept follows from how large the disk is.
    look(&ops).await;
    let mut looks = tokio::time::interval(EVERY);
    let mut reserves = tokio::time::interval(RESERVE_EVERY);
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            _ = looks.tick() => look(&ops).await,
            _ = reserves.tick() => reserve(&ops).await,
        }
    }
}

/// What the filesystem of a folder says.
///
/// # Errors
/// It says nothing.
pub fn space_of(folder: &Path) -> io::Result<DiskSpace> {
    let found = nix::sys::statvfs::statvfs(folder)?;
    let unit = found.fragment_size();
    let used = found.blocks().saturating_sub(found.blocks_free());
    Ok(DiskSpace {
        free_bytes: found.blocks_available().saturating_mul(unit),
        usable_bytes: used
            .saturating_add(found.blocks_available())
            .saturating_mul(unit),
    })
}

/// Before the databases are opened, which takes some room: on a full disk the ballast is given up for it.
pub fn make_room_to_start(data: &Path) {
    let is_full =
        space_of(data).is_ok_and(|space| DiskLevel::Ok.next(space) == DiskLevel::Critical);
    if is_full && let Err(error) = ballast::give_up(data) {
        tracing::warn!(%error, "the ballast cannot be removed");
    }
}

/// Looks once; a change of level is logged and becomes an event, at once or when there is room for it.
pub async fn look(ops: &Ops) {
    let data = ops.data_path();
    let space = match space_of(data) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the data folder's filesystem does not tell how full it is");
            return;
        }
    };
    let before = ops.disk.level();
    let seen = Seen {
        space,
        is_refusing: ops.state.take_refused() | ops.metrics.take_refused(),
        ballast_wanted: space.ballast_bytes().min(ops.settings.ballast_bytes_max),
        ballast_held: ballast::held_bytes(data),
    };
    let (mut after, step) = before.look(seen);
    match step {
        BallastStep::Keep => {}
        BallastStep::Make => {
            if !make_ballast(ops, seen.ballast_wanted).await {
                after = after.without_ballast(before);
            }
        }
        BallastStep::GiveUp => {
            give_up_ballast(ops, seen.ballast_held);
            // At once: it may be somebody else who takes all there is.
            reserve(ops).await;
        }
    }
    let held_bytes = ballast::held_bytes(data);
    ops.disk.ballast_bytes.store(held_bytes, Ordering::Relaxed);
    ops.disk.keep(space_of(data).unwrap_or(space), after);
    if before != after {
        announce(ops, before, after);
    }
    tell(ops).await;
}

async fn make_ballast(ops: &Ops, bytes: u64) -> bool {
    let data = ops.data_path().to_owned();
    let making = tokio::task::spawn_blocking(move || ballast::make(&data, bytes));
    let made = making
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    let was_refused = ops
        .disk
        .is_ballast_refused
        .swap(made.is_err(), Ordering::Relaxed);
    match made {
        Ok(()) => tracing::info!(ballast.bytes = bytes, "room is kept for a full disk"),
        Err(error) if !was_refused => {
            tracing::warn!(%error, ballast.bytes = bytes, "no room can be kept for a full disk; it is tried again");
        }
        Err(_) => {}
    }
    !ops.disk.is_ballast_refused.load(Ordering::Relaxed)
}

fn give_up_ballast(ops: &Ops, bytes: u64) {
    match ballast::give_up(ops.data_path()) {
        Ok(()) => tracing::warn!(
            ballast.bytes = bytes,
            "the room that was kept for a full disk is given up: sign-in, events and settings go on in it"
        ),
        Err(error) => tracing::error!(%error, "the ballast cannot be removed"),
    }
}

/// Keeps room within `state.db`, which no other file can take.
async fn reserve(ops: &Ops) {
    let wanted = ops.disk.space().ballast_bytes();
    let bytes = wanted.min(ops.settings.ballast_bytes_max) / RESERVE_PART;
    if let Err(error) = ops.state.reserve(bytes.min(RESERVE_BYTES_MAX)).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no room can be kept within the database"
        );
    }
}

fn announce(ops: &Ops, before: DiskLevel, after: DiskLevel) {
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
    let at = ops.clock.now();
    ops.disk.changed(Change { at, before, after });
}

/// Writes the events that wait, if the database takes them.
async fn tell(ops: &Ops) {
    let untold = ops.disk.untold();
    if untold.is_empty() {
        return;
    }
    let written = async {
        let mut tx = ops.state.write().await?;
        for Change { at, before, after } in &untold {
            let event = NewEvent {
                at: *at,
                actor: &Actor::Server,
                verb: "server disk level changed",
                subject: "server".to_owned(),
                node_id: None,
                detail: format!("{} → {}", before.as_str(), after.as_str()),
            };
            events::store::append(&mut tx, event).await?;
        }
        tx.commit()
            .await
            .map_err(StoreError::doing("committing an event"))
    };
    match written.await {
        Ok(()) => ops.disk.told(untold.len()),
        // The disk may be the very reason: it waits; the log and the pages say it all the same.
        Err(error) => tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the event could not be written; it is tried again"
        ),
    }
}
