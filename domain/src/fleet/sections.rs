//! Lists about a host that change now and then, and what its owner suggests about it.
//!
//! Suggestions never move a node: an operator or the enrollment token decides where it belongs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What `agent.toml` says about the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Suggested {
    /// Name for people, used where no operator gave one.
    pub name: Option<String>,
    /// System it would belong to.
    pub system: Option<String>,
    /// Cluster it would belong to.
    pub cluster: Option<String>,
    /// Role it would have.
    pub role: Option<String>,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Process id.
    pub pid: u32,
    /// The kernel's name of it.
    pub name: String,
    /// Processor time per time: 1.0 is one whole processor.
    pub cpu_used_ratio: f64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// A service of the service manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRow {
    /// Such as `ssh.service`.
    pub name: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `running`, `exited`, `dead` …
    pub sub: String,
    /// How often it was restarted by itself.
    pub restarts: Option<u32>,
    /// In words.
    pub description: Option<String>,
}

/// An address and port at which TCP connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerRow {
    /// Such as `0.0.0.0`.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// A certificate that a service of the host shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// Port.
    pub port: u16,
    /// Common name of its subject.
    pub subject: String,
    /// Common name of its issuer.
    pub issuer: String,
    /// End of its validity.
    pub not_after_ms: i64,
}

/// A list and when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken<T> {
    /// Server's clock.
    pub at_ms: i64,
    /// So many more exist than are listed.
    pub left_out: u32,
    /// The list.
    pub rows: Vec<T>,
}

/// All lists of a host; `None` for what it never told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sections {
    /// Busiest processes.
    pub processes: Option<Taken<ProcessRow>>,
    /// Services.
    pub units: Option<Taken<UnitRow>>,
    /// Where it listens.
    pub listeners: Option<Taken<ListenerRow>>,
    /// TCP connections by state, such as ("established", 12).
    pub tcp_states: Vec<(String, u32)>,
    /// Certificates.
    pub certificates: Option<Taken<CertificateRow>>,
}

/// The kernel's name of a TCP state, in lower case; `None` for a number it does not have.
pub fn tcp_state(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "established",
        2 => "syn_sent",
        3 => "syn_recv",
        4 => "fin_wait1",
        5 => "fin_wait2",
        6 => "time_wait",
        7 => "close",
        8 => "close_wait",
        9 => "last_ack",
        10 => "listen",
        11 => "closing",
        12 => "new_syn_recv",
        _ => return None,
    })
}
