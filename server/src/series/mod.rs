//! Samples: written once, durable when acknowledged, read back as series.

pub mod api;
pub mod history;
pub mod service;
pub mod store;
pub mod writer;

use domain::metric::Metric;

/// Names one series of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// What is measured.
    pub metric: Metric,
    /// Mount point, device, interface; empty for the host.
    pub instance: String,
}
