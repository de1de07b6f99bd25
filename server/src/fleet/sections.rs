//! What a host told in lists, for the console and for programs.
//!
//! The lists come from [`super::service::node_sections`], cleaned at ingest. What was never told is null; an empty list
//! is a list that was told to be empty.

use std::collections::BTreeMap;

use app::fleet::view::NodeSections;
use axum::Json;
use axum::extract::{Path, State};
use domain::fleet::{
    CertificateRow, Collector, ListenerRow, ProcessRow, Sections as Known, Taken, UnitRow,
};
use serde::Serialize;

use super::service::{find_node, node_sections};
use crate::error::OpsError;
use crate::ops::Ops;

/// Whose last runs say why a list is missing.
const SOURCES: &[Collector] = &[
    Collector::TopProcesses,
    Collector::Units,
    Collector::Listeners,
];

/// For the node's page.
///
/// # Errors
/// No such node, or the database.
pub async fn view(ops: &Ops, id: &str) -> Result<NodeSections, OpsError> {
    let lists = node_sections(ops, id).await?;
    let mut outcomes = find_node(ops, id)?.host.record.collectors.clone();
    outcomes.retain(|outcome| SOURCES.contains(&outcome.collector));
    Ok(NodeSections {
        now_ms: ops.clock.now().0,
        lists,
        outcomes,
    })
}

/// A list and when it was told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// Server's wall clock, ms UTC. Agents send a list when it changed.
    pub taken_at_ms: i64,
    /// So many more exist than are listed.
    pub left_out: u32,
    /// The list.
    pub items: Vec<T>,
}

/// A process.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// The kernel's name of it.
    pub name: String,
    /// 1.0 is one whole processor.
    pub cpu_used_ratio: f64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// A service of the service manager.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Service {
    /// Such as `ssh.service`.
    pub name: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub state: String,
    /// `running`, `exited`, `dead` …
    pub sub_state: String,
    /// How often it was restarted by itself.
    pub restarts: Option<u32>,
    /// In words.
    pub description: Option<String>,
}

/// Where TCP connections are accepted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listener {
    /// Such as `0.0.0.0`.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// A certificate that a service of the host shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Certificate {
    /// Port.
    pub port: u16,
    /// Common name of its subject; null where it has none.
    pub subject: Option<String>,
    /// Common name of its issuer; null where it has none.
    pub issuer: Option<String>,
    /// End of its validity, ms UTC.
    pub not_after_ms: i64,
}

/// All lists of a host; null for what it never told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Sections {
    /// Those that use most of the processors and of the memory.
    pub processes: Option<List<Process>>,
    /// Services.
    pub services: Option<List<Service>>,
    /// Where it listens.
    pub listeners: Option<List<Listener>>,
    /// TCP connections by state, without those that listen; told with the listeners.
    pub tcp_connections: Option<BTreeMap<String, u32>>,
    /// Certificates.
    pub certificates: Option<List<Certificate>>,
}

fn list<R, T>(taken: Option<Taken<R>>, item: fn(R) -> T) -> Option<List<T>> {
    taken.map(|taken| List {
        taken_at_ms: taken.at_ms,
        left_out: taken.left_out,
        items: taken.rows.into_iter().map(item).collect(),
    })
}

fn process(row: ProcessRow) -> Process {
    Process {
        pid: row.pid,
        name: row.name,
        cpu_used_ratio: row.cpu_used_ratio,
        rss_bytes: row.rss_bytes,
    }
}

fn service(row: UnitRow) -> Service {
    Service {
        name: row.name,
        state: row.active,
        sub_state: row.sub,
        restarts: row.restarts,
        description: row.description,
    }
}

fn listener(row: ListenerRow) -> Listener {
    Listener {
        address: row.address,
        port: row.port,
    }
}

fn certificate(row: CertificateRow) -> Certificate {
    let named = |name: String| Some(name).filter(|name| !name.is_empty());
    Certificate {
        port: row.port,
        subject: named(row.subject),
        issuer: named(row.issuer),
        not_after_ms: row.not_after_ms,
    }
}

fn sections(known: Known) -> Sections {
    let tcp_connections = known
        .listeners
        .is_some()
        .then(|| known.tcp_states.into_iter().collect());
    Sections {
        processes: list(known.processes, process),
        services: list(known.units, service),
        listeners: list(known.listeners, listener),
        tcp_connections,
        certificates: list(known.certificates, certificate),
    }
}

/// What a node's host told in lists.
///
/// # Errors
/// There is none, or the database.
#[utoipa::path(get, path = "/api/v1/nodes/{id}/sections", params(("id" = String, Path, description = "Public id of the node")), responses((status = 200, body = Sections), (status = 401, body = crate::error::Problem), (status = 404, body = crate::error::Problem)), security(("token" = [])))]
pub async fn find(
    State(ops): State<Ops>,
    Path(id): Path<String>,
) -> Result<Json<Sections>, OpsError> {
    Ok(Json(sections(node_sections(&ops, &id).await?)))
}
