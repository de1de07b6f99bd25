//! Messages of version 1.

pub mod enroll;
pub mod hello;
pub mod report;
mod samples;
pub mod section;

use minicbor::{Decode, Encode};

/// A message and the signatures over its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Signed {
    /// The message, encoded.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    /// By whom, depends on the message; see [`crate::handshake`].
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
    /// Second signature, where the message has one.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub second_signature: Option<[u8; 64]>,
}
