//! The clusters' screens: list, and a cluster with its tabs.

pub mod api;
mod detail;
mod heatmap;
mod list;
mod parts;
pub mod query;
mod settings;
mod tabs;
pub mod view;

#[cfg(feature = "ssr")]
pub use api::ClustersPort;
pub use detail::ClusterPage;
pub use list::ClustersListPage;
pub use settings::ClusterSettingsPage;
pub use tabs::{ClusterEventsPage, ClusterNodesPage};
