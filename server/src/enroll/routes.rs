//! What an agent asks before it has a session: the server's proof, and to be enrolled.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use protocol::http::MEDIA_TYPE;
use serde::Deserialize;

use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::query::Params;

/// Shortest nonce that is fresh enough.
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// `?nonce=`
#[derive(Debug, Deserialize)]
pub struct ProofQuery {
    nonce: String,
}

/// `GET /agent/v1/server?nonce=BASE64URL`: this server's key, proved.
///
/// # Errors
/// The nonce is not base64url, or too short.
pub async fn proof(
    State(ops): State<Ops>,
    Params(query): Params<ProofQuery>,
) -> Result<Response, OpsError> {
    let nonce = data_encoding::BASE64URL_NOPAD
        .decode(query.nonce.as_bytes())
        .ok()
        .filter(|nonce| NONCE_BYTES.contains(&nonce.len()))
        .ok_or_else(|| {
            OpsError::field(
                "nonce",
                "send 16 to 64 random bytes in base64url without padding",
            )
        })?;
    Ok(cbor(protocol::handshake::prove_server(
        &ops.server_key,
        &nonce,
    )))
}

/// `POST /agent/v1/enroll`
///
/// # Errors
/// See [`super::service::enroll`].
pub async fn enroll(State(ops): State<Ops>, body: Bytes) -> Result<Response, OpsError> {
    super::service::enroll(&ops, &body).await.map(cbor)
}

/// An answer to an agent.
pub fn cbor(body: Vec<u8>) -> Response {
    (
        [
            (header::CONTENT_TYPE, MEDIA_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}
