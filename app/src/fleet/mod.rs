//! The fleet's screens: overview, list of nodes, a node.

pub mod api;
mod charts;
mod detail;
mod list;
mod lists;
mod overview;
mod parts;
pub mod query;
mod range;
mod resources;
mod sections;
pub mod view;
mod words;

#[cfg(feature = "ssr")]
pub use api::FleetPort;
pub use detail::NodePage;
pub use list::NodesListPage;
pub use overview::OverviewPage;
