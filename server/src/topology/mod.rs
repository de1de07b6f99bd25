//! The map of clusters: who was seen to talk to whom, where boxes stand, and both as a page and for programs.
//!
//! [`service`] looks every few seconds at what hosts told ([`source`]), lets `domain::topology` match it and keeps the
//! edges in memory; [`store`] holds edges and places over a restart; [`model`] sums nodes and edges up by cluster, [`map`]
//! makes a page of it, [`past`] one of what was. It deliberately holds no connection of its own: hosts tell them, and what no host tells is no edge.

pub mod api;
pub mod map;
pub mod model;
pub mod past;
pub mod service;
pub mod source;
pub mod store;
