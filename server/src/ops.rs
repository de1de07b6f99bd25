//! The one handle that everything in the server is given: databases, keys, clocks, what is live. No statics.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use domain::time::Timestamp;
use protocol::keys::PrivateKey;
use tokio_util::sync::CancellationToken;

use crate::agents::packs::Offered;
use crate::agents::sessions::Sessions;
use crate::auth::setup::SetupCode;
use crate::auth::throttle::LoginGuard;
use crate::clock::Clock;
use crate::config::Settings;
use crate::datadir::{DataDir, DataDirError};
use crate::db::{self, Db, DbError, metrics_migrations, state_migrations};
use crate::error::StoreError;
use crate::fleet;
use crate::fleet::live::Live;
use crate::fleet::topics::Topics;
use crate::fleet::turn::Turns;
use crate::fleet::writer::NewsHandle;
use crate::health::disk::Disk;
use crate::health::lanes::Lanes;
use crate::health::meters::Meters;
use crate::people::open::OpenSessions;
use crate::series::writer::{Writer, WriterHandle};
use crate::topology::service::Topology;
use crate::web::console::Console;
use crate::web::install::AgentFile;

/// Why the server or a local command cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// One of two databases that belong together is gone; a new one in its place would deny what the other knows.
    #[error(
        "{lost} is missing or empty, but {kept} is not: restore a backup into another folder with `operations-center backup restore FILE --data FOLDER`, or move this folder away to begin anew"
    )]
    Lost {
        /// What is missing.
        lost: PathBuf,
        /// What is there.
        kept: PathBuf,
    },
    /// A database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What is in a database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours in the names of what we measure.
    #[error("the meters cannot be made")]
    Meters(#[from] prometheus::Error),
}

/// See [`Inner`]; cheap to clone.
#[derive(Clone)]
pub struct Ops(Arc<Inner>);

impl Deref for Ops {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What there is once in a process.
pub struct Inner {
    /// As configured.
    pub settings: Settings,
    /// Time.
    pub clock: Clock,
    /// Fleet, people, tokens, events.
    pub state: Db,
    /// Samples.
    pub metrics: Db,
    /// The only way to write samples.
    pub writer: WriterHandle,
    /// The only way to write what hosts tell about themselves.
    pub news: NewsHandle,
    /// What every host last said.
    pub live: Live,
    /// People's changes of nodes.
    pub turns: Turns,
    /// What pages follow.
    pub topics: Topics,
    /// Who calls whom, and where the map draws it.
    pub topology: Topology,
    /// Agents' sessions.
    pub sessions: Sessions,
    /// People's sessions, for their live connections.
    pub open_sessions: OpenSessions,
    /// The server's identity towards agents.
    pub server_key: PrivateKey,
    /// The one-time code of the first administrator.
    pub setup: SetupCode,
    /// Slows down guessing of passwords.
    pub login_guard: LoginGuard,
    /// What we measure of ourselves.
    pub meters: Meters,
    /// How many requests of each kind are let in at once.
    pub lanes: Lanes,
    /// How full our disk is.
    pub disk: Disk,
    /// Product packs that agents are offered.
    pub packs: Offered,
    /// The agent's program beside ours.
    pub agent_file: AgentFile,
    /// When this process began.
    pub started_at: Timestamp,
    /// Where we really listen, once we do.
    pub bound: OnceLock<SocketAddr>,
    /// Ends everything in good order.
    pub shutdown: CancellationToken,
    /// Ends when the writer has written all it was given.
    writers: tokio::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>,
    data: DataDir,
}

impl Ops {
    /// Opens what is in a data folder and starts the writer.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(data: DataDir, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let started_at = clock.now();
        let is_thorough = !data.was_closed_well();
        let state_path = data.path().join("state.db");
        let metrics_path = data.path().join("metrics.db");
        let has_state = db::has_content(&state_path, is_thorough).await?;
        let has_metrics = db::has_content(&metrics_path, is_thorough).await?;
        if has_metrics && !has_state {
            return Err(OpenError::Lost {
                lost: state_path,
                kept: metrics_path,
            });
        }
        let server_key = data.server_key()?;
        let state = Db::open(&state_path, &state_migrations()).await?;
        // Without hosts there are no samples to be missed: a first start may have ended in between.
        if has_state && !has_metrics && !fleet::store::list_hosts(state.read()).await?.is_empty() {
            state.close().await;
            return Err(OpenError::Lost {
                lost: metrics_path,
                kept: state_path,
            });
        }
        let metrics = Db::open(&metrics_path, &metrics_migrations()).await?;
        let live = Live::load(&state, &metrics, &clock).await?;
        let topology = Topology::load(&state).await?;
        let (writer, handle) = Writer::load(metrics.clone()).await?;
        let writer_done = tokio::spawn(writer.run());
        let packs = Offered::read(data.path());
        for refused in &packs.refused {
            tracing::warn!("{refused}");
        }
        let (news, news_done) = NewsHandle::start(state.clone());
        Ok(Self(Arc::new(Inner {
            settings,
            clock,
            state,
            metrics,
            writer: handle,
            news,
            live,
            turns: Turns::default(),
            topics: Topics::default(),
            topology,
            sessions: Sessions::default(),
            open_sessions: OpenSessions::default(),
            server_key,
            setup: SetupCode::default(),
            login_guard: LoginGuard::default(),
            meters: Meters::new()?,
            lanes: Lanes::default(),
            disk: Disk::default(),
            packs,
            agent_file: AgentFile::default(),
            started_at,
            bound: OnceLock::new(),
            shutdown: CancellationToken::new(),
            writers: tokio::sync::Mutex::new(vec![writer_done, news_done]),
            data,
        })))
    }

    /// The console's side of this handle.
    pub fn console(&self) -> Arc<Console> {
        Arc::new(Console::new(self.clone(), self.base_url()))
    }

    /// Closes the databases after all that was accepted is written.
    pub async fn close(self) {
        self.end().await;
        if let Err(error) = self.data.close_well() {
            tracing::warn!(%error, "the next start will check the databases");
        }
    }

    /// The same of a folder that is not well: the next start looks for what is wrong.
    pub async fn end(&self) {
        self.shutdown.cancel();
        self.live.close();
        for writer in self.writers.lock().await.drain(..) {
            writer.abort();
            // Aborted between two commits, or within one that then never happened: nothing was acknowledged.
            let _ended = writer.await;
        }
        self.state.close().await;
        self.metrics.close().await;
    }
}

impl Inner {
    /// The data folder.
    pub fn data_path(&self) -> &Path {
        self.data.path()
    }

    /// The address to give to people and agents.
    pub fn base_url(&self) -> String {
        self.settings
            .base_url(self.bound.get().copied().unwrap_or(self.settings.listen))
    }

    /// Where local commands reach this process.
    pub fn admin_socket(&self) -> PathBuf {
        self.data.path().join("admin.sock")
    }
}
