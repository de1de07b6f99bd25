//! One session after the other: hello, reports, and what each answer means.
//!
//! The invariant: nothing is taken for acknowledged unless the answer's authentication code holds. Deciding when to try
//! again is [`crate::run`]'s.

use domain::text::clean_label;
use protocol::handshake::{self, HandshakeError};
use protocol::http::{Code, PATH_HELLO, PATH_REPORT};
use protocol::keys::PrivateKey;
use protocol::session::{RequestHead, SessionKeys};
use protocol::v1::hello::{Hello, HelloAnswer, Suggested};
use protocol::v1::report::{Report, ReportAnswer};
use protocol::wire;

use crate::client::{Answer, Client};
use crate::exit::Failure;
use crate::identity::Cursor;
use crate::spool::Batch;
use crate::{clock, random};

/// What this process is, the same for all of its sessions.
#[derive(Debug)]
pub struct Speaker {
    /// The agent's key.
    pub key: PrivateKey,
    /// The server's public key, as enrolled.
    pub server_key: [u8; 32],
    /// Who.
    pub host_id: String,
    /// Random name of this process.
    pub process: [u8; 8],
    /// Kernel boot id.
    pub boot_id: [u8; 16],
}

/// Why there is no session or no acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody answered, or in no way that can be trusted: try again later.
    Later(String),
    /// The server asks for this much patience.
    RetryAfter(u64, String),
    /// The session is gone: hello again.
    NoSession(String),
    /// The server holds another record under one of our numbers.
    Forked(String),
    /// An administrator must act.
    NeedsPerson(String),
    /// These records will never be taken. `is_proved`: the answer's authentication code holds.
    Unacceptable {
        /// Is it the server that says so?
        is_proved: bool,
        /// Its words.
        words: String,
    },
}

/// An answer that refuses, as it is told to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// HTTP status.
    pub status: u16,
    /// The protocol's word for it; none where something else than our server answered.
    pub code: Option<Code>,
    /// Its words.
    pub words: String,
}

/// No session or no acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it means.
    pub refusal: Refusal,
    /// The answer that said so, where one did.
    pub told: Option<Told>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            told: None,
        }
    }
}

impl Refused {
    fn by(answer: &Answer, is_proved: bool) -> Self {
        let (code, words) = answer.problem();
        Self {
            refusal: refusal(answer, is_proved),
            told: Some(Told {
                status: answer.status,
                code,
                words,
            }),
        }
    }
}

/// A session.
#[derive(Debug)]
pub struct Session {
    keys: SessionKeys,
}

impl Session {
    /// Says hello.
    ///
    /// # Errors
    /// No session, and why.
    pub fn open(
        client: &Client,
        speaker: &Speaker,
        cursor: &Cursor,
        wants_new_epoch: bool,
        interval_ms: u64,
        suggested: Option<&Suggested>,
    ) -> Result<(Self, HelloAnswer), Refused> {
        let no_random = |failure: Failure| Refused::from(Refusal::Later(failure.message));
        let sent = handshake::hello_request(
            &speaker.key,
            &speaker.server_key,
            random::bytes().map_err(no_random)?,
            Hello {
                protocol: protocol::CURRENT,
                host_id: speaker.host_id.clone(),
                session: random::bytes().map_err(no_random)?,
                ephemeral: [0; 32],
                process: speaker.process,
                epoch: cursor.epoch,
                highest_seq: cursor.seq,
                acked_seq: cursor.acked_seq,
                acked_digest: cursor.acked_digest,
                boot_id: speaker.boot_id,
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                interval_s: u32::try_from(interval_ms / 1000).unwrap_or(u32::MAX),
                wall_ms: clock::wall_ms(),
                wants_new_epoch,
                suggested: suggested.cloned(),
            },
        );
        let answer = client
            .post(PATH_HELLO, None, &sent.body)
            .map_err(|error| Refused::from(Refusal::Later(error.to_string())))?;
        if answer.status != 200 {
            return Err(Refused::by(&answer, false));
        }
        match sent.finish(&speaker.server_key, &answer.body) {
            Ok((hello, keys)) => Ok((Self { keys }, hello)),
            Err(error) => Err(Refused::from(Refusal::Later(match error {
                HandshakeError::Signature(_) => format!(
                    "the hello was answered by a server that does not hold the key this agent enrolled with (fingerprint {}): wrong address, a server that lost its data, or somebody in between",
                    data_encoding::HEXLOWER
                        .encode(&protocol::keys::fingerprint(&speaker.server_key))
                ),
                other => format!("the hello was not answered as expected: {other}"),
            }))),
        }
    }

    /// Sends records; gives the server's answer only when its authentication code holds.
    ///
    /// # Errors
    /// No acknowledgement, and why.
    pub fn report(&self, client: &Client, batch: Batch) -> Result<ReportAnswer, Refused> {
        let (epoch, seq) = (batch.epoch, batch.seq);
        let body = wire::encode(&Report {
            sent_boot_ms: clock::boot_ms(),
            sent_wall_ms: clock::wall_ms(),
            records: batch.records,
            earlier_boots: (!batch.earlier_boots.is_empty()).then_some(batch.earlier_boots),
        });
        let head = RequestHead {
            method: "POST",
            path: PATH_REPORT,
            epoch,
            seq,
            encoding: "",
        };
        let auth = self.keys.seal_request(head, &body);
        let answer = client
            .post(PATH_REPORT, Some(&auth.format()), &body)
            .map_err(|error| Refused::from(Refusal::Later(error.to_string())))?;
        let is_proved = answer.auth.as_deref().is_some_and(|header| {
            self.keys
                .open_answer(answer.status, &auth.mac, &answer.body, header)
                .is_ok()
        });
        if answer.status != 200 {
            return Err(Refused::by(&answer, is_proved));
        }
        if !is_proved {
            return Err(Refused::from(Refusal::NoSession(
                "an acknowledgement without a valid authentication code was ignored: something between here and the server answers in its place"
                    .to_owned(),
            )));
        }
        let mut told: ReportAnswer = wire::decode("report answer", &answer.body)
            .map_err(|error| Refused::from(Refusal::Later(error.to_string())))?;
        if (told.acked_epoch, told.acked_seq) > (epoch, seq) {
            // Never more than was sent.
            (told.acked_epoch, told.acked_seq) = (epoch, seq);
        }
        for note in &mut told.notes {
            *note = clean_label(note);
        }
        Ok(told)
    }
}

fn refusal(answer: &Answer, is_proved: bool) -> Refusal {
    let (code, words) = answer.problem();
    match code {
        Some(Code::SessionUnknown | Code::MacInvalid) => return Refusal::NoSession(words),
        Some(Code::SequenceForked) => return Refusal::Forked(words),
        Some(
            Code::AgentRevoked
            | Code::AgentQuarantined
            | Code::AgentUnknown
            | Code::SignatureInvalid
            | Code::ProtocolUnsupported,
        ) => return Refusal::NeedsPerson(words),
        Some(
            Code::Malformed
            | Code::Overloaded
            | Code::StorageUnavailable
            | Code::TokenUnknown
            | Code::TokenExpired
            | Code::TokenUsed
            | Code::TokenRevoked
            | Code::ReplaceRefused,
        )
        | None => {}
    }
    match (answer.status, answer.retry_after_ms) {
        (401, _) => Refusal::NoSession(words),
        (400 | 413 | 422, _) => Refusal::Unacceptable { is_proved, words },
        (_, Some(wait_ms)) => Refusal::RetryAfter(wait_ms, words),
        _ => Refusal::Later(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            auth: None,
            retry_after_ms: (status == 503).then_some(2_000),
            date: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn each_answer_means_one_thing() {
        let case = |status, body: &str| refusal(&answer(status, body), false);
        assert!(matches!(
            case(401, r#"{"code":"session_unknown"}"#),
            Refusal::NoSession(_)
        ));
        assert!(matches!(
            case(401, r#"{"code":"mac_invalid"}"#),
            Refusal::NoSession(_)
        ));
        assert!(matches!(
            case(403, r#"{"code":"agent_revoked"}"#),
            Refusal::NeedsPerson(_)
        ));
        assert!(matches!(
            case(401, r#"{"code":"agent_unknown"}"#),
            Refusal::NeedsPerson(_)
        ));
        assert!(matches!(
            case(409, r#"{"code":"sequence_forked"}"#),
            Refusal::Forked(_)
        ));
        assert!(matches!(
            case(503, r#"{"code":"storage_unavailable"}"#),
            Refusal::RetryAfter(2_000, _)
        ));
        assert!(matches!(
            case(413, "<html>"),
            Refusal::Unacceptable {
                is_proved: false,
                ..
            }
        ));
        assert!(matches!(case(502, "<html>"), Refusal::Later(_)));
        assert!(matches!(case(404, ""), Refusal::Later(_)));
    }
}
