//! People's changes of nodes, one after another: what memory shows is what was committed last.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::db::WriteTx;
use crate::error::StoreError;

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turns(Arc<Mutex<()>>);

/// From reading what is there to telling memory what is there now.
#[derive(Debug)]
pub struct Turn {
    _held: OwnedMutexGuard<()>,
}

impl Turns {
    /// Waits for it.
    pub async fn take(&self) -> Turn {
        Turn {
            _held: self.0.clone().lock_owned().await,
        }
    }
}

impl Turn {
    /// Commits, and then tells memory: both, also when whoever asked goes away in between.
    ///
    /// # Errors
    /// When the database refuses; memory is told nothing.
    pub async fn commit(
        self,
        tx: WriteTx,
        doing: &'static str,
        tell: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        let task = tokio::spawn(async move {
            let committed = tx.commit().await;
            if committed.is_ok() {
                tell();
            }
            drop(self);
            committed
        });
        task.await
            .unwrap_or(Err(sqlx::Error::WorkerCrashed))
            .map_err(StoreError::doing(doing))
    }
}
