//! Ed25519 keys and what exactly is signed.
//!
//! Every signature covers a context string and length-prefixed fields, so that bytes signed for one purpose mean
//! nothing for another. Verification is strict (no malleability, no weak keys).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature of {what} does not hold")]
pub struct BadSignature {
    /// What was signed.
    pub what: &'static str,
}

/// What a signature is for. Never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Server to anyone: this is my key.
    ServerProof,
    /// Token holder: I may enroll.
    EnrollToken,
    /// New agent: this is my key.
    EnrollAgent,
    /// Server to a new agent: you are this node.
    EnrollAnswer,
    /// Agent: I begin a session.
    Hello,
    /// Server: so do I.
    HelloAnswer,
}

impl Purpose {
    fn context(self) -> &'static [u8] {
        match self {
            Purpose::ServerProof => b"opscenter/v1/server-proof",
            Purpose::EnrollToken => b"opscenter/v1/enroll-token",
            Purpose::EnrollAgent => b"opscenter/v1/enroll-agent",
            Purpose::EnrollAnswer => b"opscenter/v1/enroll-answer",
            Purpose::Hello => b"opscenter/v1/hello",
            Purpose::HelloAnswer => b"opscenter/v1/hello-answer",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Purpose::ServerProof => "the server's proof",
            Purpose::EnrollToken => "the enrollment token",
            Purpose::EnrollAgent => "the enrolling agent",
            Purpose::EnrollAnswer => "the enrollment answer",
            Purpose::Hello => "the hello",
            Purpose::HelloAnswer => "the hello answer",
        }
    }
}

/// `context, then each field behind its length as u32 big endian`
pub(crate) fn transcript(context: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(context.len() + fields.iter().map(|f| f.len() + 4).sum::<usize>() + 4);
    for field in std::iter::once(&context).chain(fields) {
        out.extend_from_slice(&(field.len() as u32).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

/// SHA-256.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// First 8 bytes of SHA-256: to notice a difference, not to prove anything.
pub fn short_digest(bytes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = digest(bytes);
    [a, b, c, d, e, f, g, h]
}

/// A private key. Debug prints the public half only.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PrivateKey(public {})",
            data_encoding::HEXLOWER.encode(&self.public())
        )
    }
}

impl PrivateKey {
    /// From 32 random bytes, or as stored.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// To be stored, readable by the owner alone.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Public half.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs fields for one purpose.
    pub fn sign(&self, purpose: Purpose, fields: &[&[u8]]) -> [u8; 64] {
        self.0
            .sign(&transcript(purpose.context(), fields))
            .to_bytes()
    }
}

/// Does `signature` by the owner of `public` cover these fields for this purpose?
///
/// # Errors
/// [`BadSignature`] also for a malformed or weak key.
pub fn verify(
    public: &[u8; 32],
    purpose: Purpose,
    fields: &[&[u8]],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    let bad = BadSignature {
        what: purpose.name(),
    };
    let key = VerifyingKey::from_bytes(public).map_err(|_| bad)?;
    key.verify_strict(
        &transcript(purpose.context(), fields),
        &Signature::from_bytes(signature),
    )
    .map_err(|_| bad)
}

/// Length of a key fingerprint.
pub const FINGERPRINT_BYTES: usize = 16;

/// First 16 bytes of SHA-256 of the public key: pinned by tokens.
pub fn fingerprint(public: &[u8; 32]) -> [u8; FINGERPRINT_BYTES] {
    let mut out = [0; FINGERPRINT_BYTES];
    out.copy_from_slice(&digest(public)[..FINGERPRINT_BYTES]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_purpose_fields_and_key_only() {
        let key = PrivateKey::from_seed([7; 32]);
        let signature = key.sign(Purpose::Hello, &[b"ab", b"c"]);
        assert_eq!(
            verify(&key.public(), Purpose::Hello, &[b"ab", b"c"], &signature),
            Ok(())
        );
        for (public, purpose, fields) in [
            (key.public(), Purpose::Hello, [b"a".as_slice(), b"bc"]),
            (key.public(), Purpose::HelloAnswer, [b"ab".as_slice(), b"c"]),
            (
                PrivateKey::from_seed([8; 32]).public(),
                Purpose::Hello,
                [b"ab".as_slice(), b"c"],
            ),
        ] {
            assert!(verify(&public, purpose, &fields, &signature).is_err());
        }
        for at in 0..64 {
            let mut flipped = signature;
            flipped[at] ^= 1;
            assert!(
                verify(&key.public(), Purpose::Hello, &[b"ab", b"c"], &flipped).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn debug_never_shows_the_seed() {
        let key = PrivateKey::from_seed([0xAB; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}
