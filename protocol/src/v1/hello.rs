//! Hello: a session for one process of one agent.

use minicbor::{Decode, Encode};

use super::section::HeldSection;

/// Payload of `POST /agent/v1/hello`, signed by the agent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Version spoken.
    #[n(0)]
    pub protocol: u16,
    /// Who.
    #[n(1)]
    pub host_id: String,
    /// Fresh random name of the session.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// X25519 public key, fresh.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub ephemeral: [u8; 32],
    /// Random name of this process, the same for all of its sessions.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub process: [u8; 8],
    /// Epoch of the state folder.
    #[n(5)]
    pub epoch: u32,
    /// Highest sequence number ever given in this epoch; 0 for none.
    #[n(6)]
    pub highest_seq: u64,
    /// Last acknowledged sequence number; 0 for none.
    #[n(7)]
    pub acked_seq: u64,
    /// Short digest of that record's bytes.
    #[n(8)]
    #[cbor(with = "minicbor::bytes")]
    pub acked_digest: Option<[u8; 8]>,
    /// Kernel boot id.
    #[n(9)]
    #[cbor(with = "minicbor::bytes")]
    pub boot_id: [u8; 16],
    /// Version of the agent.
    #[n(10)]
    pub agent_version: String,
    /// Configured seconds between reports.
    #[n(11)]
    pub interval_s: u32,
    /// The host's wall clock.
    #[n(12)]
    pub wall_ms: i64,
    /// The server said [`crate::http::Code::SequenceForked`]: begin a new epoch.
    #[n(13)]
    pub wants_new_epoch: bool,
    /// What `agent.toml` says about the host; absent when it says nothing.
    #[n(14)]
    pub suggested: Option<Suggested>,
}

/// What the host's owner suggests about it. Nothing of it decides anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Suggested {
    /// Name for people.
    #[n(0)]
    pub name: Option<String>,
    /// System.
    #[n(1)]
    pub system: Option<String>,
    /// Cluster.
    #[n(2)]
    pub cluster: Option<String>,
    /// Role.
    #[n(3)]
    pub role: Option<String>,
    /// Free labels, by name.
    #[n(4)]
    pub tags: Vec<(String, String)>,
}

/// Payload of the answer, signed by the server over the request's digest too.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HelloAnswer {
    /// X25519 public key, fresh.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub ephemeral: [u8; 32],
    /// Epoch to use from now on; another than the agent's own means: this state was seen to be a restored copy.
    #[n(1)]
    pub epoch: u32,
    /// Last sequence number stored in that epoch; 0 for none.
    #[n(2)]
    pub stored_seq: u64,
    /// Short digest of the facts the server holds.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub facts_digest: Option<[u8; 8]>,
    /// The server's wall clock.
    #[n(4)]
    pub now_ms: i64,
    /// Waits for an administrator?
    #[n(5)]
    pub pending_review: bool,
    /// The sections that the server holds.
    #[n(6)]
    pub sections: Option<Vec<HeldSection>>,
    /// Product packs that the server offers; the agent follows only what in them matches and labels.
    #[n(7)]
    pub packs: Option<Vec<ServedPack>>,
}

/// All texts of served packs together; an answer is small.
pub const SERVED_PACKS_BYTES_MAX: usize = 32 * 1024;

/// Served packs at most: each is tried on every process.
pub const SERVED_PACKS_MAX: usize = 32;

/// A product pack as the server holds it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServedPack {
    /// Its file, for people.
    #[n(0)]
    pub file: String,
    /// TOML.
    #[n(1)]
    pub text: String,
}
