//! Is this agent who we think, or a copy of it?
//!
//! Called by the server at each hello and first report of a session. Two things go wrong in practice: a machine is
//! restored from a snapshot, so its numbers run a second time; and a machine is cloned, so two processes use one
//! identity. The invariant: neither ever leads to a record that is acknowledged and not stored.

use serde::{Deserialize, Serialize};

/// Where the server's record of an agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Epoch of the last record.
    pub epoch: u32,
    /// Number of the last record.
    pub seq: u64,
    /// Short digest of its bytes.
    pub digest: [u8; 8],
}

/// Where the agent says its own record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Epoch of its state folder.
    pub epoch: u32,
    /// Highest number ever given.
    pub highest_seq: u64,
    /// Last number acknowledged.
    pub acked_seq: u64,
    /// Short digest of that record.
    pub acked_digest: Option<[u8; 8]>,
    /// It was told that another record is stored under one of its numbers.
    pub wants_new_epoch: bool,
}

/// Why an agent must begin a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restored {
    /// Its numbers end before ours: its state is older than what it once told us.
    Behind,
    /// The same number, another record.
    Differs,
    /// It noticed itself.
    Reported,
}

/// What follows from a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Epoch to use from now on.
    pub epoch: u32,
    /// Set when that is a new one.
    pub restored: Option<Restored>,
    /// The server's record ends before what it once acknowledged: the *server* was restored from an old backup.
    pub server_restored: bool,
}

/// Compares what is stored with what is claimed.
///
/// An agent may be ahead by what was sent and not acknowledged. It may never be behind: numbers are persisted before they
/// are used.
pub fn judge(stored: Option<Stored>, claimed: Claimed) -> Verdict {
    let Some(stored) = stored else {
        let server_restored = claimed.acked_seq > 0;
        return Verdict {
            epoch: claimed.epoch,
            restored: None,
            server_restored,
        };
    };
    let new_epoch = |why| Verdict {
        epoch: stored.epoch.max(claimed.epoch).saturating_add(1),
        restored: Some(why),
        server_restored: false,
    };
    if claimed.wants_new_epoch {
        return new_epoch(Restored::Reported);
    }
    if claimed.epoch < stored.epoch {
        return new_epoch(Restored::Behind);
    }
    if claimed.epoch > stored.epoch {
        return Verdict {
            epoch: claimed.epoch,
            restored: None,
            server_restored: claimed.acked_seq > 0,
        };
    }
    if claimed.highest_seq < stored.seq {
        return new_epoch(Restored::Behind);
    }
    if claimed.acked_seq == stored.seq
        && claimed
            .acked_digest
            .is_some_and(|digest| digest != stored.digest)
    {
        return new_epoch(Restored::Differs);
    }
    Verdict {
        epoch: stored.epoch,
        restored: None,
        server_restored: claimed.acked_seq > stored.seq,
    }
}

/// Displaced processes remembered for one identity.
const DISPLACED_MAX: usize = 16;

/// Which processes have spoken for one identity, newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    current: Option<[u8; 8]>,
    displaced: Vec<[u8; 8]>,
}

/// What a process that just proved itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The one that spoke last.
    Same,
    /// A new one: the agent restarted.
    Restarted,
    /// One that had been displaced and is back, so both live: a clone.
    Clone,
}

impl Processes {
    /// Notes that a process proved itself by a valid MAC (a hello alone could be a replay).
    pub fn speak(&mut self, process: [u8; 8]) -> Speaker {
        if self.current == Some(process) {
            return Speaker::Same;
        }
        if self.displaced.contains(&process) {
            return Speaker::Clone;
        }
        if let Some(previous) = self.current.replace(process) {
            if self.displaced.len() >= DISPLACED_MAX {
                self.displaced.remove(0);
            }
            self.displaced.push(previous);
        }
        Speaker::Restarted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Stored = Stored {
        epoch: 2,
        seq: 100,
        digest: [1; 8],
    };
    const CLAIMED: Claimed = Claimed {
        epoch: 2,
        highest_seq: 105,
        acked_seq: 100,
        acked_digest: Some([1; 8]),
        wants_new_epoch: false,
    };

    fn case(stored: Option<Stored>, claimed: Claimed) -> String {
        let verdict = judge(stored, claimed);
        format!(
            "epoch {}{}{}",
            verdict.epoch,
            verdict
                .restored
                .map_or(String::new(), |why| format!(", restored {why:?}")),
            if verdict.server_restored {
                ", server restored"
            } else {
                ""
            }
        )
    }

    #[test]
    fn an_agent_that_goes_on_goes_on() {
        assert_eq!(
            case(
                None,
                Claimed {
                    epoch: 1,
                    highest_seq: 0,
                    acked_seq: 0,
                    acked_digest: None,
                    ..CLAIMED
                }
            ),
            "epoch 1"
        );
        assert_eq!(case(Some(STORED), CLAIMED), "epoch 2");
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    acked_seq: 98,
                    acked_digest: Some([7; 8]),
                    ..CLAIMED
                }
            ),
            "epoch 2",
            "an acknowledgement was lost"
        );
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    highest_seq: 10_105,
                    ..CLAIMED
                }
            ),
            "epoch 2",
            "numbers skipped after a boot"
        );
    }

    #[test]
    fn a_restored_agent_begins_a_new_epoch() {
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    highest_seq: 90,
                    acked_seq: 90,
                    ..CLAIMED
                }
            ),
            "epoch 3, restored Behind"
        );
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    epoch: 1,
                    ..CLAIMED
                }
            ),
            "epoch 3, restored Behind"
        );
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    acked_digest: Some([9; 8]),
                    ..CLAIMED
                }
            ),
            "epoch 3, restored Differs"
        );
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    wants_new_epoch: true,
                    ..CLAIMED
                }
            ),
            "epoch 3, restored Reported"
        );
    }

    #[test]
    fn a_restored_server_is_noticed() {
        assert_eq!(case(None, CLAIMED), "epoch 2, server restored");
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    acked_seq: 104,
                    ..CLAIMED
                }
            ),
            "epoch 2, server restored"
        );
        assert_eq!(
            case(
                Some(STORED),
                Claimed {
                    epoch: 3,
                    acked_seq: 4,
                    highest_seq: 4,
                    ..CLAIMED
                }
            ),
            "epoch 3, server restored"
        );
    }

    #[test]
    fn restarts_are_no_clones_and_two_that_alternate_are() {
        let mut processes = Processes::default();
        assert_eq!(processes.speak([1; 8]), Speaker::Restarted);
        assert_eq!(processes.speak([1; 8]), Speaker::Same);
        assert_eq!(
            processes.speak([2; 8]),
            Speaker::Restarted,
            "killed and started again"
        );
        assert_eq!(processes.speak([3; 8]), Speaker::Restarted);
        assert_eq!(processes.speak([2; 8]), Speaker::Clone);
        for i in 10..60 {
            assert_eq!(processes.speak([i; 8]), Speaker::Restarted);
        }
        assert!(processes.displaced.len() <= DISPLACED_MAX);
    }
}
