//! What agents and the server say to each other, byte for byte, and how each side proves who it is.
//!
//! Used by `agent`, `simulator` and `server` alike. Sans I/O: bytes in, bytes out; time, randomness and sockets are the
//! caller's. It deliberately knows nothing of metrics' meanings, of storage or of HTTP libraries.
//!
//! # The conversation
//! 1. `GET /agent/v1/server?nonce=` – the server proves its key ([`handshake::prove_server`]) before anything else.
//! 2. `POST /agent/v1/enroll` – once: the token's derived key and the agent's new key sign the request.
//! 3. `POST /agent/v1/hello` – each process start: signed both ways, gives a session and two MAC keys.
//! 4. `POST /agent/v1/report` – each interval: MAC over the exact bytes, and over those of the answer.
//!
//! # Versioning
//! The path carries the major version. Within it messages are CBOR maps with numbered fields: fields are added, never
//! renumbered or given another meaning; unknown ones are skipped. `tests/golden/v1/` holds messages as they were once
//! sent; files there are added, never edited. A server accepts [`OLDEST_ACCEPTED`]`..=`[`CURRENT`].

pub mod handshake;
pub mod http;
pub mod keys;
pub mod session;
pub mod token;
pub mod v1;
pub mod wire;

/// Version spoken by this build.
pub const CURRENT: u16 = 1;
/// Oldest version this build still understands.
pub const OLDEST_ACCEPTED: u16 = 1;

/// Greatest body of a report, before decoding.
pub const REPORT_BYTES_MAX: usize = 1024 * 1024;
/// Greatest body of an enrollment or hello.
pub const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
/// Records in one report.
pub const RECORDS_MAX: usize = 512;
/// Samples in one record; more are refused by the server with the number, and never sent by our agent.
pub const SAMPLES_MAX: usize = 4096;
/// Bytes of an instance name such as a mount point.
pub const INSTANCE_BYTES_MAX: usize = 255;
/// Life of a session.
pub const SESSION_LIFE_MS: u64 = 24 * 3600 * 1000;
