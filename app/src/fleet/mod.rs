//! The fleet's screens: overview, list of nodes, a node.

mod annotations;
pub mod api;
mod charts;
pub mod columns;
mod crosshair;
mod detail;
mod list;
mod lists;
mod overview;
mod parts;
pub mod query;
mod range;
pub mod readout;
mod resources;
mod sections;
pub mod view;
mod words;
mod zoom;

#[cfg(feature = "ssr")]
pub use api::FleetPort;
pub use detail::NodePage;
pub use list::NodesListPage;
pub use overview::OverviewPage;
