//! The fleet's port, and the server functions over it.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::readout::PointSet;
use super::view::{
    BulkReport, ChartSet, Inbox, NodeDetail, NodeSections, NodesPage, NodesQuery, Overview,
    RangeQuery,
};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What the fleet's pages need of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait FleetPort: Send + Sync {
    /// The overview as of now: of one system, or of all.
    async fn overview(
        &self,
        who: &crate::backend::Operator,
        system: Option<&str>,
    ) -> Result<Overview, UiError>;
    /// One page of the nodes list.
    async fn nodes(
        &self,
        who: &crate::backend::Operator,
        query: NodesQuery,
    ) -> Result<NodesPage, UiError>;
    /// A node's page.
    async fn node(&self, who: &crate::backend::Operator, id: &str) -> Result<NodeDetail, UiError>;
    /// What was found and waits for a decision.
    async fn inbox(&self, who: &crate::backend::Operator) -> Result<Inbox, UiError>;
    /// Its charts, drawn.
    async fn charts(
        &self,
        who: &crate::backend::Operator,
        id: &str,
        range: RangeQuery,
    ) -> Result<ChartSet, UiError>;
    /// The numbers behind its charts.
    async fn points(
        &self,
        who: &crate::backend::Operator,
        id: &str,
        range: RangeQuery,
    ) -> Result<PointSet, UiError>;
    /// What its host's lists told last.
    async fn sections(
        &self,
        who: &crate::backend::Operator,
        id: &str,
    ) -> Result<NodeSections, UiError>;
}

/// The overview as of now: of one system, or of all.
#[server(prefix = "/fn", endpoint = "overview", output = Answer)]
pub async fn load_overview(system: Option<String>) -> Result<Overview, UiError> {
    answer(async move { backend()?.overview(&operator()?, system.as_deref()).await }).await
}

/// One page of the nodes list.
#[server(prefix = "/fn", endpoint = "nodes", input = Json, output = Answer)]
pub async fn list_nodes(query: NodesQuery) -> Result<NodesPage, UiError> {
    answer(async move { backend()?.nodes(&operator()?, query).await }).await
}

/// A node's page.
#[server(prefix = "/fn", endpoint = "node", output = Answer)]
pub async fn load_node(id: String) -> Result<NodeDetail, UiError> {
    answer(async move { backend()?.node(&operator()?, &id).await }).await
}

/// What was found and waits for a decision.
#[server(prefix = "/fn", endpoint = "inbox", output = Answer)]
pub async fn load_inbox() -> Result<Inbox, UiError> {
    answer(async { backend()?.inbox(&operator()?).await }).await
}

/// With what the reader's own cookies say of units and clock.
#[cfg(feature = "ssr")]
pub fn for_reader(range: RangeQuery) -> RangeQuery {
    let preferences = crate::preferences::Preferences::current();
    RangeQuery {
        network_bytes: preferences.network_bytes,
        zone_minutes: preferences.zone.0,
        ..range
    }
}

/// A node's charts, drawn.
#[server(prefix = "/fn", endpoint = "charts", input = Json, output = Answer)]
pub async fn load_charts(id: String, range: RangeQuery) -> Result<ChartSet, UiError> {
    answer(async move {
        let range = for_reader(range);
        backend()?.charts(&operator()?, &id, range).await
    })
    .await
}

/// The numbers behind a node's charts, for whoever reads them closely.
#[server(prefix = "/fn", endpoint = "chart-points", input = Json, output = Answer)]
pub async fn load_points(id: String, range: RangeQuery) -> Result<PointSet, UiError> {
    answer(async move {
        let range = for_reader(range);
        backend()?.points(&operator()?, &id, range).await
    })
    .await
}

/// What its host's lists told last.
#[server(prefix = "/fn", endpoint = "sections", output = Answer)]
pub async fn load_sections(id: String) -> Result<NodeSections, UiError> {
    answer(async move { backend()?.sections(&operator()?, &id).await }).await
}

/// What became of a change of many nodes; nothing but on the response to that form.
#[server(prefix = "/fn", endpoint = "bulk-report", output = Answer)]
pub async fn load_bulk_report() -> Result<Option<BulkReport>, UiError> {
    Ok(use_context::<BulkReport>())
}
