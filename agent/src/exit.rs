//! Exit codes, the same for both programs, and errors that carry one.

use std::fmt;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, well.
    Done = 0,
    /// Could not, or there is a finding.
    Finding = 1,
    /// Wrong usage or settings.
    Usage = 2,
    /// Refused by the server.
    Refused = 3,
    /// Another server than the one that is trusted.
    WrongServer = 4,
    /// Nobody answers.
    Unreachable = 5,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended, in words for a person, and the code that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// Code to exit with.
    pub exit: Exit,
    /// What happened and the way out; several lines where there are several problems.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// Wrong usage or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Could not.
    pub fn could_not(message: impl Into<String>) -> Self {
        Self::new(Exit::Finding, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
