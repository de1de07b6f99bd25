//! Sections: lists about a host that change now and then. Each is sent when its bytes are news to the server.
//!
//! A server that does not know a kind keeps its bytes and shows nothing. What the lists mean is `domain::fleet`'s.

use minicbor::{Decode, Encode};

/// Sections in one record.
pub const SECTIONS_MAX: usize = 16;
/// Greatest body of a section.
pub const SECTION_BYTES_MAX: usize = 128 * 1024;

/// [`Processes`].
pub const KIND_PROCESSES: u16 = 1;
/// [`Units`].
pub const KIND_UNITS: u16 = 2;
/// [`Sockets`].
pub const KIND_SOCKETS: u16 = 3;
/// [`Certificates`].
pub const KIND_CERTIFICATES: u16 = 4;
/// [`Servers`].
pub const KIND_SERVERS: u16 = 5;
/// [`Connections`].
pub const KIND_CONNECTIONS: u16 = 6;

/// Client ports of one [`Flow`] that are told.
pub const FLOW_PORTS_MAX: usize = 256;

/// A section in its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Section {
    /// Which list.
    #[n(0)]
    pub kind: u16,
    /// The list, encoded.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// What the server holds of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HeldSection {
    /// Which list.
    #[n(0)]
    pub kind: u16,
    /// Short digest of its bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub digest: [u8; 8],
}

/// The processes that use most of the processors and of the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Processes {
    /// Span over which processor time was counted.
    #[n(0)]
    pub over_ms: u64,
    /// Busiest first.
    #[n(1)]
    pub processes: Vec<Process>,
}

/// A process. Its command line is deliberately not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Process {
    /// Process id.
    #[n(0)]
    pub pid: u32,
    /// The kernel's name of it, at most 15 bytes.
    #[n(1)]
    pub name: String,
    /// Processor time per time in thousandths: 1000 is one whole processor.
    #[n(2)]
    pub cpu_milli: u32,
    /// Resident memory.
    #[n(3)]
    pub rss_bytes: u64,
}

/// The services of the service manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Units {
    /// By name.
    #[n(0)]
    pub units: Vec<Unit>,
    /// So many more exist than are listed.
    #[n(1)]
    pub left_out: u32,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Unit {
    /// Such as `ssh.service`.
    #[n(0)]
    pub name: String,
    /// `active`, `inactive`, `failed`, `activating` …
    #[n(1)]
    pub active: String,
    /// `running`, `exited`, `dead` …
    #[n(2)]
    pub sub: String,
    /// How often it was restarted by itself.
    #[n(3)]
    pub restarts: Option<u32>,
    /// In words.
    #[n(4)]
    pub description: Option<String>,
}

/// TCP sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Sockets {
    /// Where somebody listens, by port.
    #[n(0)]
    pub listeners: Vec<Listener>,
    /// So many more exist than are listed.
    #[n(1)]
    pub left_out: u32,
    /// (state as the kernel numbers it, count), where there are any; without those that listen.
    #[n(2)]
    pub states: Vec<(u8, u32)>,
}

/// An address and port at which TCP connections are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Listener {
    /// Such as `0.0.0.0`, `::1`.
    #[n(0)]
    pub address: String,
    /// Port.
    #[n(1)]
    pub port: u16,
}

/// Certificates that services of this host show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificates {
    /// By port.
    #[n(0)]
    pub certificates: Vec<Certificate>,
}

/// A certificate at a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// Port.
    #[n(0)]
    pub port: u16,
    /// Common name of its subject; empty where it has none.
    #[n(1)]
    pub subject: String,
    /// Common name of its issuer; empty where it has none.
    #[n(2)]
    pub issuer: String,
    /// End of its validity, seconds since 1970 UTC.
    #[n(3)]
    pub not_after_s: i64,
}

/// The servers that the host's product packs found on it. Hash-gated, so nothing in it may change with each look: what
/// is measured of a server travels as samples whose instance is its [`Server::key`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Servers {
    /// By key.
    #[n(0)]
    pub servers: Vec<Server>,
    /// So many more exist than are listed.
    #[n(1)]
    pub left_out: u32,
    /// Packs that are not in force, each with the file, the line and the reason.
    #[n(2)]
    pub refused_packs: Vec<String>,
}

/// One server instance: what a pack's pattern matched, running or known to be stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Server {
    /// Tells it apart on this host and stays the same over restarts: `PACK:HOME`, `PACK:HOME:OFFSET` or `PACK:UNIT`.
    #[n(0)]
    pub key: String,
    /// Name of the pack that found it; the node's kind.
    #[n(1)]
    pub pack: String,
    /// For people, such as the last part of its home or its unit.
    #[n(2)]
    pub name: String,
    /// Such as `Apache Tomcat`.
    #[n(3)]
    pub product: Option<String>,
    /// As its version file tells it.
    #[n(4)]
    pub version: Option<String>,
    /// Folder it runs from.
    #[n(5)]
    pub home: Option<String>,
    /// Service that it is the main process of.
    #[n(6)]
    pub unit: Option<String>,
    /// Added to all its ports (Carbon).
    #[n(7)]
    pub port_offset: Option<u32>,
    /// Main process while it runs.
    #[n(8)]
    pub pid: Option<u32>,
    /// When that process began, seconds since 1970 by the host's clock.
    #[n(9)]
    pub started_at_s: Option<i64>,
    /// Where its processes listen, ascending.
    #[n(10)]
    pub ports: Vec<u16>,
    /// Cluster that its own configuration names; only a suggestion.
    #[n(11)]
    pub cluster: Option<String>,
    /// Role that its own configuration names; only a suggestion.
    #[n(12)]
    pub role: Option<String>,
    /// Sub-domain of its cluster (Carbon).
    #[n(13)]
    pub sub_domain: Option<String>,
    /// Where its own console is.
    #[n(14)]
    pub console_url: Option<String>,
    /// 1 running, 2 stopped in good order, 3 failed, 4 gone: was found before and has no process now.
    #[n(15)]
    pub state: u8,
    /// What its health probe last said; absent when its pack has none.
    #[n(16)]
    pub probe: Option<Probe>,
    /// How often its service was restarted by itself.
    #[n(17)]
    pub restarts: Option<u32>,
}

/// What a health probe said; how long it took is a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Probe {
    /// What was asked.
    #[n(0)]
    pub url: String,
    /// Answered as it should?
    #[n(1)]
    pub is_up: bool,
    /// HTTP status, when there was an answer.
    #[n(2)]
    pub code: Option<u16>,
    /// Why it is not up: `refused`, `timeout`, `status`, `body` …
    #[n(3)]
    pub reason: Option<String>,
}

/// TCP connections of this host, aggregated, and who listens. Ports of both ends are told so that the server can match
/// the two halves of a connection without trusting addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Connections {
    /// Who listens where.
    #[n(0)]
    pub listeners: Vec<BoundListener>,
    /// By direction, server, process, addresses and port.
    #[n(1)]
    pub flows: Vec<Flow>,
    /// So many connections are in none of the flows.
    #[n(2)]
    pub left_out: u32,
}

/// A listening socket and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BoundListener {
    /// 4 or 16 bytes; all zeros for any address.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub address: Vec<u8>,
    /// Port.
    #[n(1)]
    pub port: u16,
    /// [`Server::key`], when it is one's.
    #[n(2)]
    pub server: Option<String>,
    /// The kernel's name of the process, where it may be seen.
    #[n(3)]
    pub process: Option<String>,
}

/// Connections between one address here and one there, through one listening port, of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Flow {
    /// Accepted here? Else opened here.
    #[n(0)]
    pub is_incoming: bool,
    /// [`Server::key`], when it is one's.
    #[n(1)]
    pub server: Option<String>,
    /// The kernel's name of the process, where it may be seen.
    #[n(2)]
    pub process: Option<String>,
    /// 4 or 16 bytes, this host's end. IPv4 in IPv6 is told as IPv4.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub local: Vec<u8>,
    /// 4 or 16 bytes, the other end.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub peer: Vec<u8>,
    /// Of the end that listens: here when incoming, there when outgoing.
    #[n(5)]
    pub port: u16,
    /// Of the end that opened it, ascending, at most [`FLOW_PORTS_MAX`].
    #[n(6)]
    pub client_ports: Vec<u16>,
    /// All connections of the flow, those that just closed (TIME_WAIT) included.
    #[n(7)]
    pub connections: u32,
    /// Of them without an answer yet (SYN_SENT), or with retransmissions under way.
    #[n(8)]
    pub failing: u32,
    /// Bytes a second since the look before, sent and received together, of those sockets whose are known; not told at the
    /// first look, nor by older agents.
    #[n(9)]
    pub bytes_per_s: Option<u64>,
}
