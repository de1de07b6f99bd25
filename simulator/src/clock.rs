//! The only place that reads clocks: everything else is told the time.

use nix::time::{ClockId, clock_gettime};

fn read_ns(clock: ClockId) -> i128 {
    // Both clocks exist on every Linux since 2.6.39.
    clock_gettime(clock).map_or(0, |t| {
        i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec())
    })
}

/// Microseconds since this machine booted, suspend included.
pub(crate) fn boot_us() -> u64 {
    u64::try_from(read_ns(ClockId::CLOCK_BOOTTIME) / 1_000).unwrap_or(0)
}

/// Milliseconds since this machine booted, suspend included.
pub(crate) fn boot_ms() -> u64 {
    boot_us() / 1_000
}

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn wall_ms() -> i64 {
    i64::try_from(read_ns(ClockId::CLOCK_REALTIME) / 1_000_000).unwrap_or(0)
}
