//! Lines on stderr: instant, level, message. Nothing secret ever comes here.

use std::io::Write;

use domain::text::is_deceptive;
use domain::time::{Timestamp, format_iso};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// Not as it should be, goes on by itself.
    Warn,
    /// Worth knowing.
    Info,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warn => " WARN",
            Level::Info => " INFO",
        }
    }
}

/// Writes one line. What came from outside cannot steer the terminal: deceptive characters are replaced.
pub fn line(level: Level, message: &str) {
    let at = format_iso(Timestamp(crate::clock::wall_ms()));
    let shown: String = message
        .chars()
        .map(|c| if is_deceptive(c) { '\u{FFFD}' } else { c })
        .collect();
    // A closed stderr must not end the agent.
    drop(writeln!(std::io::stderr(), "{at} {} {shown}", level.name()));
}

/// Somebody must act.
pub fn error(message: impl AsRef<str>) {
    line(Level::Error, message.as_ref());
}

/// Goes on by itself.
pub fn warn(message: impl AsRef<str>) {
    line(Level::Warn, message.as_ref());
}

/// Worth knowing.
pub fn info(message: impl AsRef<str>) {
    line(Level::Info, message.as_ref());
}
