//! Which sessions are good, read for all live connections at once: a thousand of them ask the database no more often than
//! one does.
//!
//! Asked by `fleet::stream`. Requests ask `service::find_session`, which is never older than the request.

use std::collections::HashMap;

use domain::time::Monotonic;
use protocol::keys::digest;
use tokio::sync::Mutex;

use super::service::{SEEN_STEP_MS, SESSION_IDLE_MS, SESSION_LIFE_MS, find_session};
use super::store;
use crate::error::StoreError;
use crate::ops::Ops;

/// How old an answer may be: so much later than its revocation a session loses its connections.
const READ_AGAIN_MS: u64 = 1_000;

/// The sessions as they were a moment ago.
#[derive(Debug, Default)]
pub struct OpenSessions(Mutex<Reading>);

#[derive(Debug, Default)]
struct Reading {
    at: Option<Monotonic>,
    /// By the digest of its token: when it was last used, to the minute.
    last_seen_at_ms: HashMap<[u8; 32], i64>,
}

impl OpenSessions {
    /// Is this session good? Being asked keeps it so, as a request does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn is_open(&self, ops: &Ops, token: &str) -> Result<bool, StoreError> {
        let hash = digest(token.as_bytes());
        let (now, now_ms) = (ops.clock.monotonic(), ops.clock.now().0);
        let last_seen_at_ms = {
            let mut reading = self.0.lock().await;
            if reading
                .at
                .is_none_or(|at| now.since_ms(at) >= READ_AGAIN_MS)
            {
                let read = store::list_sessions_since(
                    ops.state.read(),
                    now_ms - SESSION_LIFE_MS,
                    now_ms - SESSION_IDLE_MS,
                );
                reading.last_seen_at_ms = read.await?;
                reading.at = Some(now);
            }
            reading.last_seen_at_ms.get(&hash).copied()
        };
        // Newer than what was read, or its use is to be noted: both happen once.
        match last_seen_at_ms {
            Some(at_ms) if now_ms - at_ms <= SEEN_STEP_MS => Ok(true),
            _ => Ok(find_session(ops, token).await?.is_some()),
        }
    }
}
