//! Where things are: the repository, cargo's target folder, and what xtask keeps in it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

pub struct Workspace {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target folder, which `CARGO_TARGET_DIR` may have moved.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo, from wherever in the repository the command was given.
    pub fn locate() -> anyhow::Result<Self> {
        let output = Command::new(cargo_program())
            .args(["metadata", "--no-deps", "--format-version=1"])
            .output()
            .context("cannot start cargo")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
        let folder = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .with_context(|| format!("`cargo metadata` has no {key}"))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
        })
    }

    pub fn end2end(&self) -> PathBuf {
        self.root.join("end2end")
    }

    /// The web assets as the server embeds or serves them.
    pub fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// A program of the dev profile.
    pub fn dev_program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Held while installing and while writing the site: two xtasks may be started at once.
    pub fn lock(&self) -> anyhow::Result<File> {
        std::fs::create_dir_all(&self.target)
            .with_context(|| format!("cannot create {}", self.target.display()))?;
        let path = self.target.join("xtask.lock");
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => eprintln!("waiting for another cargo xtask"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// The cargo that started us.
pub fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Writes through a neighbour and a rename, so that no reader ever sees half a file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .with_context(|| format!("{} has no folder", path.display()))?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

/// All files beneath a folder, sorted, relative to it; hidden ones are left out, a missing folder
/// is empty.
pub fn files_beneath(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let path = folder.join(&relative);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let relative = relative.join(name);
            // Not `file_type`: links into the folder count as what they lead to.
            match std::fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => open.push(relative),
                Ok(_) => found.push(relative),
                // Editors' lock files are links that lead nowhere, or vanish meanwhile.
                Err(_) => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_sorted_and_without_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.css", "ui/a.css", ".#b.css", "a.css"] {
            write_whole(&folder.path().join(name), b"x").unwrap();
        }
        let names: Vec<String> = files_beneath(folder.path())
            .unwrap()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(names, ["a.css", "b.css", "ui/a.css"]);
        assert!(
            files_beneath(&folder.path().join("missing"))
                .unwrap()
                .is_empty()
        );
    }
}
