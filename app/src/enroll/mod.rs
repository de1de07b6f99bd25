//! Adding nodes: a token, a command, and the wait for the first report.

mod add;
pub mod api;
mod steps;
pub mod view;

pub use add::AddNodePage;
#[cfg(feature = "ssr")]
pub use api::EnrollPort;
