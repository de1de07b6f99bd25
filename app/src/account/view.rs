//! Who is asking, and how they like their pages.

use domain::access::Role;
use serde::{Deserialize, Serialize};

/// What every page needs to know before anything is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageContext {
    /// Server's wall clock: relative times on the first render are computed from it.
    pub now_ms: i64,
    /// Signed in as.
    pub user: Option<UserView>,
    /// `system`, `light` or `dark`, from the cookie.
    pub theme: String,
    /// Host name under which the server is reached.
    pub server_name: String,
    /// Version of the server.
    pub version: String,
    /// Served without TLS beyond loopback: a banner says so.
    pub insecure: bool,
    /// What the server has to say about itself, such as that its disk is nearly full; only to who is signed in.
    pub notices: Vec<String>,
    /// No administrator exists yet.
    pub needs_setup: bool,
}

/// What this server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutView {
    /// Host name under which the server is reached.
    pub server_name: String,
    /// Version of the server.
    pub version: String,
    /// Spoken with agents, oldest and newest.
    pub protocol: (u16, u16),
    /// Of the server's key, as tokens carry it.
    pub server_key_fingerprint: String,
    /// Nodes in view.
    pub nodes: u64,
    /// Of them OK.
    pub nodes_ok: u64,
    /// Agents' sessions in memory.
    pub agent_sessions: u64,
    /// Server's wall clock.
    pub now_ms: i64,
    /// When this process started.
    pub started_at_ms: i64,
    /// Pages that follow live data.
    pub live_viewers: u64,
    /// Reports stored since the start.
    pub reports_stored: u64,
    /// Reports not stored since the start.
    pub reports_not_stored: u64,
    /// Mean time from a checked report to its commit.
    pub commit_us_mean: Option<u32>,
    /// Requests turned away since the start.
    pub turned_away: u64,
    /// Of the databases with their logs.
    pub database_bytes: u64,
    /// On the disk of the data folder.
    pub disk_free_bytes: u64,
    /// Memory of this process.
    pub resident_bytes: u64,
}

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Sign-in name.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What a plain form post (`/login`, `/setup`) has to say when it failed; rendered into the same page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFeedback {
    /// Above the form.
    pub message: String,
    /// (field name, what is wrong with it).
    pub fields: Vec<(String, String)>,
    /// (field name, what had been typed), never passwords.
    pub kept: Vec<(String, String)>,
}

impl FormFeedback {
    /// What is wrong with a field.
    pub fn error(&self, field: &str) -> Option<String> {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, text)| text.clone())
    }

    /// What had been typed into a field.
    pub fn kept(&self, field: &str) -> Option<String> {
        self.kept
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, text)| text.clone())
    }
}
