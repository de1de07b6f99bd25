//! One session after the other: hello, reports, and what each answer means. When to try again is [`crate::book`]'s.

use protocol::handshake;
use protocol::http::{Code, PATH_HELLO, PATH_REPORT};
use protocol::keys::PrivateKey;
use protocol::session::{RequestHead, SessionKeys};
use protocol::v1::hello::{Hello, HelloAnswer, Suggested};
use protocol::v1::report::{Report, ReportAnswer};
use protocol::wire;

use crate::client::{Answer, Client};
use crate::queue::Batch;
use crate::{clock, random};

/// Who speaks, the same for all sessions of a run.
pub(crate) struct Speaker {
    pub(crate) key: PrivateKey,
    pub(crate) server_key: [u8; 32],
    pub(crate) host_id: String,
    pub(crate) process: [u8; 8],
    pub(crate) boot_id: [u8; 16],
    pub(crate) interval_s: u32,
    /// What its `agent.toml` would say.
    pub(crate) suggested: Option<Suggested>,
}

/// Where an identity says its own record ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) epoch: u32,
    pub(crate) highest_seq: u64,
    pub(crate) acked_seq: u64,
    pub(crate) acked_digest: Option<[u8; 8]>,
    pub(crate) wants_new_epoch: bool,
}

/// What to do next.
pub(crate) enum Work {
    Hello(Claim),
    Report(Batch),
}

/// What came of it.
pub(crate) enum Heard {
    /// A session.
    Session(HelloAnswer),
    /// Everything up to this place, which is no more than was sent, is durable.
    Acked {
        answer: ReportAnswer,
        latency_us: u64,
        sent: usize,
    },
    /// Nothing of that.
    Refused(Refusal),
}

/// Why there is no session or no acknowledgement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody answered, or in no way that can be trusted.
    Later(String),
    /// The server asks for this much patience.
    RetryAfter(u64, String),
    /// The session is gone.
    NoSession(String),
    /// The server holds another record under one of our numbers.
    Forked(String),
    /// An administrator must act: this identity is done.
    Ended(String),
    /// These records will never be taken.
    Unacceptable { sent: usize, words: String },
}

/// A connection, and the session on it.
pub(crate) struct Link {
    client: Client,
    speaker: Speaker,
    keys: Option<SessionKeys>,
}

impl Link {
    pub(crate) fn new(client: Client, speaker: Speaker) -> Self {
        Self {
            client,
            speaker,
            keys: None,
        }
    }

    pub(crate) fn has_session(&self) -> bool {
        self.keys.is_some()
    }

    /// Does the work; forgets the session when the answer says that it is gone.
    pub(crate) async fn exchange(&mut self, work: Work) -> Heard {
        let done = match work {
            Work::Hello(claim) => self.hello(claim).await,
            Work::Report(batch) => self.report(batch).await,
        };
        done.unwrap_or_else(|refusal| {
            if !matches!(refusal, Refusal::Later(_) | Refusal::RetryAfter(..)) {
                self.keys = None;
            }
            Heard::Refused(refusal)
        })
    }

    async fn hello(&mut self, claim: Claim) -> Result<Heard, Refusal> {
        let no_random = |error: crate::StartError| Refusal::Later(error.to_string());
        let sent = handshake::hello_request(
            &self.speaker.key,
            &self.speaker.server_key,
            random::bytes().map_err(no_random)?,
            Hello {
                protocol: protocol::CURRENT,
                host_id: self.speaker.host_id.clone(),
                session: random::bytes().map_err(no_random)?,
                ephemeral: [0; 32],
                process: self.speaker.process,
                epoch: claim.epoch,
                highest_seq: claim.highest_seq,
                acked_seq: claim.acked_seq,
                acked_digest: claim.acked_digest,
                boot_id: self.speaker.boot_id,
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                interval_s: self.speaker.interval_s,
                wall_ms: clock::wall_ms(),
                wants_new_epoch: claim.wants_new_epoch,
                suggested: self.speaker.suggested.clone(),
            },
        );
        let answer = self
            .client
            .post(PATH_HELLO, None, sent.body.clone())
            .await
            .map_err(|error| Refusal::Later(error.to_string()))?;
        if answer.status != 200 {
            return Err(refusal(&answer, false, 0));
        }
        let (hello, keys) = sent
            .finish(&self.speaker.server_key, &answer.body)
            .map_err(|error| Refusal::Later(format!("the hello was not answered: {error}")))?;
        self.keys = Some(keys);
        Ok(Heard::Session(hello))
    }

    async fn report(&mut self, batch: Batch) -> Result<Heard, Refusal> {
        let keys = self
            .keys
            .as_ref()
            .ok_or_else(|| Refusal::NoSession("no session yet".to_owned()))?;
        let (epoch, seq, sent) = (batch.epoch, batch.seq, batch.records.len());
        let body = wire::encode(&Report {
            sent_boot_ms: clock::boot_ms(),
            sent_wall_ms: clock::wall_ms(),
            records: batch.records,
            earlier_boots: None,
        });
        let head = RequestHead {
            method: "POST",
            path: PATH_REPORT,
            epoch,
            seq,
            encoding: "",
        };
        let auth = keys.seal_request(head, &body);
        let began_us = clock::boot_us();
        let answer = self
            .client
            .post(PATH_REPORT, Some(&auth.format()), body)
            .await
            .map_err(|error| Refusal::Later(error.to_string()))?;
        let is_proved = answer.auth.as_deref().is_some_and(|header| {
            keys.open_answer(answer.status, &auth.mac, &answer.body, header)
                .is_ok()
        });
        if answer.status != 200 {
            return Err(refusal(&answer, is_proved, sent));
        }
        if !is_proved {
            return Err(Refusal::NoSession(
                "an acknowledgement without a valid authentication code was ignored".to_owned(),
            ));
        }
        let latency_us = clock::boot_us().saturating_sub(began_us);
        let mut answer: ReportAnswer = wire::decode("report answer", &answer.body)
            .map_err(|error| Refusal::Later(error.to_string()))?;
        if (answer.acked_epoch, answer.acked_seq) > (epoch, seq) {
            (answer.acked_epoch, answer.acked_seq) = (epoch, seq);
        }
        Ok(Heard::Acked {
            answer,
            latency_us,
            sent,
        })
    }
}

fn refusal(answer: &Answer, is_proved: bool, sent: usize) -> Refusal {
    let (code, words) = answer.problem();
    match code {
        Some(Code::SessionUnknown | Code::MacInvalid) => return Refusal::NoSession(words),
        Some(Code::SequenceForked) => return Refusal::Forked(words),
        Some(
            Code::AgentRevoked
            | Code::AgentQuarantined
            | Code::AgentUnknown
            | Code::ProtocolUnsupported,
        ) => return Refusal::Ended(words),
        Some(
            Code::SignatureInvalid
            | Code::Malformed
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
        // Only the server may say so: what lies in between must not make us drop anything.
        (400 | 413 | 422, _) if is_proved => Refusal::Unacceptable { sent, words },
        (_, Some(wait_ms)) => Refusal::RetryAfter(wait_ms, words),
        _ => Refusal::Later(words),
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
