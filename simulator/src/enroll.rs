//! From a token to identities: the server proves its key first, then every identity enrolls with its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::handshake::{self, HandshakeError};
use protocol::http::{Code, PATH_ENROLL, PATH_SERVER};
use protocol::keys::{FINGERPRINT_BYTES, PrivateKey};
use protocol::session::to_base64;
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::EnrollRequest;
use tokio::task::JoinSet;

use crate::client::{Address, Answer, Client};
use crate::outcome::StartError;
use crate::random;
use crate::schedule::Pace;
use crate::state::Enrolled;

/// Identities that enroll at once.
const AT_ONCE: usize = 16;
/// Attempts for one identity while the server is away or asks for patience.
const ATTEMPTS_MAX: u32 = 20;
/// Longest patience between two of them.
const PATIENCE_MS_MAX: u64 = 60_000;

/// Asks the server to prove the key with this fingerprint; gives the key.
pub(crate) async fn prove(
    address: &Address,
    trusted: &[u8; FINGERPRINT_BYTES],
) -> Result<[u8; 32], StartError> {
    let nonce: [u8; 32] = random::bytes()?;
    let path = format!("{PATH_SERVER}?nonce={}", to_base64(&nonce));
    let answer = Client::new(address.clone())
        .get(&path)
        .await
        .map_err(|error| {
            StartError::Unreachable(format!("the server {address:?} is not reached: {error}"))
        })?;
    let no_center = |why: String| {
        StartError::Unreachable(format!(
            "what answers at {address:?} is no operations center, or not a healthy one ({why}); check the address"
        ))
    };
    if answer.status != 200 {
        return Err(no_center(answer.problem().1));
    }
    handshake::check_server(&answer.body, &nonce, trusted).map_err(|error| match error {
        HandshakeError::Wire(error) => no_center(error.to_string()),
        other => StartError::WrongServer(other.to_string()),
    })
}

/// An identity to enroll: its place in the fleet, its key, its name, and what lets it in.
pub(crate) struct Candidate {
    pub(crate) index: usize,
    pub(crate) key: PrivateKey,
    pub(crate) hostname: String,
    pub(crate) token: EnrollmentToken,
}

/// What enrolls whom.
pub(crate) struct Enrolling {
    pub(crate) address: Address,
    pub(crate) server_key: [u8; 32],
    pub(crate) interval_s: u32,
}

/// An identity that has a place now; its key is another one when the old was no longer accepted.
pub(crate) struct Admitted {
    pub(crate) index: usize,
    pub(crate) key: PrivateKey,
    pub(crate) enrolled: Enrolled,
}

/// Enrolls all candidates; gives those that were, and the first error if any.
pub(crate) async fn enroll_all(
    enrolling: Enrolling,
    candidates: Vec<Candidate>,
) -> (Vec<Admitted>, Result<(), StartError>) {
    let enrolling = Arc::new(enrolling);
    let waiting = Arc::new(Mutex::new(VecDeque::from(candidates)));
    let mut workers = JoinSet::new();
    for number in 0..AT_ONCE {
        let (enrolling, waiting) = (enrolling.clone(), waiting.clone());
        workers.spawn(async move {
            let mut client = Client::new(enrolling.address.clone());
            let mut pace = Pace::new(number as u64, 2_000);
            let mut admitted = Vec::new();
            loop {
                let next = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(candidate) = next else {
                    return (admitted, Ok(()));
                };
                match enrolling.one(&mut client, &mut pace, candidate).await {
                    Ok(one) => admitted.push(one),
                    Err(error) => {
                        // One reason is enough: nobody else needs to try.
                        waiting
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .clear();
                        return (admitted, Err(error));
                    }
                }
            }
        });
    }
    let (mut all, mut outcome) = (Vec::new(), Ok(()));
    while let Some(joined) = workers.join_next().await {
        let done = joined.unwrap_or_else(|error| {
            let words = format!("enrolling ended unexpectedly: {error}");
            (Vec::new(), Err(StartError::Local(words)))
        });
        all.extend(done.0);
        outcome = outcome.and(done.1);
    }
    (all, outcome)
}

impl Enrolling {
    async fn one(
        &self,
        client: &mut Client,
        pace: &mut Pace,
        mut candidate: Candidate,
    ) -> Result<Admitted, StartError> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let body = self.request(&candidate);
            let wait_ms = match client.post(PATH_ENROLL, None, body.clone()).await {
                Err(error) => {
                    last = error.to_string();
                    pace.retry_ms()
                }
                Ok(answer) if answer.status == 200 => {
                    pace.worked();
                    let told = handshake::open_enroll_answer(&self.server_key, &body, &answer.body)
                        .map_err(|error| StartError::WrongServer(error.to_string()))?;
                    return Ok(Admitted {
                        index: candidate.index,
                        key: candidate.key,
                        enrolled: Enrolled {
                            host_id: told.host_id,
                            node_id: told.node_id,
                        },
                    });
                }
                Ok(answer) => {
                    let (code, words) = answer.problem();
                    last = words;
                    match (code, patience_ms(&answer)) {
                        (_, Some(asked_ms)) => pace.patient_ms(asked_ms.min(PATIENCE_MS_MAX)),
                        // A run before this one was killed after this key was enrolled with another token.
                        (Some(Code::AgentRevoked), None) => {
                            candidate.key = PrivateKey::from_seed(random::bytes()?);
                            0
                        }
                        _ => return Err(StartError::Refused(refused(code, &last))),
                    }
                }
            };
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        Err(StartError::Unreachable(format!(
            "enrolling did not succeed in {ATTEMPTS_MAX} attempts ({last}); try again when the server answers"
        )))
    }

    fn request(&self, candidate: &Candidate) -> Vec<u8> {
        handshake::enroll_request(
            &candidate.token,
            &candidate.key,
            &self.server_key,
            &EnrollRequest {
                protocol: protocol::CURRENT,
                token_id: candidate.token.id,
                agent_key: candidate.key.public(),
                hostname: candidate.hostname.clone(),
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                replace: None,
                interval_s: self.interval_s,
                name: None,
            },
        )
    }
}

/// How long to wait before the same may succeed; `None` when it never will.
fn patience_ms(answer: &Answer) -> Option<u64> {
    matches!(answer.status, 429 | 500..=599).then(|| answer.retry_after_ms.unwrap_or(1_000))
}

fn refused(code: Option<Code>, words: &str) -> String {
    let way_out = match code {
        Some(Code::TokenUsed) => {
            "make a token with as many uses as there are agents: `operations-center enroll-token create --uses N`"
        }
        Some(Code::TokenUnknown | Code::TokenExpired | Code::TokenRevoked) => {
            "make a new token: `operations-center enroll-token create --uses N`"
        }
        _ => "see the server's log for more",
    };
    format!("the server did not enroll the fleet ({words}); {way_out}")
}
