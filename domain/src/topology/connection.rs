//! What a host tells of its TCP connections, cleaned.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The connections of one host, aggregated, and who listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostConnections {
    /// Who listens where.
    pub listeners: Vec<Listener>,
    /// By direction, process, addresses and port.
    pub flows: Vec<Flow>,
    /// So many connections are in none of the flows.
    pub left_out: u32,
}

/// A listening socket and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// All zeros for any address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Key of the server it belongs to.
    pub server: Option<String>,
    /// The kernel's name of the process, where it may be seen.
    pub process: Option<String>,
}

/// Connections between one address here and one there, through one listening port, of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Accepted here? Else opened here.
    pub is_incoming: bool,
    /// Key of the server it belongs to.
    pub server: Option<String>,
    /// The kernel's name of the process, where it may be seen.
    pub process: Option<String>,
    /// This host's end.
    pub local: IpAddr,
    /// The other end.
    pub peer: IpAddr,
    /// Of the end that listens: here when incoming, there when outgoing.
    pub port: u16,
    /// Of the end that opened it; there may be more than are told.
    pub client_ports: Vec<u16>,
    /// All connections of the flow.
    pub connections: u32,
    /// Of them without an answer yet, or with retransmissions under way.
    pub failing: u32,
    /// Bytes a second, both ways together; `None` where the host does not tell it.
    pub bytes_per_s: Option<u64>,
}

/// Rates together: the sum of those that are known, `None` when none is.
pub fn sum_of_rates(rates: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    rates.into_iter().flatten().reduce(u64::saturating_add)
}
