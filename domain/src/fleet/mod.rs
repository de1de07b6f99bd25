//! Hosts and nodes: what they are, and whether we still see them.

mod facts;
mod liveness;
mod status;

pub use facts::{Collector, CollectorOutcome, Facts, FilesystemFact, InterfaceFact, Outcome};
pub use liveness::{Liveness, Observation, liveness, no_data_after_ms};
pub use status::{Status, status_of};
