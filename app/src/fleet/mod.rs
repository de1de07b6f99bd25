//! The fleet's screens: overview, list of nodes, a node, the wallboard; and the pieces that other areas show, too.

mod annotations;
pub mod api;
mod awake;
mod bulk;
mod charts;
pub mod columns;
mod crosshair;
mod detail;
pub mod filter;
mod inbox;
mod labels;
mod list;
mod lists;
mod overview;
mod parts;
pub mod peers;
mod place;
pub mod query;
mod range;
pub mod readout;
mod resources;
mod sections;
mod server;
pub mod view;
mod wall;
mod words;
mod zoom;

#[cfg(feature = "ssr")]
pub use api::FleetPort;
pub use bulk::BulkPage;
pub use charts::charts_without_files;
pub use crosshair::{ChartsOf, Crosshair};
pub use detail::NodePage;
pub use inbox::InboxPage;
pub use labels::{notes, tags};
pub use list::NodesListPage;
pub use overview::{OverviewPage, SystemPage};
pub use parts::{actor, cells, changes, node_link, object, reported};
pub use range::{range_picker, typed_into};
pub use wall::WallPage;
pub use words::badge_words;
