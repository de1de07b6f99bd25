//! Hosts, nodes and clusters: what they are, whether we still see them, and what they add up to.

mod cluster;
mod discovery;
mod facts;
mod liveness;
pub mod outlier;
mod rollup;
mod sections;
mod server;
pub mod silence;
mod since;
mod status;
mod tags;
mod then;

pub use cluster::{
    ClusterForm, ClusterKind, ClusterSettings, FieldError, NOTES_CHARS_MAX, ROLES_MAX, Rebased,
    read_notes,
};
pub use discovery::{ServerChange, server_changes};
pub use facts::{Collector, CollectorOutcome, Facts, FilesystemFact, InterfaceFact, Outcome};
pub use liveness::{Liveness, Observation, liveness, no_data_after_ms};
pub use rollup::{
    MIN_AVAILABLE_MAX, MinAvailable, MinAvailableError, Minimum, RollUp, is_available, roll_up,
};
pub use sections::{
    CertificateRow, ListenerRow, ProcessRow, Sections, Suggested, Taken, UnitRow, tcp_state,
};
pub use server::{
    Admission, Placement, ProbeResult, ServerFacts, ServerState, ServerTrouble, place,
    server_liveness, server_status,
};
pub use silence::{Scope, Seen, Silence, silences};
pub use since::{HostDates, below_since, host_since, own_since, own_status, server_since};
pub use status::{Status, status_of};
pub use tags::{
    GivenTags, TAGS_MAX, Tags, given_tags, merged_tags, read_tag, read_tag_name, read_tags,
    tags_in_words, write_tags,
};
pub use then::{StoredUp, then};
