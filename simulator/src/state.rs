//! Identities on disk, for the next run: one file, replaced whole, readable by its owner alone.
//!
//! The invariant: keys are on disk before they are enrolled, and numbers before they are used, so that a run that is
//! killed at any moment leaves a folder that the server takes for the same agents.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use protocol::keys::PrivateKey;
use serde::{Deserialize, Serialize};

use crate::book::Numbers;
use crate::outcome::StartError;

const FILE: &str = "fleet.json";

/// One identity. Debug shows no private key.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) key: PrivateKey,
    /// Ids, once it is enrolled.
    pub(crate) enrolled: Option<Enrolled>,
    pub(crate) numbers: Numbers,
}

/// What enrolling gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Enrolled {
    pub(crate) host_id: String,
    pub(crate) node_id: String,
}

impl Identity {
    pub(crate) fn new(key_seed: [u8; 32]) -> Self {
        Self {
            key: PrivateKey::from_seed(key_seed),
            enrolled: None,
            numbers: Numbers {
                epoch: 1,
                seq: 0,
                acked: None,
            },
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    server_key: String,
    agents: Vec<StoredAgent>,
}

#[derive(Serialize, Deserialize)]
struct StoredAgent {
    key: String,
    enrolled: Option<Enrolled>,
    epoch: u32,
    seq: u64,
    acked: Option<(u64, String)>,
}

/// The folder, locked, or nothing when a run keeps its identities in memory.
#[derive(Debug)]
pub(crate) struct StateFolder(Option<(PathBuf, File)>);

/// What a folder held.
pub(crate) type Loaded = Option<([u8; 32], Vec<Identity>)>;

impl StateFolder {
    /// Opens or makes the folder; `None` keeps nothing.
    pub(crate) fn open(path: Option<&Path>) -> Result<(Self, Loaded), StartError> {
        let Some(path) = path else {
            return Ok((Self(None), None));
        };
        let cannot = |error: std::io::Error| {
            StartError::Local(format!(
                "--state {} cannot be used: {error}",
                path.display()
            ))
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(cannot)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(cannot)?;
        lock.try_lock().map_err(|_| {
            StartError::Usage(format!(
                "--state {}: another simulation uses this folder; wait for it, or name another folder",
                path.display()
            ))
        })?;
        let file = path.join(FILE);
        let loaded = match std::fs::read(&file) {
            Ok(bytes) => Some(read(&bytes).ok_or_else(|| {
                StartError::Local(format!(
                    "{} is damaged; move it away to begin with new identities",
                    file.display()
                ))
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot(error)),
        };
        Ok((Self(Some((path.to_owned(), lock))), loaded))
    }

    /// Replaces what is kept; `reserved` numbers beyond the last given one are taken for given.
    pub(crate) fn save(
        &self,
        server_key: &[u8; 32],
        identities: &[Identity],
        reserved: u64,
    ) -> Result<(), StartError> {
        let Some((path, _)) = &self.0 else {
            return Ok(());
        };
        let stored = Stored {
            server_key: HEXLOWER.encode(server_key),
            agents: identities
                .iter()
                .map(|identity| stored_agent(identity, reserved))
                .collect(),
        };
        let text = serde_json::json!(stored).to_string();
        replace(path, text.as_bytes()).map_err(|error| {
            StartError::Local(format!(
                "{} cannot be written: {error}",
                path.join(FILE).display()
            ))
        })
    }
}

fn replace(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = folder.join("fleet.json.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

fn stored_agent(identity: &Identity, reserved: u64) -> StoredAgent {
    let numbers = identity.numbers;
    StoredAgent {
        key: HEXLOWER.encode(&identity.key.seed()),
        enrolled: identity.enrolled.clone(),
        epoch: numbers.epoch,
        seq: numbers.seq.saturating_add(reserved),
        acked: numbers
            .acked
            .map(|(seq, digest)| (seq, HEXLOWER.encode(&digest))),
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

fn read(text: &[u8]) -> Loaded {
    let stored: Stored = serde_json::from_slice(text).ok()?;
    let identities = stored
        .agents
        .into_iter()
        .map(|agent| {
            let acked = match agent.acked {
                Some((seq, digest)) => Some((seq, bytes(&digest)?)),
                None => None,
            };
            Some(Identity {
                key: PrivateKey::from_seed(bytes(&agent.key)?),
                enrolled: agent.enrolled,
                numbers: Numbers {
                    epoch: agent.epoch,
                    seq: agent.seq,
                    acked,
                },
            })
        })
        .collect::<Option<Vec<Identity>>>()?;
    Some((bytes(&stored.server_key)?, identities))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn identities_come_back_with_their_numbers_reserved_and_only_for_their_owner() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fleet");
        let (folder, none) = StateFolder::open(Some(&path)).unwrap();
        assert!(none.is_none());
        let mut identity = Identity::new([5; 32]);
        identity.numbers = Numbers {
            epoch: 2,
            seq: 7,
            acked: Some((6, [9; 8])),
        };
        identity.enrolled = Some(Enrolled {
            host_id: "h1".to_owned(),
            node_id: "n1".to_owned(),
        });
        folder.save(&[3; 32], &[identity.clone()], 100).unwrap();
        let second = StateFolder::open(Some(&path)).map(|_| ()).unwrap_err();
        assert_eq!(second.exit_code(), 2, "the folder is in use: {second}");
        drop(folder);
        let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode(FILE)), (0o700, 0o600));
        let (_, loaded) = StateFolder::open(Some(&path)).unwrap();
        let (server_key, identities) = loaded.unwrap();
        assert_eq!(server_key, [3; 32]);
        let [read] = identities.as_slice() else {
            panic!("{identities:?}");
        };
        assert_eq!(read.key.seed(), [5; 32]);
        assert_eq!(read.numbers.seq, 107);
        assert_eq!(read.numbers.acked, Some((6, [9; 8])));
        assert_eq!(read.enrolled.as_ref().unwrap().node_id, "n1");
    }

    #[test]
    fn a_damaged_file_is_named_and_never_overwritten() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join(FILE), "{").unwrap();
        let error = StateFolder::open(Some(temp.path()))
            .map(|_| ())
            .unwrap_err();
        assert!(
            error.to_string().contains("is damaged; move it away"),
            "{error}"
        );
    }
}
