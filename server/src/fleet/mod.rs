//! Systems, clusters, hosts and nodes: what is known of them now.

pub mod api;
pub mod chart;
pub mod clusters;
pub mod export;
pub mod live;
pub mod overview;
mod search;
pub mod sections;
pub mod service;
pub mod store;
pub mod stream;
pub mod writer;
