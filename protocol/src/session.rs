//! Session keys and the MAC over reports and their answers.
//!
//! `keys = HKDF-SHA256(X25519 secret, salt = digest of the hello, info = direction || digest of the answer)`. The MAC is
//! HMAC-SHA256 over length-prefixed fields: direction, method, path, session, epoch, seq, encoding, the exact body
//! bytes; an answer also covers its status and the MAC of the request it answers, so that no acknowledgement can be
//! moved to another report.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::{digest, transcript};

/// Length of a MAC.
pub const MAC_BYTES: usize = 32;

/// An authenticated head that is missing, malformed or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such header.
    #[error("the oc-auth header is missing")]
    Missing,
    /// Not of its form.
    #[error("the oc-auth header is not SESSION.EPOCH.SEQ.MAC")]
    Malformed,
    /// The MAC does not hold.
    #[error("the message authentication code does not hold")]
    Mac,
}

/// Keys of one session, one a direction.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    #[zeroize(skip)]
    session: [u8; 16],
    to_server: [u8; 32],
    to_agent: [u8; 32],
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeys(withheld)")
    }
}

/// What a request's MAC covers besides the body.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// `POST`
    pub method: &'a str,
    /// Such as `/agent/v1/report`.
    pub path: &'a str,
    /// Epoch of the last record.
    pub epoch: u32,
    /// Number of the last record.
    pub seq: u64,
    /// `content-encoding`, empty for none.
    pub encoding: &'a str,
}

/// The `oc-auth` header of a request, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthHeader {
    /// Which session.
    pub session: [u8; 16],
    /// Epoch of the last record.
    pub epoch: u32,
    /// Number of the last record.
    pub seq: u64,
    /// The MAC.
    pub mac: [u8; MAC_BYTES],
}

impl AuthHeader {
    /// Reads the header.
    ///
    /// # Errors
    /// [`AuthError::Malformed`]
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let mut parts = text.split('.');
        let (Some(session), Some(epoch), Some(seq), Some(mac), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(AuthError::Malformed);
        };
        Ok(Self {
            session: from_base64(session)?,
            epoch: epoch.parse().map_err(|_| AuthError::Malformed)?,
            seq: seq.parse().map_err(|_| AuthError::Malformed)?,
            mac: from_base64(mac)?,
        })
    }

    /// Writes the header.
    pub fn format(&self) -> String {
        format!(
            "{}.{}.{}.{}",
            to_base64(&self.session),
            self.epoch,
            self.seq,
            to_base64(&self.mac)
        )
    }
}

/// Base 64 url without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

/// The reverse, of an exact length.
///
/// # Errors
/// [`AuthError::Malformed`]
pub fn from_base64<const N: usize>(text: &str) -> Result<[u8; N], AuthError> {
    let bytes = data_encoding::BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| AuthError::Malformed)?;
    bytes.try_into().map_err(|_| AuthError::Malformed)
}

impl SessionKeys {
    pub(crate) fn derive(
        session: [u8; 16],
        shared: &[u8; 32],
        hello_digest: &[u8; 32],
        answer_payload: &[u8],
    ) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(hello_digest), shared);
        let answer_digest = digest(answer_payload);
        let expand = |direction: &[u8]| {
            let mut key = [0u8; 32];
            // 32 bytes are within HKDF's limit, so expanding cannot fail.
            let expanded = hkdf.expand(
                &transcript(direction, &[&answer_digest, &session]),
                &mut key,
            );
            debug_assert!(expanded.is_ok());
            key
        };
        Self {
            session,
            to_server: expand(b"opscenter/v1/to-server"),
            to_agent: expand(b"opscenter/v1/to-agent"),
        }
    }

    /// Name of the session.
    pub fn session(&self) -> [u8; 16] {
        self.session
    }

    /// Agent: the header that authenticates a request.
    pub fn seal_request(&self, head: RequestHead<'_>, body: &[u8]) -> AuthHeader {
        let mac = self.request_mac(head, body).finalize().into_bytes().into();
        AuthHeader {
            session: self.session,
            epoch: head.epoch,
            seq: head.seq,
            mac,
        }
    }

    /// Server: does the MAC hold (in constant time)?
    ///
    /// # Errors
    /// [`AuthError::Mac`]
    pub fn open_request(
        &self,
        head: RequestHead<'_>,
        body: &[u8],
        mac: &[u8; MAC_BYTES],
    ) -> Result<(), AuthError> {
        self.request_mac(head, body)
            .verify_slice(mac)
            .map_err(|_| AuthError::Mac)
    }

    /// Server: the header value that authenticates an answer.
    pub fn seal_answer(&self, status: u16, request_mac: &[u8; MAC_BYTES], body: &[u8]) -> String {
        to_base64(
            &self
                .answer_mac(status, request_mac, body)
                .finalize()
                .into_bytes(),
        )
    }

    /// Agent: does the answer's MAC hold (in constant time)?
    ///
    /// # Errors
    /// [`AuthError::Mac`], also for a malformed header.
    pub fn open_answer(
        &self,
        status: u16,
        request_mac: &[u8; MAC_BYTES],
        body: &[u8],
        header: &str,
    ) -> Result<(), AuthError> {
        let mac: [u8; MAC_BYTES] = from_base64(header)?;
        self.answer_mac(status, request_mac, body)
            .verify_slice(&mac)
            .map_err(|_| AuthError::Mac)
    }

    fn request_mac(&self, head: RequestHead<'_>, body: &[u8]) -> Hmac<Sha256> {
        let fields: [&[u8]; 7] = [
            head.method.as_bytes(),
            head.path.as_bytes(),
            &self.session,
            &head.epoch.to_be_bytes(),
            &head.seq.to_be_bytes(),
            head.encoding.as_bytes(),
            body,
        ];
        keyed(&self.to_server, b"opscenter/v1/request", &fields)
    }

    fn answer_mac(&self, status: u16, request_mac: &[u8; MAC_BYTES], body: &[u8]) -> Hmac<Sha256> {
        keyed(
            &self.to_agent,
            b"opscenter/v1/answer",
            &[&status.to_be_bytes(), request_mac, body],
        )
    }
}

/// HMAC over `context` and `fields`, each behind its length.
fn keyed(key: &[u8; 32], context: &[u8], fields: &[&[u8]]) -> Hmac<Sha256> {
    // A key shorter than the hash's block of 64 bytes is padded with zeros, as RFC 2104 says.
    let mut block = [0u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    block.zeroize();
    for field in std::iter::once(&context).chain(fields) {
        mac.update(&(field.len() as u32).to_be_bytes());
        mac.update(field);
    }
    mac
}
