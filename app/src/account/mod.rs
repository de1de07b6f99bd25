//! Signing in, setting up, and how one likes one's pages.

mod about;
pub mod api;
mod login;
mod profile;
mod setup;
pub mod view;

pub use about::AboutPage;
#[cfg(feature = "ssr")]
pub use api::AccountPort;
pub use login::LoginPage;
pub use profile::ProfilePage;
pub use setup::SetupPage;
