//! A fleet of identities in one process that speaks the real protocol over real HTTP to a real server.
//!
//! For `operations-center simulate` (load, and a console to try out) and for tests that kill the server under load. Each
//! identity has keys, numbers, a queue and a connection of its own, as an agent has; only what it measures is invented
//! ([`values`]), the same for the same seed. With a [`scenario`] the identities are an estate: clusters of products that
//! talk to each other, and fail now and then ([`world`], [`traffic`]).
//!
//! The invariant: a record counts as acknowledged only when the authentication code of an answer to a report that held
//! it holds. Everything else stays queued and is sent again. Deliberately not here: settings and printing (the caller's),
//! storage, and any shortcut into the server.

mod agent;
mod book;
mod client;
mod clock;
mod enroll;
mod fleet;
mod latency;
mod link;
mod lists;
pub mod machine;
mod outcome;
pub mod products;
mod queue;
mod random;
pub mod scenario;
mod schedule;
mod sections;
mod state;
pub mod traffic;
pub mod values;
pub mod world;

pub use client::Address;
pub use fleet::{Fleet, Plan, Running, Stopper};
pub use outcome::{AckedRange, AgentOutcome, Outcome, Progress, StartError, Summary};
pub use scenario::Scenario;

/// Identities in one process; beyond, one machine runs out of ports towards one server.
pub const AGENTS_MAX: u32 = 25_000;
/// How long queues may be emptied after the end.
pub const DRAIN_MS: u64 = 30_000;

/// Enrolls what is missing, reports for `duration_ms`, drains.
///
/// # Errors
/// The fleet could not start; see [`StartError`].
pub async fn run(plan: Plan, duration_ms: u64) -> Result<Outcome, StartError> {
    let fleet = Fleet::enroll(plan).await?;
    fleet.start(duration_ms)?.finish().await
}
