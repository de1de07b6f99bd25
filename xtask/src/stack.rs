//! A server and an agent for this machine, as running processes: started, enrolled, ended in order.
//!
//! Used by `run` and `watch`. Knows both programs only by their command lines (the contracts), and
//! keeps everything in one data folder: the server's files, the agent's state in `agent/`, its
//! `agent.toml` and `policy.toml`. The last two are made when missing and may be edited; only the
//! server's address is kept up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::Context;
use crate::args::{Args, UsageError};
use crate::process::{self, EndedByItself, Service};

pub const SERVER: &str = "operations-center";
pub const AGENT: &str = "oc-agent";

pub const OPTIONS: &[&str] = &["--listen", "--data"];

/// Exit code of both programs for wrong settings; the server's when its port is in use.
const WRONG_SETTINGS: i32 = 2;

const POLICY: &str =
    "# What the server may ask of this machine. Nothing is listed: observe only.\n";

/// The agent first: fields are dropped, and so stopped, in this order.
pub struct Stack<'a> {
    agent: Option<Service>,
    server: Option<Service>,
    context: &'a Context,
    listen: String,
    data: PathBuf,
    /// As the server announced it.
    url: String,
}

impl<'a> Stack<'a> {
    pub fn new(context: &'a Context, args: &Args) -> anyhow::Result<Self> {
        let data = args.value("--data").unwrap_or("./data");
        Ok(Self {
            agent: None,
            server: None,
            context,
            listen: args
                .value("--listen")
                .unwrap_or("127.0.0.1:7700")
                .to_owned(),
            data: std::path::absolute(data)
                .with_context(|| format!("cannot use the folder {data}"))?,
            url: String::new(),
        })
    }

    /// Starts both, and announces the server only once this machine has reported.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_server()?;
        self.start_agent()?;
        println!("ready {}", self.url);
        Ok(())
    }

    /// Starts the server and returns once it answers. A `setup URL` is passed on at once.
    pub fn start_server(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(self.context.workspace.dev_program(SERVER));
        command
            .args(["serve", "--listen", &self.listen, "--data"])
            .arg(&self.data)
            .env("OPSCENTER_SITE", self.context.workspace.site());
        let mut server = Service::start(SERVER, &mut command)?;
        let url = server.wait_for(&self.context.interrupt, |line| {
            if line.starts_with("setup ") {
                println!("{line}");
                return None;
            }
            let url = line.strip_prefix("ready ");
            if url.is_none() {
                eprintln!("{line}");
            }
            url.map(str::to_owned)
        });
        self.url = url.map_err(|error| self.explained(error))?;
        // Later starts keep the port, even when this one let the system choose it.
        if let Some(address) = address_of(&self.url)
            && self.listen.ends_with(":0")
        {
            self.listen = address.to_owned();
        }
        self.server = Some(server);
        Ok(())
    }

    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref::<EndedByItself>() {
            Some(ended) if ended.status.code() == Some(WRONG_SETTINGS) => UsageError(format!(
                "{SERVER} refused its settings (its message is above); if {} is in use, give another with `--listen`",
                self.listen
            ))
            .into(),
            _ => error.context("the server did not start"),
        }
    }

    /// Enrolls this machine unless it is, starts its agent, and returns after its first
    /// acknowledged report.
    pub fn start_agent(&mut self) -> anyhow::Result<()> {
        self.settle_files()?;
        self.enroll()
            .context("this machine could not be enrolled")?;
        let mut agent = Service::start(AGENT, &mut self.agent_command("run"))?;
        agent
            .wait_for(&self.context.interrupt, |line| {
                let ready = line.starts_with("ready ");
                if !ready {
                    eprintln!("{line}");
                }
                ready.then_some(())
            })
            .context("the agent did not report")?;
        self.agent = Some(agent);
        Ok(())
    }

    fn agent_command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.context.workspace.dev_program(AGENT));
        command.arg(subcommand);
        for (option, name) in [
            ("--state", "agent"),
            ("--config", "agent.toml"),
            ("--policy", "policy.toml"),
        ] {
            command.arg(option).arg(self.data.join(name));
        }
        command
    }

    /// Files named on the command line must exist. The address may be another than last time: the
    /// agent trusts the server's key, not its port.
    fn settle_files(&self) -> anyhow::Result<()> {
        let config = self.data.join("agent.toml");
        let before = read_or_empty(&config)?;
        let after = with_server(&before, &self.url);
        if after != before {
            std::fs::write(&config, after)
                .with_context(|| format!("cannot write {}", config.display()))?;
        }
        let policy = self.data.join("policy.toml");
        if !policy.exists() {
            std::fs::write(&policy, POLICY)
                .with_context(|| format!("cannot write {}", policy.display()))?;
        }
        Ok(())
    }

    fn enroll(&self) -> anyhow::Result<()> {
        if self.is_enrolled()? {
            return Ok(());
        }
        let mut create = Command::new(self.context.workspace.dev_program(SERVER));
        create.args([
            "enroll-token",
            "create",
            "--system",
            "default",
            "--cluster",
            "local",
            "--data",
        ]);
        create.arg(&self.data);
        let (status, token) = process::output(&mut create, &self.context.interrupt)?;
        if !status.success() {
            bail!("`{}` failed ({status})", process::shown(&create));
        }
        let mut enroll = self.agent_command("enroll");
        enroll
            .args(["--server", &self.url])
            .env("OPSCENTER_TOKEN", token.trim());
        process::run(&mut enroll, &self.context.interrupt)
    }

    /// `status` exits 1 when it has a finding, so only what it says counts.
    fn is_enrolled(&self) -> anyhow::Result<bool> {
        let mut status = self.agent_command("status");
        let (_, text) = process::output(status.arg("--json"), &self.context.interrupt)?;
        Ok(serde_json::from_str::<Value>(&text)
            .is_ok_and(|status| status["enrolled"].as_bool() == Some(true)))
    }

    pub fn has_server(&self) -> bool {
        self.server.is_some()
    }

    pub fn has_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// The first of the two that ended without being told to.
    pub fn ended(&mut self) -> anyhow::Result<Option<EndedByItself>> {
        for slot in [&mut self.server, &mut self.agent] {
            let Some(service) = slot else { continue };
            service.pass_lines_on();
            if let Some(status) = service.ended()? {
                let name = service.name;
                *slot = None;
                return Ok(Some(EndedByItself { name, status }));
            }
        }
        Ok(None)
    }

    pub fn stop_agent(&mut self) -> anyhow::Result<()> {
        stop(self.agent.take())
    }

    pub fn stop_server(&mut self) -> anyhow::Result<()> {
        stop(self.server.take())
    }

    /// The agent first, so that it can say goodbye.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.stop_agent()?;
        self.stop_server()
    }
}

fn stop(service: Option<Service>) -> anyhow::Result<()> {
    let Some(mut service) = service else {
        return Ok(());
    };
    let status = service.stop()?;
    service.pass_lines_on();
    if !status.success() {
        eprintln!("{} did not end cleanly ({status})", service.name);
    }
    Ok(())
}

/// `127.0.0.1:7700` of `http://127.0.0.1:7700/`.
fn address_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/')
        .next()
        .filter(|address| address.contains(':'))
}

fn read_or_empty(path: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The settings with `server = "URL"` on top, in place of an earlier such line.
fn with_server(settings: &str, url: &str) -> String {
    let is_server = |line: &str| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == "server")
    };
    let mut lines = vec![format!("server = \"{url}\"")];
    lines.extend(
        settings
            .lines()
            .filter(|line| !is_server(line))
            .map(str::to_owned),
    );
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_from_urls() {
        assert_eq!(address_of("http://127.0.0.1:7700"), Some("127.0.0.1:7700"));
        assert_eq!(address_of("https://[::1]:443/x"), Some("[::1]:443"));
        assert_eq!(address_of("http://ops.example.org/"), None);
    }

    #[test]
    fn the_server_line_is_replaced_and_the_rest_kept() {
        assert_eq!(with_server("", "http://a:1"), "server = \"http://a:1\"\n");
        assert_eq!(
            with_server(
                "interval = \"5s\"\nserver = \"http://old\"\n[tags]\nx = \"y\"\n",
                "http://a:1"
            ),
            "server = \"http://a:1\"\ninterval = \"5s\"\n[tags]\nx = \"y\"\n"
        );
    }
}
