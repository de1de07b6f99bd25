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
