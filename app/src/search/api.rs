//! The search's port, and the server function over it.

use leptos::prelude::*;

use super::view::Hit;
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What a search needs of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait SearchPort: Send + Sync {
    /// Nodes and clusters for these words, the likeliest first, and few.
    async fn search(&self, who: &crate::backend::Operator, q: &str) -> Result<Vec<Hit>, UiError>;
}

/// Everything that goes by these words.
#[server(prefix = "/fn", endpoint = "search", output = Answer)]
pub async fn search(q: String) -> Result<Vec<Hit>, UiError> {
    answer(async move {
        let who = operator()?;
        let mut hits = backend()?.search(&who, &q).await?;
        let places = super::view::places(&q, who.role);
        // Without words there is nothing to prefer a node by but its problem: after those, pages.
        if q.trim().is_empty() {
            let calm = hits.iter().position(|hit| hit.status.is_none());
            let calm = calm.unwrap_or(hits.len());
            hits.splice(calm..calm, places);
        } else {
            hits.extend(places);
        }
        Ok(hits)
    })
    .await
}
