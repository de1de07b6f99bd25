//! CBOR in and out, with errors that say which message was wrong.

use minicbor::{Decode, Encode};

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Malformed, truncated, or a field of another type (a float where an integer belongs, for example).
    #[error("{message} is malformed: {detail}")]
    Malformed {
        /// Which message.
        message: &'static str,
        /// Where and why, from the decoder.
        detail: String,
    },
    /// Something follows the message.
    #[error("{message} has {extra} bytes after its end")]
    Trailing {
        /// Which message.
        message: &'static str,
        /// How many.
        extra: usize,
    },
    /// More of something than is accepted.
    #[error("{message}: {what} is {given}, at most {max} are accepted")]
    TooMany {
        /// Which message.
        message: &'static str,
        /// Which field.
        what: &'static str,
        /// How many came.
        given: usize,
        /// How many are accepted.
        max: usize,
    },
    /// A field has an impossible value.
    #[error("{message}: {what}")]
    Invalid {
        /// Which message.
        message: &'static str,
        /// Field, value and the way out.
        what: String,
    },
}

/// Encodes a message.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec cannot fail; an Err would mean a custom encoder refused, and ours never do.
    match minicbor::encode(message, &mut out) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}

/// Decodes a whole message; `name` is what errors call it.
///
/// # Errors
/// When the bytes are no such message, or more than one.
pub fn decode<'b, T: Decode<'b, ()>>(name: &'static str, bytes: &'b [u8]) -> Result<T, WireError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|error| WireError::Malformed {
        message: name,
        detail: error.to_string(),
    })?;
    let extra = bytes.len() - decoder.position();
    if extra == 0 {
        Ok(message)
    } else {
        Err(WireError::Trailing {
            message: name,
            extra,
        })
    }
}
