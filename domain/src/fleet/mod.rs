//! Hosts and nodes: what they are, and whether we still see them.

mod discovery;
mod facts;
mod liveness;
mod sections;
mod server;
mod status;

pub use discovery::{ServerChange, server_changes};
pub use facts::{Collector, CollectorOutcome, Facts, FilesystemFact, InterfaceFact, Outcome};
pub use liveness::{Liveness, Observation, liveness, no_data_after_ms};
pub use sections::{
    CertificateRow, ListenerRow, ProcessRow, Sections, Suggested, Taken, UnitRow, tcp_state,
};
pub use server::{
    Admission, Placement, ProbeResult, ServerFacts, ServerState, ServerTrouble, place,
    server_liveness, server_status,
};
pub use status::{Status, status_of};
