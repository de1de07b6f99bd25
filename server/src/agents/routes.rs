//! Hello and report: the two requests of an enrolled agent.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::identity::{Claimed, Restored, Stored, judge};
use domain::metric::Gap;
use protocol::handshake;
use protocol::http::{Code, HEADER_AUTH, PATH_REPORT};
use protocol::session::{AuthHeader, RequestHead};
use protocol::v1::hello::HelloAnswer;
use protocol::v1::report::{Report, ReportAnswer};
use protocol::v1::section::HeldSection;
use protocol::{REPORT_BYTES_MAX, SESSION_LIFE_MS};

use super::ingest::{self, Received};
use super::news;
use super::sessions::{Confirmed, Session};
use crate::enroll::routes::cbor;
use crate::enroll::service::{handshake_error, unsupported};
use crate::error::{OpsError, StoreError};
use crate::events::{self, Actor, NewEvent};
use crate::fleet::live::HostLive;
use crate::fleet::store::{self as fleet_store, HostState};
use crate::ops::Ops;
use crate::random;
use crate::series;
use crate::series::writer::{AppendError, Appended};

/// `POST /agent/v1/hello`: begins a session.
///
/// # Errors
/// Every reason has its code.
pub async fn hello(State(ops): State<Ops>, body: Bytes) -> Result<Response, OpsError> {
    let server_key = ops.server_key.public();
    let unverified = handshake::open_hello(&body).map_err(handshake_error)?;
    let host = ops.live.host_by_id(unverified.host_id()).ok_or_else(|| {
        OpsError::agent(
            Code::AgentUnknown,
            "this server does not know this agent; enroll it with a new token",
        )
    })?;
    let verified = unverified
        .verify(&server_key, &host.record.public_key)
        .map_err(|error| OpsError::agent(Code::SignatureInvalid, error.to_string()))?;
    let hello = &verified.hello;
    if hello.protocol < protocol::OLDEST_ACCEPTED || hello.protocol > protocol::CURRENT {
        return Err(unsupported(hello.protocol));
    }
    refuse_unwanted(host.record.state)?;
    let stored = series::store::find_cursor(ops.metrics.read(), host.record.no).await?;
    let claimed = Claimed {
        epoch: hello.epoch,
        highest_seq: hello.highest_seq,
        acked_seq: hello.acked_seq,
        acked_digest: hello.acked_digest,
        wants_new_epoch: hello.wants_new_epoch,
    };
    let verdict = judge(
        stored.as_ref().map(|c| Stored {
            epoch: c.epoch,
            seq: c.seq,
            digest: c.digest,
        }),
        claimed,
    );
    let answer = HelloAnswer {
        ephemeral: [0; 32],
        epoch: verdict.epoch,
        stored_seq: stored
            .filter(|cursor| cursor.epoch == verdict.epoch)
            .map_or(0, |cursor| cursor.seq),
        facts_digest: host.record.facts_digest,
        now_ms: ops.clock.now().0,
        pending_review: host.record.state == HostState::Pending,
        sections: Some(held_sections(&host)),
        packs: ops.packs.told(),
    };
    let turn = ops.sessions.turn(host.record.no).await;
    // As it is now that it is our turn.
    let host = ops.live.host(host.record.no).unwrap_or(host);
    news::of_hello(&ops, &host, &verified.hello).await?;
    drop(turn);
    let (body, keys) = handshake::hello_answer(&ops.server_key, random::bytes(), &verified, answer)
        .map_err(handshake_error)?;
    let session = Session::new(
        host.record.id.clone(),
        host.record.no,
        keys,
        ops.clock.monotonic(),
        hello.boot_id,
        hello.process,
        verdict,
    );
    if !ops.sessions.add(session) {
        return Err(OpsError::agent(
            Code::SignatureInvalid,
            "this hello was sent before; begin with a fresh session name",
        ));
    }
    Ok(cbor(body))
}

fn held_sections(host: &HostLive) -> Vec<HeldSection> {
    let held = host.sections.iter();
    held.map(|(kind, digest)| HeldSection {
        kind: *kind,
        digest: *digest,
    })
    .collect()
}

fn refuse_unwanted(state: HostState) -> Result<(), OpsError> {
    match state {
        HostState::Active | HostState::Pending => Ok(()),
        HostState::Revoked => Err(OpsError::agent(
            Code::AgentRevoked,
            "an administrator revoked this agent; enroll again with a new token to come back",
        )),
        HostState::Quarantined => Err(OpsError::agent(
            Code::AgentQuarantined,
            "two machines use this agent's identity (a cloned disk?); revoke it and enroll each of them with its own token",
        )),
    }
}

/// `POST /agent/v1/report`: stores records; the acknowledgement leaves after the commit.
///
/// From a valid MAC on, refusals carry a MAC too, so that nobody in between can make an agent drop anything.
pub async fn report(State(ops): State<Ops>, headers: HeaderMap, body: Body) -> Response {
    let (session, auth) = match session_of(&ops, &headers) {
        Ok(found) => found,
        Err(error) => return error.into_response(),
    };
    let sealed = |response: Response| seal(&session, &auth, response);
    let Ok(body) = axum::body::to_bytes(body, REPORT_BYTES_MAX).await else {
        let detail =
            format!("a report has at most {REPORT_BYTES_MAX} bytes; send fewer records at once");
        let mut response = OpsError::agent(Code::Malformed, detail).into_response();
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return sealed(response).await;
    };
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let head = RequestHead {
        method: "POST",
        path: PATH_REPORT,
        epoch: auth.epoch,
        seq: auth.seq,
        encoding,
    };
    if session.keys.open_request(head, &body, &auth.mac).is_err() {
        let detail = "the message authentication code does not hold; say hello again";
        return OpsError::agent(Code::MacInvalid, detail).into_response();
    }
    ops.meters.report_bytes.inc_by(body.len() as u64);
    let (outcome, response) = match accept(&ops, &session, &auth, &body).await {
        Ok(answer) => ("stored", cbor(protocol::wire::encode(&answer))),
        Err(error) => {
            let ours = error.status().is_server_error();
            let outcome = if ours { "unavailable" } else { "refused" };
            (outcome, error.into_response())
        }
    };
    ops.meters.reports.with_label_values(&[outcome]).inc();
    sealed(response).await
}

fn session_of(ops: &Ops, headers: &HeaderMap) -> Result<(Session, AuthHeader), OpsError> {
    let unknown = |detail: String| OpsError::agent(Code::SessionUnknown, detail);
    let text = headers
        .get(HEADER_AUTH)
        .and_then(|value| value.to_str().ok());
    let text =
        text.ok_or_else(|| unknown("the oc-auth header is missing; say hello first".to_owned()))?;
    let auth = AuthHeader::parse(text).map_err(|error| unknown(error.to_string()))?;
    let session = ops
        .sessions
        .find(&auth.session, ops.clock.monotonic(), SESSION_LIFE_MS)
        .ok_or_else(|| unknown("this server knows no such session; say hello again".to_owned()))?;
    Ok((session, auth))
}

/// Adds the MAC of an answer.
async fn seal(session: &Session, auth: &AuthHeader, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, REPORT_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mac = session
        .keys
        .seal_answer(parts.status.as_u16(), &auth.mac, &bytes);
    if let Ok(value) = HeaderValue::from_str(&mac) {
        parts.headers.insert(HEADER_AUTH, value);
    }
    Response::from_parts(parts, Body::from(bytes))
}

async fn accept(
    ops: &Ops,
    session: &Session,
    auth: &AuthHeader,
    body: &[u8],
) -> Result<ReportAnswer, OpsError> {
    let (report, records) =
        Report::open(body).map_err(|error| OpsError::agent(Code::Malformed, error.to_string()))?;
    let last = records.last().map(|record| (record.epoch, record.seq));
    if last != Some((auth.epoch, auth.seq)) {
        let detail = "the oc-auth header names another record than the report ends with";
        return Err(OpsError::agent(Code::Malformed, detail));
    }
    let gone = || OpsError::agent(Code::AgentRevoked, "this node was removed");
    let turn = ops.sessions.turn(session.host_no).await;
    let host = ops.live.host(session.host_no).ok_or_else(gone)?;
    refuse_unwanted(host.record.state)?;
    confirm(ops, session, &host).await?;
    if !ops.disk.level().takes_samples() {
        return Err(append_error(AppendError::Failed {
            storage_unavailable: true,
        }));
    }
    let now = ops.clock.now();
    let skew_ms = host
        .skew_ms
        .unwrap_or_else(|| ingest::skew_ms(now.0, &report));
    let received = Received {
        at_ms: now.0,
        boot_id: session.boot_id,
        skew_ms,
    };
    let opened = ingest::open(received, &report, &records);
    news::of_report(ops, &host, &records, &opened.records).await?;
    drop(turn);
    let latest = opened
        .records
        .last()
        .map(|record| (record.samples.clone(), record.goodbye));
    let samples: usize = opened
        .records
        .iter()
        .map(|record| record.samples.len())
        .sum();
    let began_us = ops.clock.micros();
    let appended = ops
        .writer
        .append(host.record.no, now.0, opened.records)
        .await
        .map_err(append_error)?;
    let took_us = ops.clock.micros().saturating_sub(began_us);
    ops.meters.commit_seconds.observe(took_us as f64 / 1e6);
    ops.meters.samples.inc_by(samples as u64);
    let Appended::Stored {
        epoch,
        seq,
        beyond_series_max,
    } = appended
    else {
        ops.sessions.end(&auth.session);
        let detail = "another record is stored under one of these numbers (a restored copy of this agent?); say hello and begin a new epoch";
        return Err(OpsError::agent(Code::SequenceForked, detail));
    };
    let mut notes = opened.notes;
    if beyond_series_max > 0 {
        notes.push(format!(
            "{beyond_series_max} samples were not stored: a host may have {} series",
            series::writer::SERIES_MAX
        ));
    }
    // Nobody else may hold it, or it is copied to be changed.
    drop(host);
    let monotonic = ops.clock.monotonic();
    let next_interval_ms = ops.live.update(session.host_no, |live| {
        live.last_report = Some(monotonic);
        live.last_report_at_ms = Some(now.0);
        live.skew_ms = Some(ingest::skew_ms(now.0, &report));
        if let Some((samples, goodbye)) = latest {
            live.goodbye = goodbye;
            // A goodbye holds no samples: what was last known stays, with its age.
            if !samples.is_empty() {
                live.values = samples.into_iter().collect();
            }
        }
        live.next_interval_ms(monotonic)
    });
    Ok(ReportAnswer {
        acked_epoch: epoch,
        acked_seq: seq,
        next_interval_ms: next_interval_ms.ok_or_else(gone)?,
        now_ms: now.0,
        notes,
    })
}

fn append_error(error: AppendError) -> OpsError {
    match error {
        AppendError::Busy => OpsError::agent(
            Code::Overloaded,
            "too many reports wait to be written; come back later",
        ),
        AppendError::Failed { .. } => OpsError::agent(
            Code::StorageUnavailable,
            "the server cannot write now (is its disk full?); nothing was acknowledged, keep the records and come back later",
        ),
    }
}

/// The first valid report of a session: what hello decided takes effect; a clone is found out.
async fn confirm(ops: &Ops, session: &Session, host: &HostLive) -> Result<(), OpsError> {
    match ops.sessions.confirm(&session.keys.session()) {
        Confirmed::Already => Ok(()),
        Confirmed::Clone => {
            let detail = "two processes alternate under one identity";
            write_event(
                ops,
                host,
                "agent quarantined",
                detail,
                Some(HostState::Quarantined),
            )
            .await?;
            let now_ms = ops.clock.now().0;
            ops.live.update(host.record.no, |host| {
                host.record.state = HostState::Quarantined;
                host.quarantined_at_ms = Some(now_ms);
            });
            refuse_unwanted(HostState::Quarantined)
        }
        Confirmed::Now => {
            if let Some(why) = session.verdict.restored {
                let detail = match why {
                    Restored::Behind => "its numbers end before ours",
                    Restored::Differs => "it holds another record under the same number",
                    Restored::Reported => "it was told that its numbers are taken",
                };
                write_event(ops, host, "agent restored from a copy", detail, None).await?;
            }
            if session.verdict.server_restored {
                let to_ms = ops.clock.now().0;
                let from_ms = host.last_report_at_ms.unwrap_or(to_ms);
                let gap = Gap {
                    from_ms,
                    to_ms,
                    reason: "server_restored".to_owned(),
                };
                let row = series::store::GapRow {
                    host_no: host.record.no,
                    gap,
                    records: 0,
                };
                let mut tx = ops.metrics.write().await?;
                series::store::insert_gaps(&mut tx, &[row]).await?;
                tx.commit()
                    .await
                    .map_err(StoreError::doing("committing a gap"))?;
                write_event(
                    ops,
                    host,
                    "server holds less than it acknowledged",
                    "restored from a backup?",
                    None,
                )
                .await?;
            }
            Ok(())
        }
    }
}

async fn write_event(
    ops: &Ops,
    host: &HostLive,
    verb: &'static str,
    detail: &str,
    state: Option<HostState>,
) -> Result<(), OpsError> {
    let mut tx = ops.state.write().await?;
    if let Some(state) = state {
        fleet_store::set_host_state(&mut tx, &host.record.id, state).await?;
    }
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &Actor::Server,
        verb,
        subject: host.name().to_owned(),
        node_id: Some(&host.record.node_id),
        detail: detail.to_owned(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing an event"))?;
    Ok(())
}
