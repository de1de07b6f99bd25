//! The server's own health: what it measures of itself, how full its disk is, how much it lets in at once, and
//! whether its databases are whole.

pub mod api;
pub mod ballast;
pub mod connections;
pub mod damage;
pub mod disk;
pub mod lanes;
pub mod limits;
pub mod meters;
