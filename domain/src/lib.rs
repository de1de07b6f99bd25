//! What the operations center knows and decides.
//!
//! Called by `server`, `app`, `agent` and `simulator`. The invariant: nothing here reads a clock, draws a random
//! number, touches a file or a socket. Time is an argument, so every decision can be replayed and tabled.
//! It deliberately holds no wire messages (`protocol`), no SQL (`server/*/store.rs`) and no HTML (`app`).

pub mod access;
pub mod backup;
pub mod chart;
pub mod connections;
pub mod disk;
pub mod event;
pub mod filter;
pub mod fleet;
pub mod id;
pub mod identity;
pub mod metric;
pub mod text;
pub mod throttle;
pub mod time;
pub mod topology;
