//! SQLite: how both databases are opened, migrated and written. The only file that knows which database it is.
//!
//! Invariants: one writer a file, `synchronous=FULL`, readers cannot write, a database of a newer version is refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{QueryBuilder, Sqlite};

use crate::error::{StoreError, is_damage};

mod write;

use write::WriteConnection;
pub use write::WriteTx;

/// The files of `migrations/`, as the build script lists them.
mod files {
    include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
}

/// The fleet, people, tokens, events.
pub fn state_migrations() -> Migrator {
    migrator(files::STATE)
}

/// Samples.
pub fn metrics_migrations() -> Migrator {
    migrator(files::METRICS)
}

/// Version, name and text of each file. Not `sqlx::migrate!`: its macros would have SQLite and tokio compiled twice.
fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}

/// First SQLite without the WAL-reset corruption bug.
const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);
const READERS: u32 = 4;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// SQLite is too old to be trusted with data.
    #[error(
        "SQLite {found} is refused: versions before 3.51.3 can corrupt a database (WAL reset); build with a newer one"
    )]
    SqliteTooOld {
        /// What was linked.
        found: String,
    },
    /// Written by a later version of this program.
    #[error(
        "{path} was written by a newer version of operations-center (schema {found}, this one knows {known}): start that version, or restore a backup made before the update"
    )]
    Newer {
        /// Which database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// A migration failed; nothing of it remains.
    #[error("{path}: the schema could not be brought up to date")]
    Migrate {
        /// Which database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: MigrateError,
    },
    /// It could not be copied before its schema would have changed; nothing was changed.
    #[error("{path}: the database could not be copied before the update; is there room?")]
    Copy {
        /// Which database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// What it holds cannot be trusted.
    #[error(
        "{path}: the database is damaged ({detail}): restore a backup into another folder with `operations-center backup restore FILE --data FOLDER`, or move this folder away"
    )]
    Damaged {
        /// Which database.
        path: PathBuf,
        /// How, as SQLite says.
        detail: String,
    },
    /// It cannot be opened.
    #[error("{path}: the database cannot be opened")]
    Open {
        /// Which database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
}

/// One database: one connection that writes, a few that read.
#[derive(Debug, Clone)]
pub struct Db {
    path: PathBuf,
    write: WriteConnection,
    read: SqlitePool,
}

impl Db {
    /// Opens, or makes, the database and brings its schema up to date.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn open(path: &Path, migrations: &Migrator) -> Result<Self, DbError> {
        let open_error = open_error(path);
        make_private(path).map_err(&open_error)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .pragma("journal_size_limit", "67108864")
            .pragma("mmap_size", "0")
            .optimize_on_close(false, None);
        let first = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(&open_error)?;
        check_version(&first).await.map_err(&open_error)??;
        copy_before_migration(path, &first, migrations).await?;
        migrate(path, &first, migrations).await?;
        make_shrinkable(&first).await.map_err(&open_error)?;
        let write = first.acquire().await.map_err(&open_error)?.detach();
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            // A file cannot be hung up on; asking each time costs a thread's turn.
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(&open_error)?;
        Ok(Self {
            path: path.to_owned(),
            write: WriteConnection::new(write),
            read,
        })
    }

    /// Writes a consistent, compact copy into `target`, which must not exist; writers go on meanwhile.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub async fn copy_into(&self, target: &Path) -> Result<(), StoreError> {
        let copied = copy(&self.path, target).await;
        copied.map_err(StoreError::doing("copying a database"))
    }

    /// Connections that only read.
    pub fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// Begins a transaction that will write. It takes the write lock at once, so it never fails half way for a reader.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        let begun = self.write.begin().await;
        begun.map_err(StoreError::doing("beginning to write"))
    }

    /// Where the statements of [`Db::write_at_once`] are written, with `; ` between them.
    pub fn statements() -> QueryBuilder<Sqlite> {
        WriteConnection::statements()
    }

    /// Runs [`Db::statements`] as one transaction in one turn of the connection's thread: each turn is two wake-ups, which
    /// for a small write is most of what it costs.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing was.
    pub async fn write_at_once(&self, statements: QueryBuilder<Sqlite>) -> Result<(), sqlx::Error> {
        self.write.run(statements).await
    }

    /// Was a commit refused since this was last asked, because the disk is full?
    pub fn take_refused(&self) -> bool {
        self.write.take_refused()
    }

    /// Keeps so much room within the database's own files, for a day when there is none outside.
    ///
    /// # Errors
    /// There is not so much room.
    pub async fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let log_bytes = std::fs::metadata(log).map_or(0, |found| found.len());
        let reserved = self.write.reserve(bytes, log_bytes).await;
        reserved.map_err(StoreError::doing("reserving room in a database"))
    }

    /// Closes all connections; the write-ahead log is folded in.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn open_error(path: &Path) -> impl Fn(sqlx::Error) -> DbError + use<> {
    let path = path.to_owned();
    move |source| match is_damage(&source) {
        true => DbError::Damaged {
            path: path.clone(),
            detail: source.to_string(),
        },
        false => DbError::Open {
            path: path.clone(),
            source,
        },
    }
}

/// Makes the file, where there is none, for its owner alone; SQLite makes those beside it alike.
fn make_private(path: &Path) -> Result<(), sqlx::Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    options.create(true).append(true).mode(0o600);
    options.open(path).map(drop).map_err(sqlx::Error::Io)
}

/// Is there a database with a schema? With `is_thorough` it is read from end to end, which takes 0.5 s a GB from memory
/// and 13 s a GB from a slow disk; that is for a server that was not stopped in good order.
///
/// # Errors
/// It cannot be opened, or is damaged.
pub async fn has_content(path: &Path, is_thorough: bool) -> Result<bool, DbError> {
    if !path.exists() {
        return Ok(false);
    }
    let open_error = open_error(path);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(path))
        .await
        .map_err(&open_error)?;
    let looked = async {
        if is_thorough {
            let detail: String = sqlx::query_scalar("PRAGMA quick_check(1)")
                .fetch_one(&pool)
                .await
                .map_err(&open_error)?;
            if detail != "ok" {
                return Err(DbError::Damaged {
                    path: path.to_owned(),
                    detail,
                });
            }
        }
        Ok(schema_of(&pool).await.map_err(&open_error)?.is_some())
    };
    let found = looked.await;
    pool.close().await;
    found
}

/// Through a connection of its own: our readers may not even write elsewhere.
async fn copy(path: &Path, target: &Path) -> Result<(), sqlx::Error> {
    make_private(target)?;
    let source = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(path))
        .await?;
    let done = sqlx::query("VACUUM INTO $1")
        .bind(target.to_string_lossy().into_owned())
        .execute(&source)
        .await;
    source.close().await;
    done?;
    std::fs::File::open(target)
        .and_then(|file| file.sync_all())
        .map_err(sqlx::Error::Io)
}

/// A schema is only ever changed after a copy of the database was put into `backups` beside it.
async fn copy_before_migration(
    path: &Path,
    pool: &SqlitePool,
    migrations: &Migrator,
) -> Result<(), DbError> {
    let error = |source| DbError::Copy {
        path: path.to_owned(),
        source,
    };
    let known = newest(migrations);
    let found = schema_of(pool).await.map_err(error)?;
    let Some(found) = found.filter(|found| *found < known) else {
        return Ok(());
    };
    let folder = path
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .join("backups");
    let name = path
        .file_stem()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let target = folder.join(format!("{name}-before-schema-{known}.db"));
    let prepared =
        std::fs::create_dir_all(&folder).and_then(|()| match std::fs::remove_file(&target) {
            // Of an attempt that ended before its migration did.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
    prepared.map_err(sqlx::Error::Io).map_err(error)?;
    copy(path, &target).await.map_err(error)?;
    tracing::info!(path = %target.display(), schema = found, "database copied before its schema changes");
    Ok(())
}

/// The schema a database has; `None` for one that is new.
async fn schema_of(pool: &SqlitePool) -> Result<Option<i64>, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
    )
    .fetch_one(pool)
    .await?;
    if tables == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(pool)
        .await
}

fn newest(migrations: &Migrator) -> i64 {
    migrations
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// Opens a copy to look into it; nothing of it is changed.
///
/// # Errors
/// It is no database of ours, or one of a newer version.
pub async fn open_copy(path: &Path, migrations: &Migrator) -> Result<SqlitePool, DbError> {
    let open_error = open_error(path);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(
            SqliteConnectOptions::new()
                .filename(path)
                .read_only(true)
                .pragma("trusted_schema", "OFF")
                .pragma("cell_size_check", "ON"),
        )
        .await
        .map_err(&open_error)?;
    let (found, known) = (
        schema_of(&pool).await.map_err(&open_error)?,
        newest(migrations),
    );
    match found {
        Some(found) if found <= known => Ok(pool),
        found => Err(DbError::Newer {
            path: path.to_owned(),
            found: found.unwrap_or(0),
            known,
        }),
    }
}

/// The first damage that SQLite finds in a copy, in its words.
///
/// # Errors
/// When it cannot even be read.
pub async fn find_damage(pool: &SqlitePool) -> Result<Option<String>, StoreError> {
    let integrity: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_all(pool)
        .await
        .map_err(|error| StoreError::of_copy(&error))?;
    if let Some(damage) = integrity.into_iter().find(|line| line != "ok") {
        return Ok(Some(damage));
    }
    let orphans = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(pool)
        .await
        .map_err(|error| StoreError::of_copy(&error))?;
    Ok((!orphans.is_empty()).then(|| format!("{} rows refer to what is not there", orphans.len())))
}

async fn check_version(pool: &SqlitePool) -> Result<Result<(), DbError>, sqlx::Error> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?;
    let mut parts = found
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
    );
    Ok(if version < SQLITE_OLDEST {
        Err(DbError::SqliteTooOld { found })
    } else {
        Ok(())
    })
}

/// A file that was made without it learns to give space back; this rewrites it once.
async fn make_shrinkable(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    const INCREMENTAL: i64 = 2;
    let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum")
        .fetch_one(pool)
        .await?;
    if mode != INCREMENTAL {
        sqlx::raw_sql("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
            .execute(pool)
            .await?;
    }
    Ok(())
}

async fn migrate(path: &Path, pool: &SqlitePool, migrations: &Migrator) -> Result<(), DbError> {
    match migrations.run(pool).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(DbError::Newer {
            path: path.to_owned(),
            found,
            known: newest(migrations),
        }),
        Err(source) => Err(DbError::Migrate {
            path: path.to_owned(),
            source,
        }),
    }
}

impl Db {
    /// Does it answer a question?
    pub async fn answers(&self) -> bool {
        sqlx::query_scalar::<_, i64>("SELECT 1")
            .fetch_one(&self.read)
            .await
            .is_ok()
    }
}

impl Db {
    /// Sets a pragma of the writing connection, so that a test can make SQLite itself refuse.
    #[doc(hidden)]
    pub async fn pragma_for_tests(&self, pragma: &str) {
        let set = self.write.pragma(pragma).await;
        debug_assert!(set.is_ok());
    }
}
