//! What people do with enrollment tokens, and what an agent's enrollment does.

use domain::access::Action;
use domain::id::{HostId, NodeId, TokenId};
use domain::text::{clean_label, is_slug};
use domain::time::{Timestamp, format_utc, parse_duration_ms};
use protocol::handshake::{self, HandshakeError};
use protocol::http::Code;
use protocol::keys::fingerprint;
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::{EnrollAnswer, EnrollRequest};

use super::store::{self, TokenRecord};
use crate::error::{FieldError, OpsError, StoreError};
use crate::events::{self, Actor, NewEvent};
use crate::fleet::servers::store::PlacedBy;
use crate::fleet::store::{self as fleet_store, HostRecord, HostState};
use crate::ops::Ops;
use crate::people::service::Caller;
use crate::random;

/// Most nodes that may come with one token.
const USES_MAX: i64 = 100_000;
/// Longest life of a token.
const TTL_MS_MAX: i64 = 366 * 86_400_000;

/// What a new token is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NewToken {
    /// System slug; made when missing.
    pub system: String,
    /// Cluster slug; made when missing.
    pub cluster: String,
    /// Role of its nodes in the cluster.
    pub node_role: Option<String>,
    /// Such as `10m`.
    pub ttl: String,
    /// How many nodes may use it.
    pub uses: i64,
    /// Do they wait for review?
    pub review: bool,
    /// May they, and servers found on them, go into the clusters that their own configuration names?
    #[serde(default)]
    pub allows_suggestions: bool,
}

/// A token just made; the only time its secret is seen.
#[derive(Debug, Clone)]
pub struct Made {
    /// Public id.
    pub id: String,
    /// The whole token.
    pub token: String,
    /// Until when it works.
    pub expires_at_ms: i64,
}

impl NewToken {
    fn check(&self) -> Result<i64, OpsError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: String| {
            errors.push(FieldError {
                field: field.to_owned(),
                detail,
            })
        };
        for (field, value) in [("system", &self.system), ("cluster", &self.cluster)] {
            if !is_slug(value) {
                let shown = clean_label(&value.chars().take(80).collect::<String>());
                wrong(
                    field,
                    format!(
                        "`{shown}` is not a name: use 1 to 63 of a-z, 0-9 and -, such as app-eu"
                    ),
                );
            }
        }
        if let Some(role) = &self.node_role
            && !is_slug(role)
        {
            wrong(
                "node_role",
                "use 1 to 63 of a-z, 0-9 and -, such as worker".to_owned(),
            );
        }
        let ttl_ms = match parse_duration_ms(&self.ttl) {
            Ok(ms) if ms <= TTL_MS_MAX => ms,
            Ok(_) => {
                wrong("ttl", "a token lives at most 366d".to_owned());
                0
            }
            Err(error) => {
                wrong("ttl", error.to_string());
                0
            }
        };
        if !(1..=USES_MAX).contains(&self.uses) {
            wrong("uses", format!("{} is not from 1 to {USES_MAX}", self.uses));
        }
        if errors.is_empty() {
            Ok(ttl_ms)
        } else {
            Err(OpsError::Invalid(errors))
        }
    }
}

/// Makes a token.
///
/// # Errors
/// Not allowed, wrong fields, a cluster of another system, or the database.
pub async fn create(ops: &Ops, who: &Caller, new: &NewToken) -> Result<Made, OpsError> {
    who.may(Action::EnrollNodes)?;
    let ttl_ms = new.check()?;
    let now = ops.clock.now();
    let wire_id: [u8; 10] = random::bytes();
    let token = EnrollmentToken::new(
        wire_id,
        random::bytes(),
        fingerprint(&ops.server_key.public()),
    );
    let record = TokenRecord {
        id: TokenId::from_random(wire_id).to_string(),
        public_key: token.key().public(),
        system: new.system.clone(),
        cluster: new.cluster.clone(),
        node_role: new.node_role.clone(),
        uses: new.uses,
        used: 0,
        review: new.review,
        allows_suggestions: new.allows_suggestions,
        created_by: who.actor.to_string(),
        created_at_ms: now.0,
        expires_at_ms: now.plus_ms(ttl_ms).0,
        revoked_at_ms: None,
    };
    let mut tx = ops.state.write().await?;
    if let Some(owner) =
        fleet_store::ensure_cluster(&mut tx, &new.system, &new.cluster, now.0).await?
    {
        let detail = format!(
            "cluster {} belongs to system {owner}, not {}; choose that system or another cluster",
            new.cluster, new.system
        );
        return Err(OpsError::field("cluster", detail));
    }
    store::insert(&mut tx, &record).await?;
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb: "enrollment token created",
        subject: format!("{} for cluster {}", record.id, record.cluster),
        node_id: None,
        detail: format!(
            "for {}, until {}{}{}",
            app::format::plural(record.uses.unsigned_abs(), "host", "hosts"),
            format_utc(Timestamp(record.expires_at_ms)),
            if record.review {
                ", each to be reviewed"
            } else {
                ""
            },
            if record.allows_suggestions {
                ", which may choose their clusters"
            } else {
                ""
            },
        ),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing an enrollment token"))?;
    Ok(Made {
        id: record.id,
        token: token.reveal(),
        expires_at_ms: record.expires_at_ms,
    })
}

/// Takes a token back.
///
/// # Errors
/// Not allowed, no such token, or the database.
pub async fn revoke(ops: &Ops, who: &Caller, id: &str) -> Result<(), OpsError> {
    who.may(Action::EnrollNodes)?;
    let now = ops.clock.now();
    let mut tx = ops.state.write().await?;
    if !store::revoke(&mut tx, id, now.0).await? {
        return Err(OpsError::not_found("enrollment token that still works", id));
    }
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb: "enrollment token revoked",
        subject: id.to_owned(),
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a revocation"))?;
    Ok(())
}

/// Tokens, newest first; only those that still work, or all.
///
/// # Errors
/// Not allowed, or the database.
pub async fn list(
    ops: &Ops,
    who: &Caller,
    only_usable: bool,
) -> Result<Vec<TokenRecord>, OpsError> {
    who.may(Action::EnrollNodes)?;
    Ok(store::list(ops.state.read(), only_usable.then(|| ops.clock.now().0)).await?)
}

/// One token.
///
/// # Errors
/// Not allowed, no such token, or the database.
pub async fn find(ops: &Ops, who: &Caller, id: &str) -> Result<TokenRecord, OpsError> {
    who.may(Action::EnrollNodes)?;
    store::find(ops.state.read(), id)
        .await?
        .ok_or_else(|| OpsError::not_found("enrollment token", id))
}

/// Makes an agent with a good token a node; gives the signed answer.
///
/// The same agent asking again with the same token gets the same answer, so that a crash between answer and disk loses
/// nothing.
///
/// # Errors
/// Every reason has its code; nothing of the token is repeated.
pub async fn enroll(ops: &Ops, body: &[u8]) -> Result<Vec<u8>, OpsError> {
    let server_key = ops.server_key.public();
    let unverified = handshake::open_enroll(&server_key, body).map_err(handshake_error)?;
    let digest = unverified.digest;
    let now = ops.clock.now();
    let mut tx = ops.state.write().await?;
    let token = store::find(
        &mut *tx,
        TokenId::from_random(unverified.token_id()).as_str(),
    )
    .await?
    .ok_or_else(|| {
        OpsError::agent(
            Code::TokenUnknown,
            "this server has no such enrollment token; make a new one",
        )
    })?;
    let request = unverified
        .verify(&server_key, &token.public_key)
        .map_err(|error| OpsError::agent(Code::SignatureInvalid, error.to_string()))?;
    if request.protocol < protocol::OLDEST_ACCEPTED || request.protocol > protocol::CURRENT {
        return Err(unsupported(request.protocol));
    }
    if let Some(host) = fleet_store::find_host_by_key(&mut tx, &request.agent_key).await? {
        if host.token_id == token.id && matches!(host.state, HostState::Active | HostState::Pending)
        {
            return Ok(signed_answer(ops, &digest, &host));
        }
        return Err(OpsError::agent(
            Code::AgentRevoked,
            "this agent's key was enrolled before and is no longer accepted; remove its state folder and enroll with a new token",
        ));
    }
    refuse_unusable(&token, now.0)?;
    if !store::use_once(&mut tx, &token.id, now.0).await? {
        return Err(OpsError::agent(
            Code::TokenUsed,
            "the enrollment token was used as often as it may be; make a new one",
        ));
    }
    let host = match &request.replace {
        Some(node_id) => replaced(ops, &mut tx, &token, &request, node_id).await?,
        None => added(&mut tx, &token, &request, now.0).await?,
    };
    let event = NewEvent {
        at: now,
        actor: &Actor::Agent(host.id.clone()),
        verb: if request.replace.is_some() {
            "node taken over by a new agent"
        } else {
            "node enrolled"
        },
        subject: format!("{} in cluster {}", host.hostname, host.cluster),
        node_id: Some(&host.node_id),
        detail: format!("token {} made by {}", token.id, token.created_by),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing an enrollment"))?;
    if request.replace.is_some() {
        ops.sessions.end_host(host.no);
    }
    let answer = signed_answer(ops, &digest, &host);
    ops.live.put(host);
    Ok(answer)
}

fn refuse_unusable(token: &TokenRecord, now_ms: i64) -> Result<(), OpsError> {
    if token.revoked_at_ms.is_some() {
        return Err(OpsError::agent(
            Code::TokenRevoked,
            "the enrollment token was taken back; make a new one",
        ));
    }
    if token.expires_at_ms <= now_ms {
        let since = domain::time::format_utc(domain::time::Timestamp(token.expires_at_ms));
        return Err(OpsError::agent(
            Code::TokenExpired,
            format!("the enrollment token expired at {since}; make a new one"),
        ));
    }
    if token.used >= token.uses {
        let detail = format!(
            "the enrollment token was used {} times, as often as it may be; make a new one",
            token.used
        );
        return Err(OpsError::agent(Code::TokenUsed, detail));
    }
    Ok(())
}

fn new_record(token: &TokenRecord, request: &EnrollRequest, no: i64, now_ms: i64) -> HostRecord {
    let hostname = clean_label(&request.hostname);
    HostRecord {
        id: HostId::from_random(random::bytes()).to_string(),
        no,
        public_key: request.agent_key,
        state: if token.review {
            HostState::Pending
        } else {
            HostState::Active
        },
        token_id: token.id.clone(),
        hostname: if hostname.is_empty() {
            "unnamed".to_owned()
        } else {
            hostname
        },
        agent_version: clean_label(&request.agent_version),
        interval_s: request.interval_s.clamp(1, 3_600),
        enrolled_at_ms: now_ms,
        facts: None,
        facts_digest: None,
        collectors: Vec::new(),
        suggested: domain::fleet::Suggested::default(),
        tags: domain::fleet::GivenTags::new(),
        node_id: NodeId::from_random(random::bytes()).to_string(),
        node_name: request
            .name
            .as_deref()
            .map(clean_label)
            .filter(|name| !name.is_empty()),
        system: token.system.clone(),
        cluster: token.cluster.clone(),
        node_role: token.node_role.clone(),
        placed_by: PlacedBy::Token,
        allows_suggestions: token.allows_suggestions,
    }
}

async fn added(
    tx: &mut sqlx::SqliteConnection,
    token: &TokenRecord,
    request: &EnrollRequest,
    now_ms: i64,
) -> Result<HostRecord, OpsError> {
    let host = new_record(token, request, fleet_store::next_host_no(tx).await?, now_ms);
    fleet_store::insert_host(tx, &host).await?;
    Ok(host)
}

/// Gives the place and history of a node that no longer reports to the asking agent.
async fn replaced(
    ops: &Ops,
    tx: &mut sqlx::SqliteConnection,
    token: &TokenRecord,
    request: &EnrollRequest,
    node_id: &str,
) -> Result<HostRecord, OpsError> {
    let refused = |detail: String| OpsError::agent(Code::ReplaceRefused, detail);
    let shown = clean_label(&node_id.chars().take(40).collect::<String>());
    let old = ops
        .live
        .host_by_node(node_id)
        .ok_or_else(|| refused(format!("there is no node {shown} to replace")))?;
    let alive = old.last_report.is_some_and(|last| {
        ops.clock.monotonic().since_ms(last)
            <= domain::fleet::no_data_after_ms(old.record.interval_s)
    });
    if alive && !old.goodbye && old.record.state == HostState::Active {
        return Err(refused(format!(
            "node {shown} still reports; revoke its agent first (`operations-center agent revoke {}`)",
            old.record.id
        )));
    }
    if old.record.cluster != token.cluster {
        return Err(refused(format!(
            "node {shown} is in cluster {}, the token is for {}",
            old.record.cluster, token.cluster
        )));
    }
    let fresh = new_record(token, request, old.record.no, old.record.enrolled_at_ms);
    let old = old.record.clone();
    let host = HostRecord {
        id: old.id,
        node_id: old.node_id,
        node_name: old.node_name,
        placed_by: old.placed_by,
        suggested: old.suggested,
        ..fresh
    };
    fleet_store::replace_key(tx, &host).await?;
    Ok(host)
}

fn signed_answer(ops: &Ops, digest: &[u8; 32], host: &HostRecord) -> Vec<u8> {
    let answer = EnrollAnswer {
        host_id: host.id.clone(),
        node_id: host.node_id.clone(),
        pending_review: host.state == HostState::Pending,
    };
    handshake::enroll_answer(&ops.server_key, digest, &answer)
}

/// Why a handshake's bytes were refused.
pub fn handshake_error(error: HandshakeError) -> OpsError {
    let code = match error {
        HandshakeError::Signature(_)
        | HandshakeError::WrongServer { .. }
        | HandshakeError::WeakKey => Code::SignatureInvalid,
        HandshakeError::Wire(_) => Code::Malformed,
    };
    OpsError::agent(code, error.to_string())
}

/// The agent speaks another version.
pub fn unsupported(found: u16) -> OpsError {
    let way_out = if found < protocol::OLDEST_ACCEPTED {
        "update the agent: `oc-agent install` with the program that this server offers at /install/oc-agent"
    } else {
        "the agent is newer: update this server first"
    };
    OpsError::agent(
        Code::ProtocolUnsupported,
        format!(
            "protocol {found} is not spoken here, {} to {} are; {way_out}",
            protocol::OLDEST_ACCEPTED,
            protocol::CURRENT
        ),
    )
}
