//! Packs that the server offers: taken at hello, kept in the state folder, so that their servers are known while the
//! server is away.

use std::path::PathBuf;

use protocol::v1::hello::{SERVED_PACKS_BYTES_MAX, SERVED_PACKS_MAX, ServedPack};
use protocol::wire;

use crate::log;

/// What the server offered last.
#[derive(Debug)]
pub struct Served {
    path: PathBuf,
    packs: Vec<ServedPack>,
}

impl Served {
    /// What is kept in this file; one that is missing or damaged holds nothing.
    pub fn open(path: PathBuf) -> Self {
        let packs = std::fs::read(&path)
            .ok()
            .and_then(|bytes| wire::decode("served packs", &bytes).ok())
            .unwrap_or_default();
        Self { path, packs }
    }

    /// Their texts.
    pub fn packs(&self) -> &[ServedPack] {
        &self.packs
    }

    /// Takes what the server offers now; is it other than before?
    pub fn take(&mut self, offered: Option<Vec<ServedPack>>) -> bool {
        let mut offered = offered.unwrap_or_default();
        offered.truncate(SERVED_PACKS_MAX);
        let mut bytes = 0;
        offered.retain(|pack| {
            bytes += pack.text.len();
            bytes <= SERVED_PACKS_BYTES_MAX
        });
        if offered == self.packs {
            return false;
        }
        self.packs = offered;
        // Lost, they come again at the next hello.
        if let Err(error) = std::fs::write(&self.path, wire::encode(&self.packs)) {
            log::warn(format!("{}: {error}", self.path.display()));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_kept_and_only_a_change_is_news() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("served-packs");
        let pack = |text: String| ServedPack {
            file: "a.toml".to_owned(),
            text,
        };
        let offer = || Some(vec![pack("name = \"a\"".to_owned())]);
        let mut served = Served::open(path.clone());
        assert!(!served.take(None));
        assert!(served.take(offer()) && !served.take(offer()));
        let mut again = Served::open(path.clone());
        assert_eq!(again.packs(), served.packs());
        assert!(again.take(None) && again.packs().is_empty());
        assert!(Served::open(path.clone()).packs().is_empty());
        // No more than is agreed on, whoever offers it.
        assert!(!again.take(Some(vec![pack("x".repeat(SERVED_PACKS_BYTES_MAX + 1))])));
        assert!(again.take(Some(vec![pack("x".to_owned()); SERVED_PACKS_MAX + 1])));
        assert_eq!(again.packs().len(), SERVED_PACKS_MAX);
        std::fs::write(&path, "rubbish").unwrap();
        assert!(Served::open(path).packs().is_empty());
    }
}
