//! The enrollment token: `oce_` and base 32 of (token id, secret, server key's fingerprint).
//!
//! The secret never is a verifier on the server: both sides derive an Ed25519 key from it and the database holds the
//! public half only. Whoever reads the database can therefore not enroll.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::{FINGERPRINT_BYTES, PrivateKey};

/// Bytes of the token's public id on the wire.
pub const TOKEN_ID_BYTES: usize = 10;
/// Bytes of its secret.
pub const TOKEN_SECRET_BYTES: usize = 20;
const PREFIX: &str = "oce_";
const BODY_BYTES: usize = TOKEN_ID_BYTES + TOKEN_SECRET_BYTES + FINGERPRINT_BYTES;

/// A text that is no enrollment token. Never repeats the text: it may hold most of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as one.
    #[error(
        "this is no enrollment token: one begins with oce_ (make one on the page \"Add a node\" or with `operations-center enroll-token create`)"
    )]
    Prefix,
    /// It is an API token.
    #[error("this is an API token (oca_…); enrolling needs an enrollment token (oce_…)")]
    ApiToken,
    /// Part of it is missing or changed.
    #[error(
        "the enrollment token is damaged: {given} characters after oce_, {expected} expected; copy it whole"
    )]
    Damaged {
        /// Characters found.
        given: usize,
        /// Characters of a whole token.
        expected: usize,
    },
}

/// A token as the agent holds it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct EnrollmentToken {
    /// Public id.
    #[zeroize(skip)]
    pub id: [u8; TOKEN_ID_BYTES],
    secret: [u8; TOKEN_SECRET_BYTES],
    /// Which server may see anything derived from the secret.
    #[zeroize(skip)]
    pub server_fingerprint: [u8; FINGERPRINT_BYTES],
}

impl std::fmt::Debug for EnrollmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrollmentToken(secret withheld)")
    }
}

impl EnrollmentToken {
    /// From random bytes that the caller drew.
    pub fn new(
        id: [u8; TOKEN_ID_BYTES],
        secret: [u8; TOKEN_SECRET_BYTES],
        server_fingerprint: [u8; FINGERPRINT_BYTES],
    ) -> Self {
        Self {
            id,
            secret,
            server_fingerprint,
        }
    }

    /// Reads a token as a person pasted it (spaces around it are fine).
    ///
    /// # Errors
    /// Says what is wrong without repeating the token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.starts_with("oca_") {
            return Err(TokenError::ApiToken);
        }
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let damaged = TokenError::Damaged {
            given: body.chars().count(),
            expected: data_encoding::BASE32_NOPAD.encode_len(BODY_BYTES),
        };
        let bytes = data_encoding::BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| damaged.clone())?;
        let bytes: [u8; BODY_BYTES] = bytes.try_into().map_err(|_| damaged)?;
        let (id, rest) = bytes.split_at(TOKEN_ID_BYTES);
        let (secret, fingerprint) = rest.split_at(TOKEN_SECRET_BYTES);
        let mut token = Self {
            id: [0; TOKEN_ID_BYTES],
            secret: [0; TOKEN_SECRET_BYTES],
            server_fingerprint: [0; FINGERPRINT_BYTES],
        };
        token.id.copy_from_slice(id);
        token.secret.copy_from_slice(secret);
        token.server_fingerprint.copy_from_slice(fingerprint);
        Ok(token)
    }

    /// The token as it is handed to a person: the only place where its secret leaves this type.
    pub fn reveal(&self) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.server_fingerprint);
        format!(
            "{PREFIX}{}",
            data_encoding::BASE32_NOPAD
                .encode(&bytes)
                .to_ascii_lowercase()
        )
    }

    /// The key that signs an enrollment: `Ed25519(HKDF-SHA256(secret, salt = id, "opscenter/v1/token-key"))`.
    pub fn key(&self) -> PrivateKey {
        let mut seed = [0u8; 32];
        // 32 bytes are within HKDF's limit of 255 × 32, so expanding cannot fail.
        let expanded = Hkdf::<Sha256>::new(Some(&self.id), &self.secret)
            .expand(b"opscenter/v1/token-key", &mut seed);
        debug_assert!(expanded.is_ok());
        let key = PrivateKey::from_seed(seed);
        seed.zeroize();
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> EnrollmentToken {
        EnrollmentToken::new([1; 10], [2; 20], [3; 16])
    }

    #[test]
    fn a_token_reads_back_whatever_case_and_spaces_it_was_pasted_with() {
        let text = token().reveal();
        assert_eq!(text.len(), 4 + 74);
        for pasted in [text.clone(), format!("  {text}\n")] {
            assert_eq!(EnrollmentToken::parse(&pasted), Ok(token()));
        }
        assert_eq!(
            token().key().public(),
            EnrollmentToken::parse(&text).unwrap().key().public()
        );
    }

    #[test]
    fn what_is_no_token_is_named_without_repeating_it() {
        assert_eq!(EnrollmentToken::parse("oca_abc"), Err(TokenError::ApiToken));
        assert_eq!(EnrollmentToken::parse("hello"), Err(TokenError::Prefix));
        let text = token().reveal();
        let cut = EnrollmentToken::parse(&text[..40]).unwrap_err();
        assert!(!cut.to_string().contains(&text[4..20]), "{cut}");
        assert!(cut.to_string().contains("copy it whole"));
        assert!(!format!("{:?}", token()).contains("2, 2"));
    }
}
