//! The account port, and the server functions over it.

use leptos::prelude::*;

use super::view::{AboutView, FormFeedback, PageContext};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
};

/// What every page needs of the server about the one who looks.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait AccountPort: Send + Sync {
    /// `who` is `None` on the public pages.
    async fn page_context(
        &self,
        who: Option<&crate::backend::Operator>,
    ) -> Result<PageContext, UiError>;
    /// What this server is.
    async fn about(&self, who: &crate::backend::Operator) -> Result<AboutView, UiError>;
}

/// Who looks at what kind of server; the theme is read from the request's own cookie.
#[server(prefix = "/fn", endpoint = "page-context", output = Answer)]
pub async fn load_page_context() -> Result<PageContext, UiError> {
    answer(async {
        let theme = crate::preferences::Theme::of_request();
        let context = backend()?.page_context(operator().ok().as_ref()).await?;
        Ok(PageContext {
            theme: theme.as_str().to_owned(),
            ..context
        })
    })
    .await
}

/// What this server is.
#[server(prefix = "/fn", endpoint = "about", output = Answer)]
pub async fn load_about() -> Result<AboutView, UiError> {
    answer(async { backend()?.about(&operator()?).await }).await
}

/// What a refused form post has to say; nothing but on the response to that post.
#[server(prefix = "/fn", endpoint = "form-feedback", output = Answer)]
pub async fn load_form_feedback() -> Result<Option<FormFeedback>, UiError> {
    Ok(use_context::<FormFeedback>().or_else(|| use_context::<Option<FormFeedback>>().flatten()))
}
