//! Clusters as things of their own: what is declared about them, what their nodes add up to, their charts.
//!
//! Everything is made from rows of nodes that count (`fleet::service::rows`); only what people declared is stored.

pub mod api;
pub mod charts;
pub mod export;
mod filter;
pub mod service;
pub mod store;
pub(crate) mod summary;
mod targets;

pub use summary::{Roster, is_seen, silences};
