//! Nodes for programs.

use std::sync::Arc;

use app::fleet::view::NodeRow;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::list::Matcher;
use super::live::HostLive;
use super::rows::{node_row, row_of};
use super::servers::store::ServerRecord;
use super::service::find_node;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::query::{ListQuery, Page, Params};

/// A node.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Node {
    /// Public id.
    pub id: String,
    /// Its host.
    pub host_id: String,
    /// Name given, else the host name.
    pub name: String,
    /// Kernel host name.
    pub hostname: String,
    /// `host` or a product pack's name.
    pub kind: String,
    /// System slug.
    pub system: String,
    /// Cluster slug.
    pub cluster: String,
    /// Role in the cluster.
    pub role: Option<String>,
    /// Product found there.
    pub product: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// critical, unknown, warning, pending, maintenance, ok
    pub status: &'static str,
    /// live, late, no_data, stopped, expected_down, missing, pending_review
    pub liveness: &'static str,
    /// Server's wall clock at the last accepted report, ms UTC.
    pub last_report_at_ms: Option<i64>,
    /// Kernel boot id.
    pub boot_id: Option<String>,
    /// Boot instant, ms UTC.
    pub started_at_ms: Option<i64>,
    /// Tags.
    #[schema(value_type = Object)]
    pub tags: std::collections::BTreeMap<String, String>,
}

fn node(host: &HostLive, server: Option<&Arc<ServerRecord>>, row: NodeRow) -> Node {
    let facts = host.facts.as_ref();
    let (boot_id, started_at_ms) = match server {
        Some(server) => (None, server.facts.started_at_ms),
        None => (
            facts.and_then(|facts| facts.boot_id.clone()),
            facts.and_then(|facts| facts.booted_at_ms),
        ),
    };
    Node {
        host_id: host.record.id.clone(),
        boot_id,
        started_at_ms: started_at_ms.map(|at_ms| host.on_our_clock(at_ms)),
        id: row.id,
        name: row.name,
        hostname: row.hostname,
        kind: row.kind,
        system: row.system,
        cluster: row.cluster,
        role: row.role,
        product: row.product,
        version: row.version,
        status: row.status.as_str(),
        liveness: row.liveness.as_str(),
        last_report_at_ms: row.last_report_at_ms,
        tags: row.tags,
    }
}

/// A page of nodes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Nodes {
    /// This page.
    pub items: Vec<Node>,
    /// For `?cursor=`; null at the end.
    pub next_cursor: Option<String>,
}

/// All nodes, by id.
///
/// # Errors
/// Wrong parameters.
#[utoipa::path(get, path = "/api/v1/nodes", params(ListQuery), responses((status = 200, body = Nodes), (status = 401, body = crate::error::Problem), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn list(
    State(ops): State<Ops>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Nodes>, OpsError> {
    let page: Page = query.page_of_nodes()?;
    let filter = query.filter()?;
    let matcher = Matcher::new(&ops, &filter);
    let mut nodes = Vec::new();
    let now = ops.clock.monotonic();
    ops.live.for_each_node(|host, server| {
        let row = row_of(host, server, now);
        if matcher.lets_through(&row) {
            nodes.push(node(host, server, row));
        }
    });
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let (items, next_cursor) = page.take(nodes, |node| node.id.clone());
    Ok(Json(Nodes { items, next_cursor }))
}

/// One node.
///
/// # Errors
/// There is none.
#[utoipa::path(get, path = "/api/v1/nodes/{id}", params(("id" = String, Path, description = "Public id of the node")), responses((status = 200, body = Node), (status = 404, body = crate::error::Problem)), security(("token" = [])))]
pub async fn find(State(ops): State<Ops>, Path(id): Path<String>) -> Result<Json<Node>, OpsError> {
    let found = find_node(&ops, &id)?;
    let row = node_row(&found, ops.clock.monotonic());
    Ok(Json(node(&found.host, found.server.as_ref(), row)))
}
