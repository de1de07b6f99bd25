//! Product packs that the server offers to its agents: `packs/*.toml` in the data folder, read at the start.
//!
//! They are told at hello, as they are: agents judge them, follow only what matches and labels, and tell which they refuse
//! and why, which the node's page shows.

use std::io::Read;
use std::path::Path;

use protocol::v1::hello::{SERVED_PACKS_BYTES_MAX, ServedPack};

/// The packs, and why others are not offered.
#[derive(Debug, Default)]
pub struct Offered {
    /// By file name.
    pub packs: Vec<ServedPack>,
    /// File and reason.
    pub refused: Vec<String>,
}

impl Offered {
    /// Reads the folder; one that is not there holds none.
    pub fn read(data: &Path) -> Self {
        let dir = data.join("packs");
        let mut offered = Self::default();
        let mut files: Vec<_> = match std::fs::read_dir(&dir) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|end| end == "toml"))
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return offered,
            Err(error) => {
                let refused = format!("{} cannot be read: {error}", dir.display());
                offered.refused.push(refused);
                return offered;
            }
        };
        files.sort();
        let mut bytes = 0;
        for path in files {
            let shown = path.display();
            let mut text = String::new();
            let read = std::fs::File::open(&path).and_then(|file| {
                file.take(SERVED_PACKS_BYTES_MAX as u64 + 1)
                    .read_to_string(&mut text)
            });
            match read {
                Err(error) => offered
                    .refused
                    .push(format!("{shown} is not offered: {error}")),
                Ok(_) if bytes + text.len() > SERVED_PACKS_BYTES_MAX => offered.refused.push(format!(
                    "{shown} is not offered: all packs together may have {SERVED_PACKS_BYTES_MAX} bytes; put it into /etc/oc-agent/packs of the hosts that need it"
                )),
                Ok(_) => {
                    bytes += text.len();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    offered.packs.push(ServedPack {
                        file: domain::text::clean_label(&name),
                        text,
                    });
                }
            }
        }
        offered
    }

    /// As hello tells them.
    pub fn told(&self) -> Option<Vec<ServedPack>> {
        (!self.packs.is_empty()).then(|| self.packs.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_offered_by_name_and_what_is_not_is_said() {
        let data = tempfile::tempdir().unwrap();
        assert!(Offered::read(data.path()).told().is_none());
        let dir = data.path().join("packs");
        std::fs::create_dir(&dir).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
        write("b.toml", b"name = \"b\"");
        write("a.toml", b"name = \"a\"");
        write("notes.txt", b"no pack");
        write("c.toml", &vec![b'x'; SERVED_PACKS_BYTES_MAX]);
        write("d.toml", b"\xff");
        let offered = Offered::read(data.path());
        let names: Vec<&str> = offered
            .packs
            .iter()
            .map(|pack| pack.file.as_str())
            .collect();
        assert_eq!(names, ["a.toml", "b.toml"]);
        assert_eq!(offered.refused.len(), 2, "{:?}", offered.refused);
        assert!(offered.refused[0].contains("c.toml is not offered: all packs together"));
        assert!(offered.refused[1].contains("d.toml is not offered: "));
    }
}
