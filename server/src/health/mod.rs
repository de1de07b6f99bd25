//! The server's own health: what it measures of itself, how full its disk is, and how much it lets in at once.

pub mod api;
pub mod disk;
pub mod lanes;
pub mod limits;
pub mod meters;
