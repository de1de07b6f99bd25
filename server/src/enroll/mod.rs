//! Enrollment tokens: made by people, used once (or as often as allowed) by agents to become a node.

pub mod routes;
pub mod service;
pub mod store;
