//! The map: clusters with their nodes, and who calls whom, as a graph, as cells and as tables.

pub mod api;
mod cells;
mod filter;
mod graph;
mod hand;
mod legend;
mod page;
mod panel;
pub mod query;
mod table;
pub mod view;
#[cfg(any(test, feature = "hydrate"))]
mod walk;
mod words;

#[cfg(feature = "ssr")]
pub use api::TopologyPort;
pub use page::{TopologyMapPage, drawing, followed_map};
