//! Systems, clusters, hosts and nodes: what is known of them now.

pub mod api;
mod asked;
pub mod bulk;
pub mod chart;
pub mod clusters;
pub mod export;
pub mod labels;
pub mod list;
pub mod list_export;
pub mod live;
pub mod markdown;
pub mod overview;
pub mod peers;
mod recent;
pub mod rows;
mod search;
pub mod sections;
pub mod servers;
pub mod service;
pub mod store;
pub mod stream;
pub mod topics;
pub mod turn;
pub mod views;
pub mod writer;
