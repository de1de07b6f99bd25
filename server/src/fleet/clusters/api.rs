//! Clusters for programs.

use app::clusters::view::{ClusterSummary, VersionCount};
use axum::Json;
use axum::extract::{Path, State};
use domain::access::Role;
use serde::Serialize;

use super::service;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::query::{ListQuery, Params};

/// A cluster.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Cluster {
    /// Its slug, unique in the installation.
    pub id: String,
    /// Its system.
    pub system: String,
    /// What the system is for; null where nobody said.
    pub environment: Option<String>,
    /// `stateless`, `replicated`, `primary_secondary` or `singleton`.
    pub kind: &'static str,
    /// Worst of its nodes that is not masked, capped at `warning` while a declared minimum is met; null without nodes.
    pub status: Option<&'static str>,
    /// Why, in words.
    pub reason: String,
    /// Nodes that count.
    pub nodes: u32,
    /// Nodes that do their work.
    pub available: u32,
    /// As declared, such as `10` or `50%`; null where it is not.
    pub min_available: Option<String>,
    /// The same in nodes.
    pub min_available_nodes: Option<u32>,
    /// Are so many available? Null where no minimum is declared.
    pub min_available_met: Option<bool>,
    /// Nodes by status; statuses without nodes are left out.
    pub counts: std::collections::BTreeMap<&'static str, u32>,
    /// What runs there.
    pub versions: Vec<Version>,
    /// Tags.
    #[schema(value_type = Object)]
    pub tags: std::collections::BTreeMap<String, String>,
    /// Mean over nodes that report, 0..=1.
    pub cpu_used_ratio: Option<f64>,
    /// Mean over nodes that report, 0..=1.
    pub memory_used_ratio: Option<f64>,
}

/// So many nodes run this.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Version {
    /// Product.
    pub product: String,
    /// Null where it is not known.
    pub version: Option<String>,
    /// Nodes.
    pub nodes: u32,
}

impl From<VersionCount> for Version {
    fn from(count: VersionCount) -> Self {
        Self {
            product: count.product,
            version: count.version,
            nodes: count.nodes,
        }
    }
}

impl From<ClusterSummary> for Cluster {
    fn from(summary: ClusterSummary) -> Self {
        let rollup = summary.rollup;
        Self {
            id: summary.slug,
            system: summary.system,
            environment: summary.environment,
            kind: summary.kind.as_str(),
            tags: summary.tags,
            status: rollup.status.map(domain::fleet::Status::as_str),
            reason: summary.reason,
            nodes: rollup.members,
            available: rollup.available,
            min_available: rollup.minimum.map(|minimum| minimum.declared.to_string()),
            min_available_nodes: rollup.minimum.map(|minimum| minimum.needed),
            min_available_met: rollup.minimum.map(|minimum| minimum.is_met),
            counts: rollup
                .counts
                .into_iter()
                .map(|(status, count)| (status.as_str(), count))
                .collect(),
            versions: summary.versions.into_iter().map(Into::into).collect(),
            cpu_used_ratio: summary.cpu_used_ratio,
            memory_used_ratio: summary.memory_used_ratio,
        }
    }
}

/// A page of clusters.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Clusters {
    /// This page.
    pub items: Vec<Cluster>,
    /// For `?cursor=`; null at the end.
    pub next_cursor: Option<String>,
}

/// All clusters, by slug.
///
/// # Errors
/// Wrong parameters, or the database.
#[utoipa::path(get, path = "/api/v1/clusters", params(ListQuery), responses((status = 200, body = Clusters), (status = 401, body = crate::error::Problem), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn list(
    State(ops): State<Ops>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Clusters>, OpsError> {
    let page = query.page()?;
    query.filter()?;
    let asked = app::clusters::view::ClustersQuery {
        q: query.filter.unwrap_or_default(),
        ..Default::default()
    };
    let mut clusters: Vec<Cluster> = service::page(&ops, &asked)
        .await?
        .rows
        .into_iter()
        .map(Cluster::from)
        .collect();
    clusters.sort_by(|a, b| a.id.cmp(&b.id));
    let (items, next_cursor) = page.take(clusters, |cluster| cluster.id.clone());
    Ok(Json(Clusters { items, next_cursor }))
}

/// One cluster with its signals, roles and nodes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ClusterPage {
    /// As in the list.
    #[serde(flatten)]
    pub cluster: Cluster,
    /// Roles in the order they are shown.
    pub role_order: Vec<String>,
    /// For people.
    pub notes: String,
    /// What it does now.
    pub signals: Signals,
    /// Nodes that count, by role.
    pub roles: Vec<RoleCount>,
    /// Public ids of its nodes, worst first in each role, at most 150; all are in `/api/v1/nodes?filter=`.
    pub node_ids: Vec<String>,
    /// Stretches in which many nodes fell silent together.
    pub silences: Vec<SilentTogether>,
}

/// What a cluster does now; null where it is not known.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Signals {
    /// TCP connections of all nodes.
    pub connections: Option<f64>,
    /// Packets its hosts lost to errors or dropped.
    pub packets_lost_per_s: Option<f64>,
    /// Median time of health probes.
    pub probe_ms: Option<f64>,
    /// The fullest resource, such as `Disk /var`.
    pub saturation_resource: Option<String>,
    /// Its share, 0..=1.
    pub saturation_ratio: Option<f64>,
    /// Public id of its node.
    pub saturation_node_id: Option<String>,
}

/// So many nodes have this role.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RoleCount {
    /// Null: without a role.
    pub role: Option<String>,
    /// Nodes by status.
    pub counts: std::collections::BTreeMap<&'static str, u32>,
}

/// Nodes that fell silent together.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SilentTogether {
    /// How many.
    pub silent: u32,
    /// Of so many.
    pub of: u32,
    /// Last report of the first of them, ms UTC.
    pub since_at_ms: i64,
    /// Across clusters?
    pub fleet_wide: bool,
}

/// One cluster.
///
/// # Errors
/// There is none, or the database.
#[utoipa::path(get, path = "/api/v1/clusters/{slug}", params(("slug" = String, Path, description = "Slug of the cluster")), responses((status = 200, body = ClusterPage), (status = 404, body = crate::error::Problem)), security(("token" = [])))]
pub async fn find(
    State(ops): State<Ops>,
    Path(slug): Path<String>,
) -> Result<Json<ClusterPage>, OpsError> {
    let record = service::find(&ops, &slug).await?;
    let detail = service::detail(&ops, Role::Viewer, &slug).await?;
    let (resource, fullest) = detail.signals.saturation.unzip();
    Ok(Json(ClusterPage {
        cluster: detail.summary.into(),
        role_order: record.settings.role_order,
        notes: record.settings.notes,
        signals: Signals {
            connections: detail.signals.connections,
            packets_lost_per_s: detail.signals.lost_per_s,
            probe_ms: detail.signals.probe_ms,
            saturation_resource: resource,
            saturation_ratio: fullest.as_ref().map(|found| found.value),
            saturation_node_id: fullest.map(|found| found.id),
        },
        roles: detail
            .roles
            .into_iter()
            .map(|group| RoleCount {
                role: group.role,
                counts: group
                    .counts
                    .into_iter()
                    .map(|(status, count)| (status.as_str(), count))
                    .collect(),
            })
            .collect(),
        node_ids: detail.members.into_iter().map(|member| member.id).collect(),
        silences: detail
            .silences
            .into_iter()
            .map(|silence| SilentTogether {
                silent: silence.silent,
                of: silence.of,
                since_at_ms: silence.since_ms,
                fleet_wide: silence.scope == domain::fleet::silence::Scope::Fleet,
            })
            .collect(),
    }))
}
