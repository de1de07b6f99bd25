//! What this host's owner allows. This version observes only: it says so, and why, whatever the file contains.
//!
//! A policy counts only when root owns it and nobody else may write it; otherwise it is not even looked at. Deciding
//! about actions comes with the actions.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config;

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
            .map(|why| format!("{} {why}; nothing in it is followed", path.display()))
            .or_else(|| unreadable(path)),
    };
    Policy {
        text: OBSERVE_ONLY.to_owned(),
        finding,
    }
}

/// Why the text is no policy, whatever it would allow.
fn unreadable(path: &Path) -> Option<String> {
    let shown = path.display();
    match config::read(path) {
        Ok(text) => {
            let text = text?;
            let error = text.parse::<toml::Table>().err()?;
            Some(format!(
                "{shown}: {}; correct it: until then it counts as empty",
                config::syntax(&error, &text)
            ))
        }
        Err(why) => Some(format!("{shown} {why}")),
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
    fn a_file_that_is_no_toml_is_a_finding_that_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, "[restart]\nallow = [\n\"a\" = 1\n").unwrap();
        let finding = unreadable(&path).unwrap();
        assert!(finding.contains("is not TOML"), "{finding}");
        assert!(finding.contains("policy.toml: line "), "{finding}");
        std::fs::write(&path, "[restart]\nallow = []\n").unwrap();
        assert_eq!(unreadable(&path), None);
    }

    #[test]
    fn without_a_file_it_observes_only() {
        let policy = load(Path::new("/nonexistent/policy.toml"));
        assert_eq!((policy.text.as_str(), policy.finding), (OBSERVE_ONLY, None));
    }
}
