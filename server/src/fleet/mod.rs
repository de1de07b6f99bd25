//! Systems, clusters, hosts and nodes: what is known of them now.

pub mod api;
pub mod chart;
pub mod clusters;
pub mod export;
pub mod live;
pub mod overview;
pub mod rows;
mod search;
pub mod sections;
pub mod servers;
pub mod service;
pub mod store;
pub mod stream;
pub mod topics;
pub mod writer;
