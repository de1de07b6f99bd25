//! The log as a page.

pub mod api;
mod page;
pub mod query;
pub mod view;

#[cfg(feature = "ssr")]
pub use api::EventsPort;
pub use page::{AuditPage, EventsPage};
