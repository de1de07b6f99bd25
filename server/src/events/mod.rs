//! What happened: an append-only log in which each entry's hash covers the one before.
//!
//! Every change is written here in the transaction that makes it, so there is no change without its entry. The audit
//! log is a filter over it.

pub mod api;
pub mod export;
pub mod service;
pub mod store;

use domain::time::Timestamp;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    Person(String),
    /// A local command, run by this user of the machine.
    CommandLine(u32),
    /// An agent itself.
    Agent(String),
    /// The server itself.
    Server,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Person(name) => f.write_str(name),
            Actor::CommandLine(uid) => write!(f, "command line (uid {uid})"),
            Actor::Agent(host) => write!(f, "agent {host}"),
            Actor::Server => f.write_str("server"),
        }
    }
}

/// Something that just happened, about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent<'a> {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: &'a Actor,
    /// What, past tense: "node enrolled".
    pub verb: &'static str,
    /// To what, in words.
    pub subject: String,
    /// Which node, if one.
    pub node_id: Option<&'a str>,
    /// More, for whoever asks; never a secret.
    pub detail: String,
}

/// How the chain of hashes looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainState {
    /// All entries are as they were written.
    Whole {
        /// How many.
        count: u64,
    },
    /// The first entry that was changed, removed or added out of order.
    Broken {
        /// Its sequence number.
        first_bad_seq: i64,
    },
}
