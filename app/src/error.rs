//! The one error that crosses from the server to a page.

use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use crate::codec::JsonText;

/// What a page can say about a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum UiError {
    /// Nobody is signed in, or no longer.
    #[error("you are signed out; sign in again")]
    SignedOut,
    /// Signed in, but not allowed; says the role needed.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// A field is wrong: (field, what is wrong and the way out).
    #[error("{}", .0.iter().map(|(field, text)| format!("{field}: {text}")).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<(String, String)>),
    /// Somebody changed it meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// The server cannot do it now.
    #[error("{0}")]
    Unavailable(String),
    /// The line to the server is down.
    #[error("no connection to the server ({0})")]
    Offline(String),
}

impl UiError {
    /// HTTP status that says the same.
    pub fn status(&self) -> u16 {
        match self {
            UiError::SignedOut => 401,
            UiError::Forbidden(_) => 403,
            UiError::NotFound(_) => 404,
            UiError::Invalid(_) => 422,
            UiError::Conflict(_) => 409,
            UiError::Unavailable(_) => 503,
            UiError::Offline(_) => 502,
        }
    }
}

impl FromServerFnError for UiError {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(text) => UiError::Offline(text),
            other => UiError::Unavailable(other.to_string()),
        }
    }
}

/// Runs a server function's body and lets its HTTP status say what its error says.
///
/// # Errors
/// Whatever the body returns.
#[cfg(feature = "ssr")]
pub async fn answer<T>(body: impl Future<Output = Result<T, UiError>>) -> Result<T, UiError> {
    let response = leptos::prelude::use_context::<leptos_axum::ResponseOptions>();
    let result = body.await;
    if let (Err(error), Some(response)) = (&result, response)
        && let Ok(status) = http::StatusCode::from_u16(error.status())
    {
        response.set_status(status);
    }
    result
}
