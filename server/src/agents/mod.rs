//! Agents: their sessions, and how what they send becomes what we know.

pub mod decide;
pub mod ingest;
pub mod news;
pub mod packs;
pub mod routes;
pub mod sessions;
