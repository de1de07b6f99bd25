//! The only place that reads clocks.
//!
//! Spans and schedules use the boot clock, which counts through suspend and is never set; the wall clock is a label.

use nix::time::{ClockId, clock_gettime};

fn read_ns(clock: ClockId) -> i128 {
    // Both clocks exist on every Linux since 2.6.39; a kernel without them would have refused far more before this.
    clock_gettime(clock).map_or(0, |t| {
        i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec())
    })
}

/// Nanoseconds since the host booted, suspend included.
pub fn boot_ns() -> u64 {
    u64::try_from(read_ns(ClockId::CLOCK_BOOTTIME)).unwrap_or(0)
}

/// Milliseconds since the host booted, suspend included.
pub fn boot_ms() -> u64 {
    boot_ns() / 1_000_000
}

/// Milliseconds since 1970-01-01 UTC, as the host believes.
pub fn wall_ms() -> i64 {
    i64::try_from(read_ns(ClockId::CLOCK_REALTIME) / 1_000_000).unwrap_or(0)
}
