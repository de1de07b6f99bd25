//! Is the process up, and can it serve?

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::ops::Ops;

/// `/healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `/readyz`: the databases are open and migrated, and we are not stopping.
pub async fn readyz(State(ops): State<Ops>) -> Response {
    let stopping = ops.shutdown.is_cancelled();
    let open = ops.state.answers().await && ops.metrics.answers().await;
    match (stopping, open) {
        (false, true) => "ready\n".into_response(),
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
        (false, false) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        )
            .into_response(),
    }
}
