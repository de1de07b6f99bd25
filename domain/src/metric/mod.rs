//! Metrics: what is measured, in which unit, to how many decimals; and how samples become series.

pub mod catalogue;
#[cfg(feature = "chunk")]
pub mod chunk;
pub mod fold;
pub mod history;
pub mod pace;
pub mod pack;
pub mod series;

pub use catalogue::{Metric, Unit};
pub use series::{Bucket, Gap, Level, SeriesError, SeriesRequest, Slice, name_time_before};
