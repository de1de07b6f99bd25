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
    let shown = shown(message);
    // A closed stderr must not end the agent.
    drop(writeln!(std::io::stderr(), "{at} {} {shown}", level.name()));
}

/// Several wrong settings are told on lines of their own elsewhere; here they are one.
fn shown(message: &str) -> String {
    let lines: Vec<&str> = message.lines().collect();
    lines
        .join(" | ")
        .chars()
        .map(|c| if is_deceptive(c) { '\u{FFFD}' } else { c })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_one_and_nothing_steers_a_terminal() {
        assert_eq!(shown("stays:\na\r\nb"), "stays: | a | b");
        assert_eq!(shown("a\u{1b}[31m"), "a\u{FFFD}[31m");
    }
}
