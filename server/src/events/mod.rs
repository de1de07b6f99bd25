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
    Person(PersonActor),
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
            Actor::Person(person) => f.write_str(&person.name),
            Actor::CommandLine(uid) => write!(f, "command line (uid {uid})"),
            Actor::Agent(host) => write!(f, "{AGENT_PREFIX}{host}"),
            Actor::Server => f.write_str("server"),
        }
    }
}

/// In front of a host's internal id where its agent acted. What is written stays as it is, because the chain covers it;
/// readers are told the host's name.
pub const AGENT_PREFIX: &str = "agent ";

/// A signed-in person, and by which request they act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonActor {
    /// Sign-in name.
    pub name: String,
    /// Where the request came from.
    pub address: Option<String>,
    /// Its id, as in the server's log.
    pub request_id: Option<String>,
}

impl Actor {
    /// A person of whose request nothing is known.
    pub fn person(name: &str) -> Self {
        Actor::Person(PersonActor {
            name: name.to_owned(),
            ..PersonActor::default()
        })
    }
}

/// What a change made of what: for the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BeforeAfter {
    /// What it was; empty for nothing.
    pub before: String,
    /// What it is; empty for nothing.
    pub after: String,
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
