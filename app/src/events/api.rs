//! The events' port, and the server function over it.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::view::{EventsPage, EventsQuery};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What the events page needs of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait EventsPort: Send + Sync {
    /// One page of the log.
    async fn events_page(
        &self,
        who: &crate::backend::Operator,
        query: EventsQuery,
    ) -> Result<EventsPage, UiError>;
}

/// One page of the log.
#[server(prefix = "/fn", endpoint = "events", input = Json, output = Answer)]
pub async fn list_events(query: EventsQuery) -> Result<EventsPage, UiError> {
    answer(async move { backend()?.events_page(&operator()?, query).await }).await
}
