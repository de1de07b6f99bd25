//! Who is asking: cookies, tokens, the gate before every route, and signing in.

pub mod cookie;
pub mod gate;
mod kiosk;
pub mod login;
pub mod origin;
pub mod setup;
pub mod throttle;
