//! Paths, headers and problem codes that agents and the server share.

/// Proof of the server's key.
pub const PATH_SERVER: &str = "/agent/v1/server";
/// Enrollment.
pub const PATH_ENROLL: &str = "/agent/v1/enroll";
/// Begin of a session.
pub const PATH_HELLO: &str = "/agent/v1/hello";
/// Reports.
pub const PATH_REPORT: &str = "/agent/v1/report";

/// On requests: `SESSION.EPOCH.SEQ.MAC`; on answers: `MAC` (base 64 url without padding).
pub const HEADER_AUTH: &str = "oc-auth";
/// Media type of all bodies.
pub const MEDIA_TYPE: &str = "application/cbor";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)+) => {
        /// Machine-readable reason in a problem document's `code`; what an agent decides by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// As on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }

            /// The code with this text, if this version knows it.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Code::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// Hello again, with jitter: the server restarted, or the session is too old.
    SessionUnknown = "session_unknown";
    /// The MAC does not hold: hello again; if it repeats, something between changes bytes.
    MacInvalid = "mac_invalid";
    /// No such agent: enroll again.
    AgentUnknown = "agent_unknown";
    /// An administrator took this identity back.
    AgentRevoked = "agent_revoked";
    /// Two machines use this identity; an administrator decides.
    AgentQuarantined = "agent_quarantined";
    /// The server holds another record under this number: hello with a new epoch.
    SequenceForked = "sequence_forked";
    /// The signature does not hold.
    SignatureInvalid = "signature_invalid";
    /// No such enrollment token.
    TokenUnknown = "token_unknown";
    /// The enrollment token's time is over.
    TokenExpired = "token_expired";
    /// The enrollment token was used as often as it may be.
    TokenUsed = "token_used";
    /// The enrollment token was taken back.
    TokenRevoked = "token_revoked";
    /// The bytes are not the message they should be.
    Malformed = "malformed";
    /// This server speaks other versions.
    ProtocolUnsupported = "protocol_unsupported";
    /// More than the server takes at once: come back after Retry-After.
    Overloaded = "overloaded";
    /// The server cannot write: nothing was acknowledged, come back after Retry-After.
    StorageUnavailable = "storage_unavailable";
    /// The node to replace does not exist or still reports.
    ReplaceRefused = "replace_refused";
}
