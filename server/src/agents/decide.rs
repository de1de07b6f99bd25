//! What people decide about agents: that one may report, that it no longer may, that its node goes.
//!
//! Called by local commands and by the node's page. Each takes the id of the agent or of its node, has its event in the
//! same transaction, and is effective at once: a revoked agent's sessions end before this returns.

use std::sync::Arc;

use domain::access::Action;
use domain::fleet::ServerState;

use crate::error::{OpsError, StoreError};
use crate::events::{self, NewEvent};
use crate::fleet::live::{HostLive, NodeLive};
use crate::fleet::servers::store::ServerRecord;
use crate::fleet::store::{self, HostState};
use crate::ops::Ops;
use crate::people::service::Caller;

/// Lets an agent that waits for review report and count.
///
/// # Errors
/// Not allowed, no such agent, one that does not wait, or the database.
pub async fn approve(ops: &Ops, who: &Caller, id: &str) -> Result<Arc<HostLive>, OpsError> {
    let host = find(ops, id)?;
    if host.record.state != HostState::Pending {
        return Err(OpsError::Conflict(format!(
            "agent {} does not wait for review",
            host.record.id
        )));
    }
    decide(ops, who, &host, HostState::Active, "agent approved").await?;
    Ok(host)
}

/// Takes an agent's right to report.
///
/// # Errors
/// Not allowed, no such agent, or the database.
pub async fn revoke(ops: &Ops, who: &Caller, id: &str) -> Result<Arc<HostLive>, OpsError> {
    let host = find(ops, id)?;
    decide(ops, who, &host, HostState::Revoked, "agent revoked").await?;
    Ok(host)
}

/// Takes a node out of view and its agent's right to report; its history stays.
///
/// # Errors
/// Not allowed, no such node, or the database.
pub async fn remove(ops: &Ops, who: &Caller, id: &str) -> Result<Arc<HostLive>, OpsError> {
    who.may(Action::RetireNodes)?;
    if let Some(node) = ops.live.node(id)
        && let Some(server) = &node.server
    {
        return remove_server(ops, who, &node, server).await;
    }
    let host = find(ops, id)?;
    let mut tx = ops.state.write().await?;
    store::set_host_state(&mut tx, &host.record.id, HostState::Revoked).await?;
    store::remove_node(&mut tx, &host.record.node_id, ops.clock.now().0).await?;
    events::store::append(&mut tx, event(ops, who, &host, "node removed")).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing the removal of a node"))?;
    ops.sessions.end_host(host.record.no);
    ops.live.remove(host.record.no);
    Ok(host)
}

/// Takes a server out of view. One that its host still tells would be back at once, so it is ignored instead.
async fn remove_server(
    ops: &Ops,
    who: &Caller,
    node: &NodeLive,
    server: &ServerRecord,
) -> Result<Arc<HostLive>, OpsError> {
    let is_told = server.facts.state != ServerState::Gone;
    if is_told && node.host.record.state == HostState::Active {
        return Err(OpsError::Conflict(format!(
            "server {} is still there on its host; ignore it on its page, or take its pack away there",
            node.name()
        )));
    }
    let mut tx = ops.state.write().await?;
    store::remove_node(&mut tx, &server.node_id, ops.clock.now().0).await?;
    let event = NewEvent {
        subject: node.name(),
        node_id: Some(&server.node_id),
        ..event(ops, who, &node.host, "node removed")
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing the removal of a server"))?;
    ops.live.remove_server(&server.node_id);
    Ok(node.host.clone())
}

fn find(ops: &Ops, id: &str) -> Result<Arc<HostLive>, OpsError> {
    let found = ops
        .live
        .host_by_id(id)
        .or_else(|| ops.live.host_by_node(id));
    found.ok_or_else(|| OpsError::not_found("agent or node", id))
}

async fn decide(
    ops: &Ops,
    who: &Caller,
    host: &HostLive,
    state: HostState,
    verb: &'static str,
) -> Result<(), OpsError> {
    who.may(Action::RetireNodes)?;
    let mut tx = ops.state.write().await?;
    store::set_host_state(&mut tx, &host.record.id, state).await?;
    events::store::append(&mut tx, event(ops, who, host, verb)).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a decision about an agent"))?;
    ops.live
        .update(host.record.no, |live| live.record.state = state);
    if state == HostState::Revoked {
        ops.sessions.end_host(host.record.no);
    }
    Ok(())
}

fn event<'a>(ops: &Ops, who: &'a Caller, host: &'a HostLive, verb: &'static str) -> NewEvent<'a> {
    NewEvent {
        at: ops.clock.now(),
        actor: &who.actor,
        verb,
        subject: host.name().to_owned(),
        node_id: Some(&host.record.node_id),
        detail: format!("agent {}", host.record.id),
    }
}
