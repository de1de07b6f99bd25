//! What is read from outside, fed with bytes that coverage chooses: one module a target, each with `run` (one input; it
//! panics on a finding) and `seeds` (what to begin with).
//!
//! Called by the programs in `targets/`, which `cargo xtask fuzz` builds and runs. Invariant: whatever the bytes, `run`
//! returns, in bounded time and memory, and what was accepted reads back as itself. Properties of the crates' own tests
//! exercise the same functions on every test run; here the search is longer and led by coverage.
//!
//! It deliberately knows no server: what needs the database or the network is tested in `server/tests`.

pub mod chunk;
pub mod config;
pub mod filter;
pub mod hello;
pub mod input;
pub mod report;
pub mod seeds;
pub mod spool;
pub mod token;
