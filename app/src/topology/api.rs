//! The map's port, and the server function over it.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::view::{TopologyPage, TopologyQuery};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What the map needs of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait TopologyPort: Send + Sync {
    /// The map as of now.
    async fn topology(
        &self,
        who: &crate::backend::Operator,
        query: TopologyQuery,
    ) -> Result<TopologyPage, UiError>;
}

/// The map as of now.
#[server(prefix = "/fn", endpoint = "topology", input = Json, output = Answer)]
pub async fn load_topology(query: TopologyQuery) -> Result<TopologyPage, UiError> {
    answer(async move { backend()?.topology(&operator()?, query).await }).await
}
