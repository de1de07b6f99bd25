//! The list of clusters as a file: `GET /clusters.csv` and `/clusters.json`, with the filter of the page.

use app::backend::Operator;
use app::clusters::view::ClustersQuery;
use axum::extract::{Extension, State};
use axum::response::Response;
use domain::access::{Action, authorize};
use domain::fleet::Status;
use serde::Deserialize;

use super::{api, service};
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::files::{CsvRow, attachment};
use crate::web::query::Params;

/// The filter, as in the page's URL.
#[derive(Debug, Default, Deserialize)]
pub struct ExportQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    sort: String,
}

async fn found(
    ops: &Ops,
    operator: &Operator,
    query: ExportQuery,
) -> Result<impl Iterator<Item = api::Cluster>, OpsError> {
    authorize(operator.role, Action::ViewFleet)?;
    let asked = ClustersQuery {
        q: query.q,
        status: Status::ALL
            .into_iter()
            .find(|status| status.as_str() == query.status),
        sort: query.sort,
    };
    let page = service::page(ops, &asked).await?;
    // A page may show everything beside the error; a file would only look as if it were filtered.
    if let Some(problem) = page.filter_error {
        return Err(OpsError::field("q", problem.message));
    }
    Ok(page.rows.into_iter().map(api::Cluster::from))
}

/// `GET /clusters.csv`
///
/// # Errors
/// When the database refuses.
pub async fn as_csv(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, OpsError> {
    let text = csv(found(&ops, &operator, query).await?);
    Ok(attachment("text/csv; charset=utf-8", "clusters.csv", text))
}

/// `GET /clusters.json`
///
/// # Errors
/// When the database refuses.
pub async fn as_json(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, OpsError> {
    let list: Vec<api::Cluster> = found(&ops, &operator, query).await?.collect();
    let text = serde_json::to_string(&list).map_err(|error| {
        tracing::error!(%error, "writing clusters failed");
        OpsError::Store
    })?;
    Ok(attachment("application/json", "clusters.json", text))
}

fn csv(clusters: impl Iterator<Item = api::Cluster>) -> String {
    let mut out = "system,environment,cluster,kind,status,reason,nodes,available,min_available,versions,cpu_used_ratio,memory_used_ratio\r\n".to_owned();
    for cluster in clusters {
        let number =
            |value: Option<f64>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
        let versions: Vec<String> = cluster
            .versions
            .iter()
            .map(|run| {
                let version = run.version.as_deref().unwrap_or("unknown");
                format!("{} {version}: {}", run.product, run.nodes)
            })
            .collect();
        CsvRow::new(&mut out)
            .text(&cluster.system)
            .text(cluster.environment.as_deref().unwrap_or_default())
            .text(&cluster.id)
            .text(cluster.kind)
            .text(cluster.status.unwrap_or_default())
            .text(&cluster.reason)
            .text(&cluster.nodes.to_string())
            .text(&cluster.available.to_string())
            .text(cluster.min_available.as_deref().unwrap_or_default())
            .text(&versions.join("; "))
            .text(&number(cluster.cpu_used_ratio))
            .text(&number(cluster.memory_used_ratio))
            .end();
    }
    out
}
