//! Systems, clusters, hosts and nodes: what is known of them now.

pub mod api;
pub mod chart;
pub mod export;
pub mod list;
pub mod list_export;
pub mod live;
mod recent;
mod search;
pub mod sections;
pub mod service;
pub mod store;
pub mod stream;
pub mod views;
pub mod writer;
