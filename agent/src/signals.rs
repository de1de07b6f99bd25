//! Signals, read from descriptors, so that nothing runs at a signal's mercy.
//!
//! The loop of [`crate::run`] asks for them between its steps. A step may hang in a request; so a small thread waits for
//! the signals that mean "stop" too, and ends the process when the loop has not done so a little later. Nothing is lost
//! by that: what is not acknowledged is on disk.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::exit::{Exit, Failure};
use crate::{clock, log};

/// Between a signal to stop and the end of the process, whatever hangs.
pub const STOP_MS_MAX: u64 = 2_500;

/// What woke the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The descriptors.
#[derive(Debug)]
pub struct Signals {
    stop: SignalFd,
    reload: SignalFd,
}

fn descriptor(signals: &[Signal]) -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in signals {
        set.add(*signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

impl Signals {
    /// Takes over the signals; before any thread is started.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new() -> Result<Self, Failure> {
        const STOP: &[Signal] = &[Signal::SIGTERM, Signal::SIGINT];
        let failed =
            |error: nix::Error| Failure::could_not(format!("signals cannot be received: {error}"));
        let taken = Self {
            stop: descriptor(STOP).map_err(failed)?,
            reload: descriptor(&[Signal::SIGHUP]).map_err(failed)?,
        };
        let watched = descriptor(STOP).map_err(failed)?;
        std::thread::Builder::new()
            .name("stop".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || end_what_hangs(&watched))
            .map_err(|error| Failure::could_not(format!("a thread cannot be started: {error}")))?;
        Ok(taken)
    }

    /// Waits for a signal, at most until this instant of the boot clock.
    pub fn wait_until(&self, wake_ms: u64) -> Option<Wake> {
        let remaining = wake_ms.saturating_sub(clock::boot_ms()).min(60_000);
        let timeout = i32::try_from(remaining)
            .ok()
            .and_then(|ms| PollTimeout::try_from(ms).ok())
            .unwrap_or(PollTimeout::ZERO);
        let mut asked = [
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.reload.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not: whatever is due is looked at next.
        if poll(&mut asked, timeout) == Ok(0) {
            return None;
        }
        if self.stop.read_signal().ok().flatten().is_some() {
            return Some(Wake::Stop);
        }
        let reload = self.reload.read_signal().ok().flatten();
        reload.map(|_| Wake::Reload)
    }
}

/// Looks whether a signal to stop is there, without taking it from the loop.
fn end_what_hangs(stop: &SignalFd) {
    loop {
        let mut asked = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        if matches!(poll(&mut asked, PollTimeout::NONE), Ok(ready) if ready > 0) {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(STOP_MS_MAX));
    log::warn("stopped while a request hung; what was not acknowledged is kept for the next start");
    std::process::exit(Exit::Done as i32);
}
