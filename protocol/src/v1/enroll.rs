//! Enrollment: a token becomes an identity.

use minicbor::{Decode, Encode};

/// Answer to `GET /agent/v1/server?nonce=`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServerProof {
    /// The server's public key.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub server_key: [u8; 32],
    /// Over nonce and key.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
    /// Versions accepted, oldest and newest.
    #[n(2)]
    pub versions: (u16, u16),
}

/// Payload of `POST /agent/v1/enroll`, signed by the token's key and by the agent's.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrollRequest {
    /// Version spoken.
    #[n(0)]
    pub protocol: u16,
    /// Public id of the token.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub token_id: [u8; 10],
    /// The agent's new public key.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub agent_key: [u8; 32],
    /// Kernel host name: a label.
    #[n(3)]
    pub hostname: String,
    /// Version of the agent.
    #[n(4)]
    pub agent_version: String,
    /// Take over this node's place and history.
    #[n(5)]
    pub replace: Option<String>,
    /// Configured seconds between reports.
    #[n(6)]
    pub interval_s: u32,
    /// Name wanted for the node, from `agent.toml`.
    #[n(7)]
    pub name: Option<String>,
}

/// Payload of the answer, signed by the server over the request's digest too.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrollAnswer {
    /// The identity: what hello names.
    #[n(0)]
    pub host_id: String,
    /// The host's own node.
    #[n(1)]
    pub node_id: String,
    /// Waits for an administrator?
    #[n(2)]
    pub pending_review: bool,
}
