//! Signing in, setting up, and how one likes one's pages.

pub mod api;
mod appearance;
mod login;
mod setup;
pub mod view;

#[cfg(feature = "ssr")]
pub use api::AccountPort;
pub use appearance::AppearancePage;
pub use login::LoginPage;
pub use setup::SetupPage;
