//! People and programs: who they are, what they may do, how they prove it.

pub mod open;
pub mod service;
pub mod store;
