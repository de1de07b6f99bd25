//! The one connection that writes a database, and whose turn it is.
//!
//! Not a pool of one: a pool asks the connection at each release whether it is well, and each question is two wake-ups of
//! threads, as much as a small commit. Invariants: what was begun and not committed is undone before anything else is
//! written, also when whoever began it was cancelled, and also where SQLite ended it by itself (a full disk).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, QueryBuilder, Sqlite};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::error::is_full;

const BEGIN: &str = "BEGIN IMMEDIATE";

#[derive(Debug)]
pub(super) struct Writing {
    connection: SqliteConnection,
    /// A transaction was begun, and is not known to have ended.
    is_begun: bool,
}

type Held = OwnedMappedMutexGuard<Option<Writing>, Writing>;

/// The connection, or nothing any more once it is closed.
#[derive(Debug, Clone)]
pub(super) struct WriteConnection {
    writing: Arc<Mutex<Option<Writing>>>,
    /// A commit was refused because nothing is free on the disk; until somebody asks.
    is_refused: Arc<AtomicBool>,
}

impl Writing {
    async fn undo(&mut self) {
        if self.is_begun {
            // Where the disk is full SQLite has ended it by itself, and this finds none.
            let _none = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.is_begun = false;
        }
    }
}

impl WriteConnection {
    pub fn new(connection: SqliteConnection) -> Self {
        Self {
            writing: Arc::new(Mutex::new(Some(Writing {
                connection,
                is_begun: false,
            }))),
            is_refused: Arc::default(),
        }
    }

    /// Waits for its turn. Nothing is begun then.
    async fn hold(&self) -> Result<Held, sqlx::Error> {
        let held = self.writing.clone().lock_owned().await;
        let mut held =
            OwnedMutexGuard::try_map(held, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
        held.undo().await;
        Ok(held)
    }

    pub async fn begin(&self) -> Result<WriteTx, sqlx::Error> {
        let mut held = self.hold().await?;
        held.is_begun = true;
        let mut tx = WriteTx {
            held,
            of: self.clone(),
        };
        sqlx::query(BEGIN).execute(&mut *tx).await?;
        Ok(tx)
    }

    pub fn statements() -> QueryBuilder<Sqlite> {
        QueryBuilder::new(format!("{BEGIN}; "))
    }

    pub async fn run(&self, mut statements: QueryBuilder<Sqlite>) -> Result<(), sqlx::Error> {
        statements.push("; COMMIT");
        let mut held = self.hold().await?;
        held.is_begun = true;
        let done = statements.build().execute(&mut held.connection).await;
        self.hear(&done);
        done?;
        held.is_begun = false;
        Ok(())
    }

    fn hear<T>(&self, done: &Result<T, sqlx::Error>) {
        if done.as_ref().is_err_and(is_full) {
            self.is_refused.store(true, Ordering::Relaxed);
        }
    }

    /// Was a commit refused since this was last asked, because the disk is full?
    pub fn take_refused(&self) -> bool {
        self.is_refused.swap(false, Ordering::Relaxed)
    }

    /// Makes sure of so many free bytes within the database and as many in its log: they can be written on a disk where
    /// nothing is free. What is freed is free to this file alone. The log, which a stop in good order removes, has
    /// `log_bytes` now.
    pub async fn reserve(&self, bytes: u64, log_bytes: u64) -> Result<(), sqlx::Error> {
        let mut held = self.hold().await?;
        let connection = &mut held.connection;
        let pages: i64 = sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(&mut *connection)
            .await?;
        let page_bytes: i64 = sqlx::query_scalar("PRAGMA page_size")
            .fetch_one(&mut *connection)
            .await?;
        let free_bytes = u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(0);
        let missing_bytes = match log_bytes < bytes {
            // What is free is filled, too, on its way through the log.
            true => bytes,
            false => bytes.saturating_sub(free_bytes),
        };
        if missing_bytes == 0 {
            return Ok(());
        }
        // Committed first and freed then: what is freed within one transaction never reaches the disk.
        let fill = format!(
            "CREATE TABLE IF NOT EXISTS reserve (filler BLOB); \
             INSERT INTO reserve VALUES (zeroblob({})); PRAGMA wal_checkpoint(PASSIVE)",
            missing_bytes
        );
        let filled = sqlx::raw_sql(sqlx::AssertSqlSafe(fill))
            .execute(&mut *connection)
            .await;
        let freed = sqlx::raw_sql("DROP TABLE IF EXISTS reserve; PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut *connection)
            .await;
        filled.and(freed).map(|_| ())
    }

    pub async fn close(&self) {
        let taken = self.writing.lock().await.take();
        if let Some(writing) = taken
            && let Err(error) = writing.connection.close().await
        {
            tracing::warn!(%error, "a database was not closed in good order");
        }
    }

    #[doc(hidden)]
    pub async fn pragma(&self, pragma: &str) -> Result<(), sqlx::Error> {
        let mut held = self.hold().await?;
        let set = sqlx::query(sqlx::AssertSqlSafe(pragma.to_owned()));
        set.execute(&mut held.connection).await.map(|_| ())
    }
}

/// A transaction that writes. Undone when it is dropped without [`WriteTx::commit`].
#[derive(Debug)]
pub struct WriteTx {
    held: Held,
    of: WriteConnection,
}

impl WriteTx {
    /// Makes it durable.
    ///
    /// # Errors
    /// When the database refuses; then nothing of it was written.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        let done = sqlx::query("COMMIT").execute(&mut *self).await;
        self.of.hear(&done);
        done?;
        self.held.is_begun = false;
        Ok(())
    }
}

impl Deref for WriteTx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.held.connection
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.held.connection
    }
}

impl Drop for WriteTx {
    /// Whoever writes next undoes it first; so that readers need not wait for that, it is done at once where it can be.
    fn drop(&mut self) {
        if !self.held.is_begun {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let of = self.of.clone();
            runtime.spawn(async move { of.hold().await.map(drop) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    async fn connection() -> WriteConnection {
        let options = SqliteConnectOptions::new().in_memory(true);
        let writing = WriteConnection::new(options.connect().await.unwrap());
        let mut made = WriteConnection::statements();
        made.push("CREATE TABLE t (a INTEGER NOT NULL)");
        writing.run(made).await.unwrap();
        writing
    }

    async fn insert(tx: &mut SqliteConnection) {
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(tx)
            .await
            .unwrap();
    }

    async fn count(writing: &WriteConnection) -> i64 {
        let mut tx = writing.begin().await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM t")
            .fetch_one(&mut *tx)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_not_committed_is_undone() {
        let writing = connection().await;
        let mut dropped = writing.begin().await.unwrap();
        insert(&mut dropped).await;
        drop(dropped);
        assert_eq!(count(&writing).await, 0);
        let mut kept = writing.begin().await.unwrap();
        insert(&mut kept).await;
        kept.commit().await.unwrap();
        assert_eq!(count(&writing).await, 1);
    }

    #[tokio::test]
    async fn statements_are_one_transaction_and_one_that_fails_leaves_nothing_open() {
        let writing = connection().await;
        let mut broken = WriteConnection::statements();
        broken.push("INSERT INTO t VALUES (1); INSERT INTO t VALUES (NULL)");
        writing.run(broken).await.unwrap_err();
        assert_eq!(count(&writing).await, 0);
        let mut whole = WriteConnection::statements();
        whole.push("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
        writing.run(whole).await.unwrap();
        assert_eq!(count(&writing).await, 2);
    }

    #[tokio::test]
    async fn a_commit_that_found_no_room_is_heard_once() {
        let writing = connection().await;
        assert!(!writing.take_refused());
        writing.pragma("PRAGMA max_page_count = 2").await.unwrap();
        let mut large = WriteConnection::statements();
        large.push("CREATE TABLE u AS SELECT zeroblob(100000) AS filler");
        writing.run(large).await.unwrap_err();
        assert!(writing.take_refused());
        assert!(!writing.take_refused());
        let mut wrong = WriteConnection::statements();
        wrong.push("INSERT INTO t VALUES (NULL)");
        writing.run(wrong).await.unwrap_err();
        assert!(!writing.take_refused(), "this is no matter of room");
    }

    #[tokio::test]
    async fn what_is_reserved_can_be_written_without_a_larger_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .auto_vacuum(sqlx::sqlite::SqliteAutoVacuum::Incremental)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        let writing = WriteConnection::new(options.connect().await.unwrap());
        let mut made = WriteConnection::statements();
        made.push("CREATE TABLE t (a BLOB NOT NULL)");
        writing.run(made).await.unwrap();
        let reserved = 1 << 20;
        writing.reserve(reserved, 0).await.unwrap();
        let log = folder.path().join("a.db-wal");
        let blocks = |path: &std::path::Path| {
            use std::os::unix::fs::MetadataExt;
            path.metadata().unwrap().blocks() * 512
        };
        let before = (blocks(&path), blocks(&log));
        assert!(before.0 >= reserved && before.1 >= reserved, "{before:?}");
        // Nothing to be done where there is enough; after a stop the log alone is made again.
        writing.reserve(reserved, reserved).await.unwrap();
        assert_eq!((blocks(&path), blocks(&log)), before);
        writing.reserve(reserved, 0).await.unwrap();
        assert_eq!((blocks(&path), blocks(&log)), before);
        for _ in 0..100 {
            let mut more = WriteConnection::statements();
            more.push("INSERT INTO t VALUES (zeroblob(9000))");
            writing.run(more).await.unwrap();
            writing
                .pragma("PRAGMA wal_checkpoint(PASSIVE)")
                .await
                .unwrap();
        }
        assert_eq!((blocks(&path), blocks(&log)), before);
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_is_no_obstacle() {
        let writing = connection().await;
        let mut tx = writing.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        assert_eq!(count(&writing).await, 0);
        writing.close().await;
        let closed = writing.begin().await.unwrap_err();
        assert!(matches!(closed, sqlx::Error::PoolClosed), "{closed}");
    }
}
