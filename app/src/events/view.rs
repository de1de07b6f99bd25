//! What the events page shows: plain data, made by the server, the same on both sides of hydration.

use domain::fleet::Status;
use serde::{Deserialize, Serialize};

use crate::fleet::view::EventRow;

/// What `/events` was asked to show; all of it comes from the URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventsQuery {
    /// Only this kind, such as "node enrolled".
    pub kind: String,
    /// Only what somebody of this name did.
    pub actor: String,
    /// Only what happened to this: a node's public id, or the name of anything else.
    pub object: String,
    /// Only what happened to this cluster and to nodes in it.
    #[serde(default)]
    pub cluster: String,
    /// `15m`, `1h`, `24h`, `7d` …; empty: `7d`.
    pub range: String,
    /// Absolute; wins over `range` together with `to`.
    pub from: String,
    /// Absolute, exclusive.
    pub to: String,
    /// Only events before this number.
    pub cursor: Option<i64>,
    /// The audit log: only what people did, with what they changed and from where. Of the path, not of the query.
    #[serde(default)]
    pub is_audit: bool,
    /// Walk the whole chain of hashes and say how it is; in the audit log.
    #[serde(default)]
    pub verify: bool,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPage {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// Start of the window.
    pub from_ms: i64,
    /// End of the window.
    pub to_ms: i64,
    /// The window in words.
    pub label: String,
    /// What of the query was not understood, in words.
    pub notes: Vec<String>,
    /// Newest first.
    pub rows: Vec<EventLine>,
    /// Where older ones begin.
    pub next_cursor: Option<i64>,
    /// All that match in the window.
    pub matching: u32,
    /// The last event there is; newer ones are counted from it.
    pub last_seq: i64,
    /// Where the first bar begins: with the window, or where all that is in it is late in it, with that.
    pub bars_from_ms: i64,
    /// How long a bar is.
    pub bar_ms: i64,
    /// Events that match, bar by bar.
    pub histogram: Vec<u32>,
    /// Kinds in the window with how many, the most common first.
    pub kinds: Vec<(String, u32)>,
    /// Who acted in the window, as (what to ask for, name, how many), the busiest first.
    pub actors: Vec<(String, String, u32)>,
    /// How the chain of hashes is, where that was asked for.
    #[serde(default)]
    pub chain: Option<Chain>,
    /// What it happened to, as (what to ask for, name, how many), the most affected first.
    pub objects: Vec<(String, String, u32)>,
}

/// An event in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// As everywhere.
    pub event: EventRow,
    /// More, in words.
    pub detail: String,
    /// How bad it is, or that something bad is over.
    #[serde(default)]
    pub severity: Option<Status>,
    /// In the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditDetail>,
}

/// What the audit log says beside an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDetail {
    /// What was changed, as it was.
    pub before: Option<String>,
    /// What was changed, as it is.
    pub after: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    /// Its id, as in the server's log.
    pub request_id: Option<String>,
}

/// How the chain of hashes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chain {
    /// So many entries, all as they were written.
    Whole(u64),
    /// The first that was changed, removed or added.
    Broken(i64),
}
