//! `operations-center demo`: a real server in a folder of its own, and the built-in estate reporting to it over HTTP.
//!
//! Nothing here is a shortcut: hosts enroll with tokens, speak the agents' protocol and prove themselves as agents do.
//! Deliberately only on loopback: the password is printed, and what is shown is not worth a certificate.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::access::Role;
use protocol::token::EnrollmentToken;
use simulator::{Fleet, Plan, Running, Scenario, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Settings;
use crate::datadir::DataDir;
use crate::enroll::service::{self as enroll, NewToken};
use crate::error::OpsError;
use crate::ops::{OpenError, Ops};
use crate::people::service::{self as people, Caller};
use crate::random;
use crate::serve::{ServeError, serve_then};

/// Who may sign in.
const USER: &str = "demo";
/// Twice as fast as agents, so that a page moves while somebody looks.
const INTERVAL_MS: u64 = 5_000;
/// As long as anybody looks.
const DURATION_MS: u64 = 3_650 * 86_400_000;
/// Between two looks whether everybody has reported.
const POLL: Duration = Duration::from_millis(100);
/// Longest wait for the server's own good end.
const END: Duration = Duration::from_secs(10);

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The scratch folder, or signals.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The server cannot open its folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server refused what a demo needs.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The server does not run.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The hosts do not report.
    #[error(transparent)]
    Fleet(#[from] StartError),
    /// Something of ours ended that should not.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

impl DemoError {
    /// Exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Serve(error) => error.exit_code(),
            Self::Fleet(error) => error.exit_code(),
            Self::Io { .. } | Self::Open(_) | Self::Ops(_) | Self::Ended(_) => 1,
        }
    }
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> DemoError {
    let doing = doing.into();
    move |source| DemoError::Io { doing, source }
}

/// What is shown, checked.
#[derive(Debug)]
pub struct Demo {
    listen: SocketAddr,
    agents: u32,
    scenario: Scenario,
}

impl Demo {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// Each with the flag, the value and the way out.
    pub fn new(listen: &str, agents: u32) -> Result<Self, DemoError> {
        let usage = |why: String| DemoError::Usage(why);
        let parsed: SocketAddr = listen.parse().map_err(|_| {
            let shown = domain::text::clean_label(&listen.chars().take(60).collect::<String>());
            usage(format!(
                "--listen: `{shown}` is not an address and port; write one such as 127.0.0.1:7700"
            ))
        })?;
        if !parsed.ip().is_loopback() {
            return Err(usage(format!(
                "--listen: a demo answers on this machine alone and {} is reached from others; use 127.0.0.1:{}, and from another machine `ssh -L`",
                parsed.ip(),
                parsed.port()
            )));
        }
        if !(1..=simulator::AGENTS_MAX).contains(&agents) {
            return Err(usage(format!(
                "--agents: {agents} is not from 1 to {}",
                simulator::AGENTS_MAX
            )));
        }
        let scenario = Scenario::demo().map_err(|error| usage(error.to_string()))?;
        let scenario = scenario.scaled(agents);
        Ok(Self {
            listen: parsed,
            agents,
            scenario: scenario.map_err(|error| usage(format!("--agents: {error}")))?,
        })
    }

    /// Shows it until SIGINT or SIGTERM; `say` gets the two lines of the contract.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn run(self, damage: CancellationToken, say: impl Fn(&str)) -> Result<(), DemoError> {
        // First, so that no signal leaves the folder behind.
        let ended = until_signal().map_err(io_error("listening for signals"))?;
        tokio::pin!(ended);
        let scratch = Scratch::new()?;
        let data = scratch.0.join("data");
        let settings = Settings {
            listen: self.listen,
            ..Settings::loopback()
        };
        let prepared = tokio::select! {
            () = &mut ended => return Ok(()),
            prepared = prepare(&data, &settings, &self.scenario) => prepared?,
        };
        let (told, ready) = oneshot::channel();
        let serving = {
            let data = data.clone();
            async move {
                serve_then(&data, settings, damage, move |ops| {
                    // Nobody waits any more when a signal came first.
                    drop(told.send(ops.clone()));
                })
                .await
            }
        };
        let mut server = tokio::spawn(serving);
        let outcome = tokio::select! {
            () = &mut ended => Ok(()),
            served = &mut server => return match served {
                // It heard the same signal.
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(DemoError::Ended("the server")),
            },
            failed = self.show(prepared, ready, say) => failed,
        };
        // The server may have heard the signal first and turned the hosts away: that is no failure.
        let is_asked_to_end = outcome.is_ok() || timeout(Duration::ZERO, &mut ended).await.is_ok();
        let outcome = if is_asked_to_end { Ok(()) } else { outcome };
        if outcome.is_ok() {
            // It heard the same signal; the folder goes when nobody writes into it any more.
            let _ended = timeout(END, &mut server).await;
        }
        server.abort();
        outcome
    }

    /// Lets the fleet report, for as long as this is awaited.
    async fn show(
        &self,
        prepared: Prepared,
        ready: oneshot::Receiver<Ops>,
        say: impl Fn(&str),
    ) -> Result<(), DemoError> {
        let ops = ready.await.map_err(|_| DemoError::Ended("the server"))?;
        let url = ops.base_url();
        let account = Account {
            url: &url,
            user: USER,
            password: &prepared.password,
        };
        // Three texts always have a text.
        say(&serde_json::to_string(&account).unwrap_or_default());
        let plan = Plan {
            server: simulator::Address::parse(&url)?,
            token: None,
            agents: self.agents,
            interval_ms: INTERVAL_MS,
            seed: 1,
            state: None,
            scenario: Some(self.scenario.clone()),
            cluster_tokens: prepared.tokens,
        };
        let _running: Running = Fleet::enroll(plan).await?.start(DURATION_MS)?;
        while reported(&ops) < self.agents {
            tokio::time::sleep(POLL).await;
        }
        say(&format!("ready {url}"));
        std::future::pending().await
    }
}

fn reported(ops: &Ops) -> u32 {
    let mut count = 0;
    ops.live
        .for_each(|host| count += u32::from(host.last_report.is_some()));
    count
}

/// The line for whoever wants to sign in.
#[derive(serde::Serialize)]
struct Account<'a> {
    url: &'a str,
    user: &'a str,
    password: &'a str,
}

/// What is made before the server starts.
struct Prepared {
    password: String,
    tokens: BTreeMap<String, EnrollmentToken>,
}

/// An administrator with a random password, and a token for each cluster.
async fn prepare(
    data: &Path,
    settings: &Settings,
    scenario: &Scenario,
) -> Result<Prepared, DemoError> {
    let folder = DataDir::create(data).map_err(OpenError::from)?;
    let ops = Ops::open(folder, settings.clone(), Clock::system()).await?;
    let who = Caller::command_line(nix::unistd::getuid().as_raw());
    let password = data_encoding::HEXLOWER.encode(&random::bytes::<12>());
    people::create_person(&ops, &who, USER, Role::Admin, password.clone()).await?;
    let mut tokens = BTreeMap::new();
    for cluster in &scenario.clusters {
        let new = NewToken {
            system: scenario.system.clone(),
            cluster: cluster.slug.clone(),
            node_role: None,
            ttl: "1h".to_owned(),
            uses: i64::from(cluster.nodes()),
            review: false,
            allows_suggestions: false,
        };
        let made = enroll::create(&ops, &who, &new).await?;
        let token = EnrollmentToken::parse(&made.token)
            .map_err(|_| DemoError::Ended("reading a token just made"))?;
        tokens.insert(cluster.slug.clone(), token);
    }
    ops.close().await;
    Ok(Prepared { password, tokens })
}

/// Ends with the first SIGINT or SIGTERM from now on.
fn until_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A folder of our own in the folder for temporary files, removed with all that is in it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, DemoError> {
        let name = data_encoding::HEXLOWER.encode(&random::bytes::<8>());
        let path = std::env::temp_dir().join(format!("operations-center-demo-{name}"));
        // Fails when it exists: it is never another's.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(io_error(format!("making {}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the folder of the demo stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_wishes_name_the_flag_the_value_and_the_way_out() {
        for (listen, agents, words) in [
            ("7700", 60, ["--listen", "`7700`", "127.0.0.1:7700"]),
            (
                "0.0.0.0:7700",
                60,
                ["--listen", "0.0.0.0", "127.0.0.1:7700"],
            ),
            ("127.0.0.1:0", 0, ["--agents", "0 ", "25000"]),
            ("127.0.0.1:0", 25_001, ["--agents", "25001", "25000"]),
        ] {
            let error = Demo::new(listen, agents).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            for word in words {
                assert!(error.to_string().contains(word), "{word}: {error}");
            }
        }
        for agents in [1, 3, 60, 1_000, 25_000] {
            let demo = Demo::new("[::1]:0", agents).unwrap();
            assert_eq!(demo.scenario.nodes(), agents);
        }
    }

    #[test]
    fn a_scratch_folder_is_closed_to_others_and_goes_with_what_is_in_it() {
        use std::os::unix::fs::PermissionsExt;
        let (one, other) = (Scratch::new().unwrap(), Scratch::new().unwrap());
        assert_ne!(one.0, other.0);
        let path = one.0.clone();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("file"), "x").unwrap();
        drop(one);
        assert!(!path.exists() && other.0.exists());
    }
}
