//! Who talks to whom: connections that hosts tell, matched into links, links over time into edges, and where the map of
//! clusters draws them.
//!
//! Called by `server::topology` with what is live. The invariant: a link exists only where a host told a socket for it;
//! what could be one of two hosts is no link at all,
//! and calls that fail, or go to a silent host, count for links that are known, but make none.

mod connection;
mod edge;
mod gone;
pub mod layout;
mod matching;
#[cfg(test)]
mod tests;

pub use connection::{Flow, HostConnections, Listener, sum_of_rates};
pub use edge::{
    Change, ClusterEdge, Edge, EdgeRules, EdgeState, Step, WidthBy, aggregate, as_of, step, trouble,
};
pub use gone::KnownListeners;
pub use matching::{End, Evidence, HostView, Link, LinkKey, Matches, Peer, Side, match_flows};
