//! The server's only reader of clocks. Everything else is told the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::time::{Monotonic, Timestamp};

/// Distance of the monotonic zero from the start of the process, so that instants before the start can be written.
const BEFORE_START_MS: u64 = 1 << 50;

/// A wall clock and one that never jumps.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System {
        started: Instant,
    },
    Manual {
        wall_ms: AtomicI64,
        monotonic_ms: AtomicU64,
    },
}

impl Clock {
    /// The machine's clocks.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Source::System {
            started: Instant::now(),
        }))
    }

    /// A clock that tests move.
    pub fn manual(wall: Timestamp) -> Self {
        let monotonic_ms = AtomicU64::new(BEFORE_START_MS);
        Self(Arc::new(Source::Manual {
            wall_ms: AtomicI64::new(wall.0),
            monotonic_ms,
        }))
    }

    /// Moves a manual clock; a system clock moves by itself.
    pub fn advance_ms(&self, ms: u64) {
        if let Source::Manual {
            wall_ms,
            monotonic_ms,
        } = self.0.as_ref()
        {
            wall_ms.fetch_add(ms as i64, Ordering::SeqCst);
            monotonic_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Wall clock.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn now(&self) -> Timestamp {
        match self.0.as_ref() {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                Timestamp(since.map_or(0, |since| {
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                }))
            }
            Source::Manual { wall_ms, .. } => Timestamp(wall_ms.load(Ordering::SeqCst)),
        }
    }

    /// The same clock in microseconds, for measuring what is short.
    pub fn micros(&self) -> u64 {
        match self.0.as_ref() {
            Source::System { started } => {
                u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
            }
            Source::Manual { monotonic_ms, .. } => {
                monotonic_ms.load(Ordering::SeqCst).saturating_mul(1_000)
            }
        }
    }

    /// Clock that never jumps.
    pub fn monotonic(&self) -> Monotonic {
        match self.0.as_ref() {
            Source::System { started } => Monotonic(
                BEFORE_START_MS
                    + u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX >> 1),
            ),
            Source::Manual { monotonic_ms, .. } => Monotonic(monotonic_ms.load(Ordering::SeqCst)),
        }
    }
}
