//! The real program against a small server that speaks the real protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its ground gives way"
)]

mod enroll;
mod install;
mod run;
mod support;
mod usage;
