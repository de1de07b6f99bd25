//! The arithmetic of charts: ticks, scales, where a line breaks. Drawing is the server's, hovering the browser's.

pub mod range;
pub mod ticks;
