//! The last time the server refused something: why, and when. Kept in the state folder for `status` and `doctor`.
//!
//! Written by [`crate::run`], read by [`crate::status`] and [`crate::doctor`]. It is told, never decided by: it says
//! nothing about whether a refusal was the server's own or of something in between.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::session::Told;

/// The same refusal is noted again after so long.
const AGAIN_MS: u64 = 60_000;
/// The file's length, whatever is in it: it is written in place, so that a disk that is full takes it, too. More than
/// the longest words need.
const FILE_BYTES: usize = 4_096;

/// Why the server refused a hello or a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefusal {
    /// By this host's clock.
    pub at_ms: i64,
    /// HTTP status of the answer.
    pub status: u16,
    /// The protocol's word for it; none where something else than our server answered.
    pub code: Option<String>,
    /// The answer's words.
    pub detail: String,
}

impl LastRefusal {
    fn new(told: &Told, at_ms: i64) -> Self {
        Self {
            at_ms,
            status: told.status,
            code: told.code.map(|code| code.as_str().to_owned()),
            detail: told.words.clone(),
        }
    }

    /// For people, in one line.
    pub fn sentence(&self) -> String {
        let code = self.code.as_deref().unwrap_or("no code of our server");
        let at = domain::time::format_utc(domain::time::Timestamp(self.at_ms));
        format!("{} ({code}) at {at}", self.detail)
    }

    /// Was nothing taken since?
    pub fn is_unresolved(&self, last_ack_at_ms: Option<i64>) -> bool {
        last_ack_at_ms.is_none_or(|ack_ms| ack_ms < self.at_ms)
    }
}

/// The one in this file. One that is torn or not ours is none: it only tells.
pub fn read(path: &Path) -> Option<LastRefusal> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(FILE_BYTES as u64)
        .read_to_string(&mut text)
        .ok()?;
    serde_json::from_str(&text).ok()?
}

/// Notes refusals as they come.
#[derive(Debug)]
pub struct Refusals {
    path: PathBuf,
    noted: Option<LastRefusal>,
}

impl Refusals {
    /// Kept in this file, which takes its room now, while there may be some.
    pub fn in_file(path: PathBuf) -> Self {
        let refusals = Self { path, noted: None };
        if !refusals.path.exists() {
            // Nothing is lost: it is tried again when there is something to keep.
            drop(refusals.write(None));
        }
        refusals
    }

    /// Keeps it; a server that refuses all the time is written down once a minute.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&mut self, told: &Told, at_ms: i64) -> io::Result<()> {
        let refusal = LastRefusal::new(told, at_ms);
        let is_noted = self.noted.as_ref().is_some_and(|noted| {
            let is_same = (noted.status, &noted.code, &noted.detail)
                == (refusal.status, &refusal.code, &refusal.detail);
            is_same && at_ms.abs_diff(noted.at_ms) < AGAIN_MS
        });
        if is_noted {
            return Ok(());
        }
        self.write(Some(&refusal))?;
        self.noted = Some(refusal);
        Ok(())
    }

    /// Not synced: what a crash of the host takes is told again soon enough, and what it tears is read as none.
    fn write(&self, refusal: Option<&LastRefusal>) -> io::Result<()> {
        let mut text = serde_json::to_vec(&refusal)?;
        text.resize(FILE_BYTES.max(text.len()), b' ');
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        options.open(&self.path)?.write_all(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::http::Code;

    #[test]
    fn the_last_refusal_is_kept_and_the_same_one_not_written_each_time() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("refusal.json");
        assert_eq!(read(&path), None);
        let told = |words: &str| Told {
            status: 503,
            code: Some(Code::Overloaded),
            words: words.to_owned(),
        };
        let mut refusals = Refusals::in_file(path.clone());
        let length = || std::fs::metadata(&path).unwrap().len();
        assert_eq!((read(&path), length()), (None, FILE_BYTES as u64));
        for (words, at_ms, noted_ms) in [
            ("one", 1_000, 1_000),
            ("one", 2_000, 1_000),
            ("one", 61_000, 61_000),
            ("two", 61_001, 61_001),
            ("two", -500_000, -500_000),
        ] {
            refusals.note(&told(words), at_ms).unwrap();
            let found = read(&path).unwrap();
            assert_eq!((found.detail.as_str(), found.at_ms), (words, noted_ms));
            assert_eq!(found.code.as_deref(), Some("overloaded"));
            assert_eq!(length(), FILE_BYTES as u64);
        }
        let longest = "\"".repeat(domain::text::LABEL_CHARS_MAX);
        refusals.note(&told(&longest), 0).unwrap();
        assert_eq!(length(), FILE_BYTES as u64);
        assert_eq!(read(&path).unwrap().detail, longest);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read(&path), None, "a torn one is none");
    }

    #[test]
    fn it_is_over_once_something_was_taken() {
        let refusal = LastRefusal {
            at_ms: 1_000,
            status: 403,
            code: Some("agent_revoked".to_owned()),
            detail: "HTTP 403: an administrator revoked this agent".to_owned(),
        };
        assert!(refusal.is_unresolved(None) && refusal.is_unresolved(Some(999)));
        assert!(!refusal.is_unresolved(Some(1_000)));
        assert_eq!(
            refusal.sentence(),
            "HTTP 403: an administrator revoked this agent (agent_revoked) at 1970-01-01 00:00:01 UTC"
        );
    }
}
