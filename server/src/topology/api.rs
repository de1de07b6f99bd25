//! The map for programs, and its forms.

use app::backend::Operator;
use axum::Json;
use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::model::Model;
use super::service::{self, MOVE_STEP, Wish};
use super::source;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::console::caller;
use crate::web::query::Params;

/// Who calls whom.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Topology {
    /// By slug.
    pub clusters: Vec<Cluster>,
    /// By from, to and port.
    pub edges: Vec<Edge>,
}

/// A cluster.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TopologyCluster)]
pub struct Cluster {
    /// Slug.
    pub slug: String,
    /// Slug of its system.
    pub system: String,
    /// What its nodes add up to, as in `/api/v1/clusters`: critical, unknown, warning, pending, maintenance, ok
    pub status: &'static str,
    /// Nodes that count.
    pub nodes: u64,
}

/// Connections from one cluster to another, at one port.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Edge {
    /// Slug of the cluster that opens them; `ext:` and an address or network for a peer outside.
    pub from: String,
    /// Slug of the cluster that accepts them; `ext:` and an address or network for a peer outside.
    pub to: String,
    /// Where they are accepted.
    pub port: u16,
    /// Connections; null when none are seen now.
    pub connections: Option<u32>,
    /// Of them without an answer or with retransmissions; null when none are seen now.
    pub failures: Option<u32>,
    /// Bytes a second over them, both ways together; null when none are seen now, and where no host tells it.
    pub bytes_per_s: Option<u64>,
    /// seen, stale, declared
    pub state: &'static str,
    /// First sight, ms UTC.
    pub first_seen_at_ms: Option<i64>,
    /// Last sight, ms UTC.
    pub last_seen_at_ms: Option<i64>,
}

/// `?system=`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TopologyParams {
    /// Only clusters of this system.
    #[serde(default)]
    system: String,
}

/// Clusters, and who calls whom.
///
/// # Errors
/// Wrong parameters, or the database.
#[utoipa::path(get, path = "/api/v1/topology", params(TopologyParams), responses((status = 200, body = Topology), (status = 401, body = crate::error::Problem), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn find(
    State(ops): State<Ops>,
    Params(params): Params<TopologyParams>,
) -> Result<Json<Topology>, OpsError> {
    let known = ops.topology.known();
    let said = source::said(&ops).await?;
    let mut model = Model::new(
        source::nodes(&ops),
        &said,
        known.edges.values(),
        &params.system,
    );
    model.declare(&known.declared);
    let clusters = model.clusters.iter().map(|(slug, cluster)| Cluster {
        slug: slug.clone(),
        system: cluster.system.clone(),
        status: cluster.status().as_str(),
        nodes: u64::from(cluster.rollup.members),
    });
    let edges = model.edges.iter().map(|edge| Edge {
        from: edge.from.clone(),
        to: edge.to.clone(),
        port: edge.port,
        connections: edge.connections,
        failures: edge.connections.map(|_| edge.failing),
        bytes_per_s: edge.bytes_per_s,
        state: edge.state.as_str(),
        first_seen_at_ms: edge.first_seen_at_ms,
        last_seen_at_ms: edge.last_seen_at_ms,
    });
    Ok(Json(Topology {
        clusters: clusters.collect(),
        edges: edges.collect(),
    }))
}

/// `POST /topology/tidy`
#[derive(Debug, Deserialize)]
pub struct Tidy {
    #[serde(default)]
    system: String,
    /// Not empty: brings back what was before.
    #[serde(default)]
    undo: String,
    #[serde(default)]
    back: String,
}

/// Lays a map out anew, or undoes that.
pub async fn tidy(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Form(form): Form<Tidy>,
) -> Response {
    let map = map_of(&ops, &form.system);
    let who = caller(&operator);
    let done = if form.undo.is_empty() {
        service::tidy(&ops, &who, &map).await
    } else {
        service::untidy(&ops, &who, &map).await
    };
    match done {
        Ok(()) => back(&form.back).into_response(),
        Err(error) => error.into_response(),
    }
}

/// `POST /topology/move`
#[derive(Debug, Deserialize)]
pub struct Move {
    #[serde(default)]
    system: String,
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    back: String,
}

/// Moves a box one step, or takes its pin out.
pub async fn move_box(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Form(form): Form<Move>,
) -> Response {
    let wish = match form.to.as_str() {
        "left" => Wish::By(-MOVE_STEP, 0),
        "right" => Wish::By(MOVE_STEP, 0),
        "up" => Wish::By(0, -MOVE_STEP),
        "down" => Wish::By(0, MOVE_STEP),
        "unpin" => Wish::Unpin,
        _ => {
            return OpsError::field("to", "write left, right, up, down or unpin").into_response();
        }
    };
    let map = map_of(&ops, &form.system);
    match service::move_box(&ops, &caller(&operator), &map, &form.cluster, wish).await {
        Ok(()) => back(&form.back).into_response(),
        Err(error) => error.into_response(),
    }
}

/// `POST /topology/declare`
#[derive(Debug, Deserialize)]
pub struct Declare {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    port: String,
    /// `back` takes it back.
    #[serde(default)]
    take: String,
    #[serde(default)]
    back: String,
}

/// Declares a dependency, or takes a declaration back.
pub async fn declare(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Form(form): Form<Declare>,
) -> Response {
    let Some(port) = form
        .port
        .trim()
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
    else {
        let given = domain::text::clean_label(&form.port.chars().take(40).collect::<String>());
        return OpsError::field(
            "port",
            format!("`{given}` is no port; write a number from 1 to 65535"),
        )
        .into_response();
    };
    let edge = (form.from, form.to.trim().to_owned(), port);
    match service::declare(&ops, &caller(&operator), edge, form.take == "back").await {
        Ok(()) => back(&form.back).into_response(),
        Err(error) => error.into_response(),
    }
}

/// A fleet of one system has one map.
fn map_of(ops: &Ops, system: &str) -> String {
    let others = source::nodes(ops);
    let is_one_of_many = others.iter().any(|node| node.row.system != system);
    if is_one_of_many {
        system.to_owned()
    } else {
        String::new()
    }
}

/// Back to the map as it was seen; never to another place.
fn back(to: &str) -> Redirect {
    if to.starts_with("/topology?") {
        Redirect::to(to)
    } else {
        Redirect::to("/topology")
    }
}
