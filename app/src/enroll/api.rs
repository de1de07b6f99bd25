//! The enrollment port, and the server functions over it.

use super::view::{AddNode, TokenStatus};
#[cfg(feature = "ssr")]
use super::view::{CreatedToken, TokenForm};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};
use leptos::prelude::*;

/// What "Add a node" needs of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait EnrollPort: Send + Sync {
    /// Makes a token. Each wrong field is named in the error.
    async fn create_token(
        &self,
        who: &crate::backend::Operator,
        form: TokenForm,
    ) -> Result<CreatedToken, UiError>;
    /// How a token is doing.
    async fn token_status(
        &self,
        who: &crate::backend::Operator,
        id: &str,
    ) -> Result<TokenStatus, UiError>;
    /// Tokens that still work, newest first.
    async fn list_tokens(
        &self,
        who: &crate::backend::Operator,
    ) -> Result<Vec<TokenStatus>, UiError>;
    /// Takes a token back.
    async fn revoke_token(&self, who: &crate::backend::Operator, id: &str) -> Result<(), UiError>;
    /// Existing (system, cluster) slugs, to choose from.
    async fn clusters(
        &self,
        who: &crate::backend::Operator,
    ) -> Result<Vec<(String, String)>, UiError>;
}

/// What the form offers, and what a post just made; a secret is handed over on the response to that post only.
#[server(prefix = "/fn", endpoint = "add-node", output = Answer)]
pub async fn load_add_node() -> Result<AddNode, UiError> {
    answer(async {
        let created = use_context::<CreatedToken>()
            .or_else(|| use_context::<Option<CreatedToken>>().flatten());
        Ok(AddNode {
            clusters: backend()?.clusters(&operator()?).await?,
            created,
        })
    })
    .await
}

/// How a token is doing.
#[server(prefix = "/fn", endpoint = "token-status", output = Answer)]
pub async fn load_token_status(id: String) -> Result<TokenStatus, UiError> {
    answer(async move { backend()?.token_status(&operator()?, &id).await }).await
}

/// Tokens that still work, newest first.
#[server(prefix = "/fn", endpoint = "tokens", output = Answer)]
pub async fn list_tokens() -> Result<Vec<TokenStatus>, UiError> {
    answer(async { backend()?.list_tokens(&operator()?).await }).await
}
