//! The clusters' port, and the server functions over it.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::view::{ClusterCharts, ClusterDetail, ClustersPage, ClustersQuery};
use crate::codec::Answer;
use crate::error::UiError;
use crate::fleet::readout::PointSet;
use crate::fleet::view::RangeQuery;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What the clusters' pages need of the server. Settings are changed by a plain form, which needs no port.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait ClustersPort: Send + Sync {
    /// The list.
    async fn clusters_page(
        &self,
        who: &crate::backend::Operator,
        query: ClustersQuery,
    ) -> Result<ClustersPage, UiError>;
    /// A cluster's page.
    async fn cluster(
        &self,
        who: &crate::backend::Operator,
        slug: &str,
    ) -> Result<ClusterDetail, UiError>;
    /// Its charts, drawn.
    async fn cluster_charts(
        &self,
        who: &crate::backend::Operator,
        slug: &str,
        range: RangeQuery,
    ) -> Result<ClusterCharts, UiError>;
    /// The numbers behind them.
    async fn cluster_points(
        &self,
        who: &crate::backend::Operator,
        slug: &str,
        range: RangeQuery,
    ) -> Result<PointSet, UiError>;
}

/// The list.
#[server(prefix = "/fn", endpoint = "clusters", input = Json, output = Answer)]
pub async fn list_clusters(query: ClustersQuery) -> Result<ClustersPage, UiError> {
    answer(async move { backend()?.clusters_page(&operator()?, query).await }).await
}

/// A cluster's page.
#[server(prefix = "/fn", endpoint = "cluster", output = Answer)]
pub async fn load_cluster(slug: String) -> Result<ClusterDetail, UiError> {
    answer(async move { backend()?.cluster(&operator()?, &slug).await }).await
}

/// Its charts, drawn, on the reader's clock.
#[server(prefix = "/fn", endpoint = "cluster-charts", input = Json, output = Answer)]
pub async fn load_cluster_charts(
    slug: String,
    range: RangeQuery,
) -> Result<ClusterCharts, UiError> {
    answer(async move {
        let range = crate::fleet::api::for_reader(range);
        backend()?.cluster_charts(&operator()?, &slug, range).await
    })
    .await
}

/// The numbers behind its charts, for reading them by pointer and by keys.
#[server(prefix = "/fn", endpoint = "cluster-points", input = Json, output = Answer)]
pub async fn load_cluster_points(slug: String, range: RangeQuery) -> Result<PointSet, UiError> {
    answer(async move {
        let range = crate::fleet::api::for_reader(range);
        backend()?.cluster_points(&operator()?, &slug, range).await
    })
    .await
}
