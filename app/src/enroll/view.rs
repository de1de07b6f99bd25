//! What the "Add a node" page shows.

use serde::{Deserialize, Serialize};

/// The form: what a new enrollment token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenForm {
    /// System slug; made when missing.
    pub system: String,
    /// Cluster slug; made when missing.
    pub cluster: String,
    /// Such as `10m`.
    pub ttl: String,
    /// How many nodes may use it.
    pub uses: u32,
    /// Nodes wait for an administrator's yes.
    pub review: bool,
}

/// A token just made: the only moment its secret can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// Public id.
    pub id: String,
    /// The whole token (`oce_…`).
    pub token: String,
    /// Where the agent reaches this server.
    pub server_url: String,
    /// The enroll command is `oc-agent enroll --server URL [--insecure-http]`.
    pub insecure_http: bool,
    /// When it stops working.
    pub expires_at_ms: i64,
    /// SHA-256 of the agent's program, hexadecimal, where this server offers it.
    pub agent_sha256: Option<String>,
}

/// What the page starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddNode {
    /// Existing (system, cluster) slugs.
    pub clusters: Vec<(String, String)>,
    /// Made by the post that this page answers.
    pub created: Option<CreatedToken>,
}

/// How an enrollment token is doing; watched by the page until the first report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// Public id.
    pub id: String,
    /// System slug.
    pub system: String,
    /// Cluster slug.
    pub cluster: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at_ms: i64,
    /// When it stops working.
    pub expires_at_ms: i64,
    /// Uses allowed.
    pub uses: u32,
    /// Uses made.
    pub used: u32,
    /// Taken back?
    pub revoked: bool,
    /// Needs review?
    pub review: bool,
    /// Nodes that came with it.
    pub nodes: Vec<EnrolledNode>,
    /// Server's wall clock when this was made.
    pub now_ms: i64,
}

/// A node that used a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolledNode {
    /// Public id.
    pub id: String,
    /// Host name.
    pub name: String,
    /// Operating system, once told.
    pub os: Option<String>,
    /// Processors, once told.
    pub cpu_count: Option<u32>,
    /// First report accepted?
    pub reported: bool,
}
