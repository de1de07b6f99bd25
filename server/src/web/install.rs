//! The agent's program for machines to be added: the binary that was built beside this server, and its digest.
//!
//! It is served to anybody, as it holds no secret. Who installs it checks the digest that a signed-in page shows; the
//! page and the binary come from the same server, so this finds a broken download, not a malicious server (ADR 0006).

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::Digest;

use crate::error::OpsError;
use crate::ops::Ops;

/// Its name beside our own.
const AGENT: &str = "oc-agent";

/// The agent's binary as it is on disk now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentBinary {
    /// Where.
    pub path: PathBuf,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    modified: Option<SystemTime>,
}

/// Remembers the digest until the file changes.
#[derive(Debug, Default)]
pub struct AgentFile(Mutex<Option<AgentBinary>>);

impl AgentFile {
    /// The binary beside our own; `None` where there is none.
    pub async fn find(&self) -> Option<AgentBinary> {
        let path = std::env::current_exe().ok()?.parent()?.join(AGENT);
        let found = std::fs::metadata(&path).ok()?;
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let same = |known: &AgentBinary| {
            known.path == path
                && known.bytes == found.len()
                && known.modified == found.modified().ok()
        };
        if let Some(known) = known.filter(same) {
            return Some(known);
        }
        let content = tokio::fs::read(&path).await.ok()?;
        let digest = tokio::task::spawn_blocking(move || sha2::Sha256::digest(&content));
        let binary = AgentBinary {
            path,
            bytes: found.len(),
            sha256: data_encoding::HEXLOWER.encode(&digest.await.ok()?),
            modified: found.modified().ok(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(binary.clone());
        Some(binary)
    }
}

fn missing() -> OpsError {
    OpsError::not_found(
        "agent program beside this server; build it with `cargo xtask build`, named",
        AGENT,
    )
}

/// `GET /install/oc-agent`
///
/// # Errors
/// There is none beside the server.
pub async fn binary(State(ops): State<Ops>) -> Result<Response, OpsError> {
    let found = ops.agent_file.find().await.ok_or_else(missing)?;
    let content = tokio::fs::read(&found.path).await.map_err(|_| missing())?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"oc-agent\"",
        ),
    ];
    Ok((headers, Body::from(content)).into_response())
}

/// `GET /install/oc-agent.sha256`: a line as `sha256sum -c` reads it.
///
/// # Errors
/// There is none beside the server.
pub async fn digest(State(ops): State<Ops>) -> Result<String, OpsError> {
    let found = ops.agent_file.find().await.ok_or_else(missing)?;
    Ok(format!("{}  {AGENT}\n", found.sha256))
}
