//! `operations-center serve`: from settings to a server that answers, and back down in good order.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use domain::connections::Bounds;
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::socket;
use crate::backup;
use crate::clock::Clock;
use crate::config::Settings;
use crate::datadir::{DataDir, DataDirError};
use crate::health::connections::{self, Places};
use crate::health::{self, limits};
use crate::ops::{OpenError, Ops};
use crate::people;
use crate::router::router;
use crate::series;
use crate::tls;
use crate::topology;

/// How long requests under way may take when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error(
        "cannot listen on {address}: {source}; choose another with {flag}, or stop what uses it"
    )]
    Listen {
        /// Which setting says so.
        flag: &'static str,
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate or its key; every problem.
    #[error("{}", .0.join("\n"))]
    Tls(Vec<String>),
    /// The data folder or a database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Found while serving.
    #[error(
        "a database in {data} is damaged, as the log says: start again to have it checked; restore a backup into another folder with `operations-center backup restore FILE --data FOLDER`"
    )]
    Damaged {
        /// The data folder.
        data: String,
    },
    /// Something else of the machine.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl ServeError {
    /// Exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. } | Self::Tls(_) => 2,
            Self::Open(_) | Self::Damaged { .. } | Self::Io { .. } => 1,
        }
    }
}

/// Connections that may wait to be accepted: a whole fleet comes back at once when the server does. The kernel bounds it
/// (`net.core.somaxconn`); the standard library's 128 made a thousand agents time out.
const BACKLOG: u32 = 4_096;

fn listen_for(
    flag: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let listening = listen(address).and_then(|listener| {
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    listening.map_err(|source| ServeError::Listen {
        flag,
        address,
        source,
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // What is accepted has it from here. Without it the first answer by TLS waits 40 ms for the client to acknowledge the
    // tickets that went before it.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Serves until SIGINT or SIGTERM, or until `damage` is found.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    data: &Path,
    settings: Settings,
    damage: CancellationToken,
) -> Result<(), ServeError> {
    serve_then(data, settings, damage, |ops| {
        say(&format!("ready {}", ops.base_url()));
    })
    .await
}

/// The same, but `ready` says that it answers.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve_then(
    data: &Path,
    settings: Settings,
    damage: CancellationToken,
    ready: impl FnOnce(&Ops) + Send + 'static,
) -> Result<(), ServeError> {
    let io = |doing| move |source| ServeError::Io { doing, source };
    // First, so that a taken port changes nothing on disk.
    let (listener, bound) = listen_for("--listen", settings.listen)?;
    let metrics = settings
        .metrics_listen
        .map(|address| listen_for("--metrics-listen", address))
        .transpose()?;
    let tls = match &settings.tls {
        Some((cert, key)) => {
            let config = tls::read(cert, key).map_err(ServeError::Tls)?;
            Some(RustlsConfig::from_config(Arc::new(config)))
        }
        None => None,
    };
    let folder = DataDir::create(data).map_err(OpenError::from)?;
    health::disk::make_room_to_start(folder.path());
    let ops = Ops::open(folder, settings, Clock::system()).await?;
    ops.bound.get_or_init(|| bound);
    let admin = socket::listen(&ops).map_err(io("making the socket for local commands"))?;
    let admin = tokio::spawn(socket::serve(ops.clone(), admin));
    let history = tokio::spawn(series::history::run(ops.clone()));
    let base_url = ops.base_url();
    if people::service::needs_setup(&ops)
        .await
        .map_err(OpenError::from)?
    {
        let code = ops.setup.begin(ops.clock.monotonic());
        say(&format!("setup {base_url}/setup?code={code}"));
    }
    let disk = tokio::spawn(health::disk::watch(ops.clone()));
    let backups = tokio::spawn(backup::schedule::run(ops.clone()));
    let topology = tokio::spawn(topology::service::run(ops.clone()));
    let places = Places::new(Bounds::of(limits::raise_open_files()), {
        let ops = ops.clone();
        move |address| address.is_loopback() || ops.settings.trusts_proxy(address)
    });
    let metrics =
        serve_metrics(&ops, metrics, places.clone()).map_err(io("listening for metrics"))?;
    let handle = Handle::new();
    let stop = tokio::spawn(stop_when_told(ops.clone(), damage.clone(), handle.clone()));
    let announce = tokio::spawn({
        let (handle, ops) = (handle.clone(), ops.clone());
        async move {
            if handle.listening().await.is_some() {
                tracing::info!(listen = %bound, url = base_url, "serving");
                ready(&ops);
            }
        }
    });
    let service = router(ops.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = connections::server(listener, places)
        .map_err(io("listening"))?
        .handle(handle);
    let served = match tls {
        Some(tls) => {
            let server = server.map(|places| RustlsAcceptor::new(tls).acceptor(places));
            server.serve(service).await
        }
        None => server.serve(service).await,
    };
    ops.shutdown.cancel();
    announce.abort();
    stop.abort();
    // They only wait; nothing they do can be half done.
    let _ended = tokio::join!(admin, disk, backups, topology, metrics, history);
    let socket = ops.admin_socket();
    let is_damaged = damage.is_cancelled();
    match is_damaged {
        true => ops.end().await,
        false => ops.close().await,
    }
    std::fs::remove_file(&socket).map_err(io("removing the socket for local commands"))?;
    served.map_err(io("serving"))?;
    if is_damaged {
        return Err(ServeError::Damaged {
            data: data.display().to_string(),
        });
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves `/metrics` alone, to whoever reaches its address, where one is set.
fn serve_metrics(
    ops: &Ops,
    listener: Option<(TcpListener, SocketAddr)>,
    places: Places,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let Some((listener, bound)) = listener else {
        return Ok(tokio::spawn(async {}));
    };
    let handle = Handle::new();
    let server = connections::server(listener, places)?.handle(handle.clone());
    tracing::info!(listen = %bound, "serving metrics");
    let router = axum::Router::new()
        .route("/metrics", axum::routing::get(health::api::metrics))
        .with_state(ops.clone());
    let shutdown = ops.shutdown.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        handle.graceful_shutdown(Some(STOP_GRACE));
    });
    Ok(tokio::spawn(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    }))
}

async fn stop_when_told(ops: Ops, damage: CancellationToken, handle: Handle<SocketAddr>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received; stop the server with SIGKILL");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // Better no server than one that acknowledges what it cannot keep.
        () = damage.cancelled() => tracing::error!("a database is damaged"),
    }
    tracing::info!("stopping");
    // Live connections end first: they would hold up the rest.
    ops.shutdown.cancel();
    ops.live.close();
    handle.graceful_shutdown(Some(STOP_GRACE));
}

/// A result for whoever started us; when nobody listens any more, that is their choice.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _told = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Opens the data folder without a server, for one local command.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_for_command(data: &Path) -> Result<Ops, OpenError> {
    let folder = DataDir::open(data)?;
    Ops::open(folder, Settings::loopback(), Clock::system()).await
}

/// Does this error mean that another process has the folder?
pub fn is_locked(error: &OpenError) -> bool {
    matches!(error, OpenError::DataDir(DataDirError::Locked { .. }))
}
