//! Typed identifiers, so that a node is never asked for by a host's id.
//!
//! Public ids are strings: a one-letter kind, then 16 characters of lower-case Crockford base 32 (80 random bits drawn
//! by the shell). They carry no meaning and never change; names and host names are labels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Random bytes behind one public id.
pub const ID_BYTES: usize = 10;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 16;

/// An id that cannot be one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{value}` is not a {kind} id: expected `{prefix}` and 16 characters of 0-9, a-z without i, l, o, u"
)]
pub struct IdError {
    /// What was asked for, such as `node`.
    pub kind: &'static str,
    /// The letter that ids of this kind begin with.
    pub prefix: char,
    /// What was given, shortened to 64 characters.
    pub value: String,
}

fn encode(prefix: char, random: [u8; ID_BYTES]) -> String {
    let mut bits: u128 = 0;
    for byte in random {
        bits = (bits << 8) | u128::from(byte);
    }
    let mut out = String::with_capacity(ENCODED_LEN + 1);
    out.push(prefix);
    for position in (0..ENCODED_LEN).rev() {
        let index = ((bits >> (position * 5)) & 31) as usize;
        out.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
    }
    out
}

fn check(kind: &'static str, prefix: char, text: &str) -> Result<(), IdError> {
    let body = text.strip_prefix(prefix);
    let fits = body.is_some_and(|body| {
        body.len() == ENCODED_LEN && body.bytes().all(|b| ALPHABET.contains(&b))
    });
    if fits {
        Ok(())
    } else {
        Err(IdError {
            kind,
            prefix,
            value: text.chars().take(64).collect(),
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes an id from random bytes that the caller drew.
            pub fn from_random(random: [u8; ID_BYTES]) -> Self {
                Self(encode($prefix, random))
            }

            /// Reads an id that came from outside.
            ///
            /// # Errors
            /// When the text is not an id of this kind.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check($kind, $prefix, text).map(|()| Self(text.to_owned()))
            }

            /// The id as people and programs write it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check($kind, $prefix, &text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id!(
    /// A server instance, or the host itself as a node of kind `host`.
    NodeId, "node", 'n'
);
id!(
    /// A machine with one agent; also the agent's identity.
    HostId, "host", 'h'
);
id!(
    /// An enrollment token (its public part).
    TokenId, "enrollment token", 'e'
);
id!(
    /// An API token (its public part).
    ApiTokenId, "API token", 'a'
);
id!(
    /// A person who may sign in.
    UserId, "user", 'u'
);
id!(
    /// A saved view of a list.
    ViewId, "view", 'v'
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        for random in [
            [0; ID_BYTES],
            [255; ID_BYTES],
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        ] {
            let id = NodeId::from_random(random);
            assert_eq!(NodeId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn different_bytes_give_different_ids() {
        let mut random = [7; ID_BYTES];
        let first = NodeId::from_random(random);
        random[9] ^= 1;
        assert_ne!(first, NodeId::from_random(random));
    }

    #[test]
    fn a_host_id_is_no_node_id_and_the_error_says_what_was_expected() {
        let host = HostId::from_random([9; ID_BYTES]);
        let error = NodeId::parse(host.as_str()).unwrap_err();
        assert!(
            error.to_string().contains("is not a node id: expected `n`"),
            "{error}"
        );
        assert!(NodeId::parse("n<script>alert(1)").is_err());
        assert!(NodeId::parse("").is_err());
    }
}
