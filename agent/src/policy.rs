//! What this host's owner allows. This version observes only: it says so, and why, whatever the file contains.
//!
//! A policy counts only when root owns it and nobody else may write it; otherwise it is not even looked at. Deciding
//! about actions comes with the actions.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is allowed, in words for people and for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Such as `observe only`.
    pub text: String,
    /// Something about the file that a person should change.
    pub finding: Option<String>,
}

/// The only thing this version does.
pub const OBSERVE_ONLY: &str = "observe only";

/// Reads the policy.
pub fn load(path: &Path) -> Policy {
    let finding = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
        Ok(meta) if !meta.is_file() => Some(format!("{} is not a regular file", path.display())),
        Ok(meta) => distrust(meta.uid(), meta.mode())
            .map(|why| format!("{} {why}; nothing in it is followed", path.display())),
    };
    Policy {
        text: OBSERVE_ONLY.to_owned(),
        finding,
    }
}

fn distrust(uid: u32, mode: u32) -> Option<&'static str> {
    if uid != 0 {
        Some("is not owned by root (chown root:root it)")
    } else if mode & 0o022 != 0 {
        Some("may be written by others than root (chmod 644 it)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_root_that_nobody_else_may_write_is_trusted() {
        assert_eq!(distrust(0, 0o100_644), None);
        assert!(distrust(1000, 0o100_644).is_some());
        assert!(distrust(0, 0o100_664).is_some());
        assert!(distrust(0, 0o100_646).is_some());
    }

    #[test]
    fn without_a_file_it_observes_only() {
        let policy = load(Path::new("/nonexistent/policy.toml"));
        assert_eq!((policy.text.as_str(), policy.finding), (OBSERVE_ONLY, None));
    }
}
