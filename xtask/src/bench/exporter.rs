//! node_exporter, the peer of an agent: started as it comes, scraped as Prometheus does.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::http::{Connection, Exchange};
use super::program::{self, Program, StartCost};
use crate::process::Interrupt;

/// Debian's name, then upstream's.
const PROGRAMS: &[&str] = &["prometheus-node-exporter", "node_exporter"];
pub const HOW_TO_INSTALL: &str = "node_exporter is not installed, its column is empty: `apt-get install prometheus-node-exporter`";

const RETRY: Duration = Duration::from_millis(1);
const START_MAX: Duration = Duration::from_secs(20);

/// What Prometheus sends.
const HEADERS: &[(&str, &str)] = &[
    (
        "Accept",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    ),
    ("Accept-Encoding", "gzip"),
    ("User-Agent", "Prometheus/2.42.0"),
    ("X-Prometheus-Scrape-Timeout-Seconds", "10"),
];

/// As installed.
pub struct Installed {
    pub program: PathBuf,
    /// Such as `node_exporter 1.5.0`.
    pub name: String,
}

impl Installed {
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let program = PROGRAMS.iter().find_map(|name| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|program| program.is_file())
        })?;
        let version = version(&program).unwrap_or_default();
        Some(Self {
            name: format!("node_exporter {version}").trim().to_owned(),
            program,
        })
    }

    /// Runs it and waits for the first scrape; gives what it took from exec to its end.
    pub fn start(&self, interrupt: &Interrupt) -> anyhow::Result<(Exporter, StartCost)> {
        let address = free_address()?;
        let mut command = program::command(&self.program);
        command
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null());
        let mut program = Program::start("node_exporter", &mut command, interrupt)?;
        loop {
            interrupt.check()?;
            if let Ok(connection) = Connection::open(address) {
                let mut exporter = Exporter {
                    program,
                    connection,
                };
                exporter.scrape()?;
                let took = exporter.program.start_cost()?;
                return Ok((exporter, took));
            }
            program.check()?;
            if program.age() > START_MAX {
                bail!("node_exporter does not answer at {address}");
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Nothing else on this machine is expected to take the port in between.
fn free_address() -> anyhow::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .context("there is no free port on 127.0.0.1")
}

/// `node_exporter, version 1.5.0 (branch: …`, on either stream.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    version_in(&text).map(str::to_owned)
}

fn version_in(text: &str) -> Option<&str> {
    text.split_once("version ")?.1.split_whitespace().next()
}

/// Running.
pub struct Exporter {
    pub program: Program,
    connection: Connection,
}

impl Exporter {
    pub fn scrape(&mut self) -> anyhow::Result<Exchange> {
        let exchange = self
            .connection
            .get("/metrics", HEADERS)
            .context("node_exporter did not answer a scrape")?;
        if exchange.status != 200 {
            bail!("node_exporter answered a scrape with {}", exchange.status);
        }
        Ok(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_word_after_version() {
        let text = "node_exporter, version 1.5.0 (branch: debian/sid, revision: 1.5.0-1+b6)\n";
        assert_eq!(version_in(text), Some("1.5.0"));
        assert_eq!(version_in("node_exporter\n"), None);
        assert_eq!(version_in("version "), None);
    }
}
