//! Enrollment and hello, both sides, as functions from bytes to bytes.
//!
//! Every signature covers the server's public key, so that a request made for one server means nothing to another, and
//! every answer covers the digest of the exact request it answers.

use crate::keys::{self, BadSignature, PrivateKey, Purpose, digest, verify};
use crate::session::SessionKeys;
use crate::token::EnrollmentToken;
use crate::v1::Signed;
use crate::v1::enroll::{EnrollAnswer, EnrollRequest, ServerProof};
use crate::v1::hello::{Hello, HelloAnswer};
use crate::wire::{self, WireError};

/// Why a handshake ended.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// A message was no message.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// A signature does not hold.
    #[error("{0}")]
    Signature(#[from] BadSignature),
    /// The server is not the one that made the token.
    #[error(
        "the server's key {found} is not the one the token was made for ({expected}): wrong address, or somebody in between"
    )]
    WrongServer {
        /// Fingerprint of the key that was proved.
        found: String,
        /// Fingerprint in the token or on disk.
        expected: String,
    },
    /// The other side offered a key that gives no secret.
    #[error("the other side's session key is not usable")]
    WeakKey,
}

/// Server: proves its key over the asker's nonce.
pub fn prove_server(key: &PrivateKey, nonce: &[u8]) -> Vec<u8> {
    let server_key = key.public();
    wire::encode(&ServerProof {
        server_key,
        signature: key.sign(Purpose::ServerProof, &[&server_key, nonce]),
        versions: (crate::OLDEST_ACCEPTED, crate::CURRENT),
    })
}

/// Agent: checks that proof against the fingerprint it trusts; gives the server's public key.
///
/// # Errors
/// Another server, a bad signature, or bytes that are no proof.
pub fn check_server(
    answer: &[u8],
    nonce: &[u8],
    trusted: &[u8; keys::FINGERPRINT_BYTES],
) -> Result<[u8; 32], HandshakeError> {
    let proof: ServerProof = wire::decode("server proof", answer)?;
    let found = keys::fingerprint(&proof.server_key);
    if found != *trusted {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        return Err(HandshakeError::WrongServer {
            found: hex(&found),
            expected: hex(trusted),
        });
    }
    verify(
        &proof.server_key,
        Purpose::ServerProof,
        &[&proof.server_key, nonce],
        &proof.signature,
    )?;
    Ok(proof.server_key)
}

/// Agent: signs an enrollment with the token's key and its own.
pub fn enroll_request(
    token: &EnrollmentToken,
    agent: &PrivateKey,
    server_key: &[u8; 32],
    request: &EnrollRequest,
) -> Vec<u8> {
    let payload = wire::encode(request);
    let signature = token
        .key()
        .sign(Purpose::EnrollToken, &[server_key, &payload]);
    let second_signature = Some(agent.sign(Purpose::EnrollAgent, &[server_key, &payload]));
    wire::encode(&Signed {
        payload,
        signature,
        second_signature,
    })
}

/// Server: opens an enrollment. `token_key` gives the public half stored for a token id.
///
/// # Errors
/// `Ok(Err(request))` when the token is not known; the outer error when bytes or signatures are wrong.
pub fn open_enroll(server_key: &[u8; 32], body: &[u8]) -> Result<UnverifiedEnroll, HandshakeError> {
    let signed: Signed = wire::decode("enrollment", body)?;
    let request: EnrollRequest = wire::decode("enrollment request", &signed.payload)?;
    let second = signed.second_signature.ok_or(BadSignature {
        what: "the enrolling agent",
    })?;
    verify(
        &request.agent_key,
        Purpose::EnrollAgent,
        &[server_key, &signed.payload],
        &second,
    )?;
    Ok(UnverifiedEnroll {
        request,
        payload: signed.payload,
        signature: signed.signature,
        digest: digest(body),
    })
}

/// An enrollment whose agent key holds, before its token was looked up.
#[derive(Debug)]
pub struct UnverifiedEnroll {
    request: EnrollRequest,
    payload: Vec<u8>,
    signature: [u8; 64],
    /// Digest of the whole request, for the answer.
    pub digest: [u8; 32],
}

impl UnverifiedEnroll {
    /// Which token is claimed.
    pub fn token_id(&self) -> [u8; crate::token::TOKEN_ID_BYTES] {
        self.request.token_id
    }

    /// Checks the claim against the token's public key.
    ///
    /// # Errors
    /// The asker does not hold the token's secret.
    pub fn verify(
        self,
        server_key: &[u8; 32],
        token_key: &[u8; 32],
    ) -> Result<EnrollRequest, BadSignature> {
        verify(
            token_key,
            Purpose::EnrollToken,
            &[server_key, &self.payload],
            &self.signature,
        )?;
        Ok(self.request)
    }
}

/// Server: signs the answer to an enrollment.
pub fn enroll_answer(
    key: &PrivateKey,
    request_digest: &[u8; 32],
    answer: &EnrollAnswer,
) -> Vec<u8> {
    sign_answer(
        key,
        Purpose::EnrollAnswer,
        request_digest,
        wire::encode(answer),
    )
}

/// Agent: opens the answer to the enrollment it sent.
///
/// # Errors
/// Not from this server, not to this request, or no answer.
pub fn open_enroll_answer(
    server_key: &[u8; 32],
    request_body: &[u8],
    answer: &[u8],
) -> Result<EnrollAnswer, HandshakeError> {
    let payload = open_answer(server_key, Purpose::EnrollAnswer, request_body, answer)?;
    Ok(wire::decode("enrollment answer", &payload)?)
}

fn sign_answer(
    key: &PrivateKey,
    purpose: Purpose,
    request_digest: &[u8; 32],
    payload: Vec<u8>,
) -> Vec<u8> {
    let signature = key.sign(purpose, &[request_digest, &payload]);
    wire::encode(&Signed {
        payload,
        signature,
        second_signature: None,
    })
}

fn open_answer(
    server_key: &[u8; 32],
    purpose: Purpose,
    request_body: &[u8],
    answer: &[u8],
) -> Result<Vec<u8>, HandshakeError> {
    let signed: Signed = wire::decode("signed answer", answer)?;
    verify(
        server_key,
        purpose,
        &[&digest(request_body), &signed.payload],
        &signed.signature,
    )?;
    Ok(signed.payload)
}

/// Agent: one hello under way.
pub struct HelloSent {
    /// Body to send.
    pub body: Vec<u8>,
    session: [u8; 16],
    secret: x25519_dalek::StaticSecret,
}

/// Agent: signs a hello. `ephemeral_seed` is 32 fresh random bytes; `hello.ephemeral` is filled in here.
pub fn hello_request(
    agent: &PrivateKey,
    server_key: &[u8; 32],
    ephemeral_seed: [u8; 32],
    mut hello: Hello,
) -> HelloSent {
    let secret = x25519_dalek::StaticSecret::from(ephemeral_seed);
    hello.ephemeral = x25519_dalek::PublicKey::from(&secret).to_bytes();
    let session = hello.session;
    let payload = wire::encode(&hello);
    let signature = agent.sign(Purpose::Hello, &[server_key, &payload]);
    HelloSent {
        body: wire::encode(&Signed {
            payload,
            signature,
            second_signature: None,
        }),
        session,
        secret,
    }
}

/// A hello whose signature was not checked yet, because the agent's key must be looked up first.
#[derive(Debug)]
pub struct UnverifiedHello {
    hello: Hello,
    payload: Vec<u8>,
    signature: [u8; 64],
    digest: [u8; 32],
}

/// Server: opens a hello.
///
/// # Errors
/// Bytes that are no hello.
pub fn open_hello(body: &[u8]) -> Result<UnverifiedHello, HandshakeError> {
    let signed: Signed = wire::decode("hello", body)?;
    let hello = wire::decode("hello payload", &signed.payload)?;
    Ok(UnverifiedHello {
        hello,
        payload: signed.payload,
        signature: signed.signature,
        digest: digest(body),
    })
}

/// A hello that is proved to come from its agent.
#[derive(Debug)]
pub struct VerifiedHello {
    /// What it says.
    pub hello: Hello,
    digest: [u8; 32],
}

impl UnverifiedHello {
    /// Who it claims to be.
    pub fn host_id(&self) -> &str {
        &self.hello.host_id
    }

    /// Checks the claim against that agent's key.
    ///
    /// # Errors
    /// It is not that agent.
    pub fn verify(
        self,
        server_key: &[u8; 32],
        agent_key: &[u8; 32],
    ) -> Result<VerifiedHello, BadSignature> {
        verify(
            agent_key,
            Purpose::Hello,
            &[server_key, &self.payload],
            &self.signature,
        )?;
        Ok(VerifiedHello {
            hello: self.hello,
            digest: self.digest,
        })
    }
}

/// Server: answers a hello; gives the body to send and the session's keys. `answer.ephemeral` is filled in here.
///
/// # Errors
/// The agent's ephemeral key gives no secret.
pub fn hello_answer(
    key: &PrivateKey,
    ephemeral_seed: [u8; 32],
    verified: &VerifiedHello,
    mut answer: HelloAnswer,
) -> Result<(Vec<u8>, SessionKeys), HandshakeError> {
    let secret = x25519_dalek::StaticSecret::from(ephemeral_seed);
    answer.ephemeral = x25519_dalek::PublicKey::from(&secret).to_bytes();
    let payload = wire::encode(&answer);
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(verified.hello.ephemeral));
    if !shared.was_contributory() {
        return Err(HandshakeError::WeakKey);
    }
    let keys = SessionKeys::derive(
        verified.hello.session,
        shared.as_bytes(),
        &verified.digest,
        &payload,
    );
    Ok((
        sign_answer(key, Purpose::HelloAnswer, &verified.digest, payload),
        keys,
    ))
}

impl HelloSent {
    /// Agent: opens the answer; gives it and the session's keys.
    ///
    /// # Errors
    /// Not from this server, not to this hello, or no answer.
    pub fn finish(
        self,
        server_key: &[u8; 32],
        answer: &[u8],
    ) -> Result<(HelloAnswer, SessionKeys), HandshakeError> {
        let payload = open_answer(server_key, Purpose::HelloAnswer, &self.body, answer)?;
        let answer: HelloAnswer = wire::decode("hello answer", &payload)?;
        let shared = self
            .secret
            .diffie_hellman(&x25519_dalek::PublicKey::from(answer.ephemeral));
        if !shared.was_contributory() {
            return Err(HandshakeError::WeakKey);
        }
        let keys = SessionKeys::derive(
            self.session,
            shared.as_bytes(),
            &digest(&self.body),
            &payload,
        );
        Ok((answer, keys))
    }
}
