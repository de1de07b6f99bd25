//! Lanes: agents, people and programs each have room of their own, so that no crowd of one keeps out the others.
//!
//! Entered by `auth::gate` with a route's class. Invariant: nothing queues without bound; who finds a lane full is told
//! when to come back, spread so that a crowd does not return as one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::gate::Class;
use crate::random;

/// Least seconds after which somebody is asked back.
const RETRY_AFTER_S: u64 = 2;
/// Over how many further seconds those who were turned away are spread.
const RETRY_SPREAD_S: u64 = 14;

/// Who shares room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Pages, forms and server functions.
    People,
    /// `/api/v1` and `/metrics`.
    Programs,
    /// Signatures to check: enrollment and hello.
    Handshakes,
    /// Reports, most of which wait for a commit.
    Reports,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 4] = [
        Lane::People,
        Lane::Programs,
        Lane::Handshakes,
        Lane::Reports,
    ];

    /// As in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::People => "people",
            Lane::Programs => "programs",
            Lane::Handshakes => "handshakes",
            Lane::Reports => "reports",
        }
    }

    /// Requests under way at once.
    pub fn room(self) -> usize {
        match self {
            Lane::People => 256,
            Lane::Programs => 64,
            Lane::Handshakes => 256,
            Lane::Reports => 4_096,
        }
    }

    /// The lane of a request; files and health have none.
    pub fn of(class: Class, path: &str) -> Option<Self> {
        match class {
            Class::Public => None,
            Class::Agent if path == protocol::http::PATH_REPORT => Some(Lane::Reports),
            Class::Agent => Some(Lane::Handshakes),
            Class::Api(_) => Some(Lane::Programs),
            Class::PublicForm
            | Class::PublicPage
            | Class::SetupPage
            | Class::Page
            | Class::Form(_)
            | Class::PublicFunction
            | Class::Function(_) => Some(Lane::People),
        }
    }
}

/// Room of every lane.
#[derive(Debug)]
pub struct Lanes([(Lane, Arc<Semaphore>); 4]);

impl Default for Lanes {
    fn default() -> Self {
        Self::with_room(Lane::room)
    }
}

impl Lanes {
    /// Lanes of another size.
    pub fn with_room(room: impl Fn(Lane) -> usize) -> Self {
        Self(Lane::ALL.map(|lane| (lane, Arc::new(Semaphore::new(room(lane))))))
    }

    /// A place, held until it is dropped.
    ///
    /// # Errors
    /// The lane is full; the number says after how many seconds to come back.
    pub fn enter(&self, lane: Lane) -> Result<OwnedSemaphorePermit, u64> {
        let (_, semaphore) = self
            .0
            .iter()
            .find(|(of, _)| *of == lane)
            .ok_or(RETRY_AFTER_S)?;
        Arc::clone(semaphore).try_acquire_owned().map_err(|_| {
            let [random] = random::bytes::<1>();
            RETRY_AFTER_S + u64::from(random) % (RETRY_SPREAD_S + 1)
        })
    }

    /// Places taken now.
    pub fn taken(&self, lane: Lane) -> usize {
        self.0
            .iter()
            .find(|(of, _)| *of == lane)
            .map_or(0, |(_, semaphore)| {
                lane.room().saturating_sub(semaphore.available_permits())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_turns_away_and_the_others_do_not_notice() {
        let lanes = Lanes::with_room(|_| 2);
        let first = lanes.enter(Lane::Reports);
        let _second = lanes.enter(Lane::Reports);
        let back_s = lanes.enter(Lane::Reports).unwrap_err();
        assert!((RETRY_AFTER_S..=RETRY_AFTER_S + RETRY_SPREAD_S).contains(&back_s));
        assert!(lanes.enter(Lane::People).is_ok());
        drop(first);
        assert!(lanes.enter(Lane::Reports).is_ok());
    }
}
