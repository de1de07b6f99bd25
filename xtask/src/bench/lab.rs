//! A scratch server with agents of its own, for measuring: nothing of this machine's real
//! installation is read or written.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use nix::unistd::Pid;

use super::program::{self, Program, StartCost, without_settings};
use crate::process::{self, Service};
use crate::stack::{AGENT, SERVER};
use crate::{Context, release};

/// How much of each log is shown when something failed.
const LOG_LINES: usize = 20;

/// A folder that goes with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("oc-bench-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn log(&self, name: &str) -> anyhow::Result<Stdio> {
        let path = self.0.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Stdio::from(file))
    }

    /// The ends of all logs, to stderr: what a person needs after a failure.
    pub fn show_logs(&self) {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("the end of {}:", path.display());
            for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
                eprintln!("  {line}");
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

/// A certificate for 127.0.0.1 and the authority that signed it.
pub struct Tls {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

const OPENSSL_SETTINGS: &str = "\
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
CN = oc-bench
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
";

impl Tls {
    /// Made by openssl; `None` where there is none.
    pub fn make(context: &Context, scratch: &Scratch) -> anyhow::Result<Option<Self>> {
        let is_there = Command::new("openssl")
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !is_there {
            return Ok(None);
        }
        let folder = scratch.path();
        std::fs::write(folder.join("openssl.cnf"), OPENSSL_SETTINGS)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        let request =
            "req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for words in [
            format!("{request} -x509 -days 2 -keyout ca-key.pem -out ca.pem"),
            format!("{request} -keyout key.pem -out server.csr"),
            "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile openssl.cnf -extensions server -out cert.pem".to_owned(),
        ] {
            let mut command = Command::new("openssl");
            command
                .args(words.split(' '))
                .current_dir(folder)
                .stderr(scratch.log("openssl")?);
            process::run(&mut command, &context.interrupt)?;
        }
        Ok(Some(Self {
            authority: folder.join("ca.pem"),
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        }))
    }
}

/// A running server with a data folder of its own.
pub struct Server<'a> {
    service: Service,
    context: &'a Context,
    scratch: &'a Scratch,
    program: PathBuf,
    name: &'static str,
    tls: Option<&'a Tls>,
    pub url: String,
}

impl<'a> Server<'a> {
    /// As released, on a free port. Server and agents of one scratch folder are told apart by `name`.
    pub fn start(
        context: &'a Context,
        scratch: &'a Scratch,
        name: &'static str,
        tls: Option<&'a Tls>,
    ) -> anyhow::Result<Self> {
        let program = release::program(context, SERVER);
        let settings = empty_file(scratch.path().join("server.toml"))?;
        let mut command = Command::new(&program);
        without_settings(&mut command);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(scratch.path().join(name))
            .arg("--config")
            .arg(settings)
            .env("OPSCENTER_SITE", context.workspace.site())
            .stderr(scratch.log(name)?);
        if let Some(tls) = tls {
            command
                .arg("--tls-cert")
                .arg(&tls.certificate)
                .arg("--tls-key")
                .arg(&tls.key);
        }
        let mut service = Service::start(SERVER, &mut command)?;
        let url = service
            .wait_for(&context.interrupt, |line| {
                line.strip_prefix("ready ").map(str::to_owned)
            })
            .context("the server did not start")?;
        Ok(Self {
            service,
            context,
            scratch,
            program,
            name,
            tls,
            url,
        })
    }

    pub fn pid(&self) -> Pid {
        self.service.pid()
    }

    /// For a fleet of this size.
    pub fn enroll_token(&self, uses: u32) -> anyhow::Result<String> {
        let uses = uses.to_string();
        let words = [
            "enroll-token",
            "create",
            "--cluster",
            "bench",
            "--ttl",
            "1h",
            "--uses",
        ];
        self.local(&[&words[..], &[uses.as_str()]].concat())
    }

    /// Of `http://ADDRESS`.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        address_in(&self.url).with_context(|| format!("{} names no address", self.url))
    }

    /// A local command; gives its one word of output.
    fn local(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        without_settings(&mut command);
        command
            .args(words)
            .arg("--data")
            .arg(self.scratch.path().join(self.name))
            .stderr(self.scratch.log(self.name)?);
        let (status, text) = process::output(&mut command, &self.context.interrupt)?;
        if !status.success() {
            bail!("`{SERVER} {}` failed ({status})", words.join(" "));
        }
        Ok(text.trim().to_owned())
    }

    pub fn api_token(&self) -> anyhow::Result<String> {
        self.local(&["api-token", "create", "--name", "bench", "--role", "viewer"])
    }

    /// Somebody who may look, signed in: the cookie to send.
    pub fn sign_in(&self) -> anyhow::Result<String> {
        const PASSWORD: &str = "a password of the bench";
        let mut command = Command::new(&self.program);
        without_settings(&mut command);
        command
            .args([
                "user",
                "create",
                "bench",
                "--role",
                "viewer",
                "--password-stdin",
            ])
            .arg("--data")
            .arg(self.scratch.path().join(self.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(self.scratch.log(self.name)?);
        let mut child = command.spawn().context("cannot make a user")?;
        if let Some(mut input) = child.stdin.take() {
            std::io::Write::write_all(&mut input, PASSWORD.as_bytes())?;
        }
        if !child.wait()?.success() {
            bail!("a user could not be made");
        }
        let mut connection = super::http::Connection::open(self.address()?)?;
        let form = format!("user=bench&password={}&next=/", PASSWORD.replace(' ', "+"));
        connection
            .post_form("/login", &form)?
            .header("set-cookie")
            .and_then(|cookie| Some(cookie.split(';').next()?.to_owned()))
            .context("nobody could sign in")
    }

    /// An agent that reports to `url`, which leads here.
    pub fn enroll(&self, agent_program: &Path, url: &str) -> anyhow::Result<Agent<'a>> {
        self.enroll_with(agent_program, url, "all", "")
    }

    /// The same with settings; agents of one server are told apart by `role`.
    pub fn enroll_with(
        &self,
        agent_program: &Path,
        url: &str,
        role: &'static str,
        settings: &'static str,
    ) -> anyhow::Result<Agent<'a>> {
        let token = self.local(&["enroll-token", "create", "--cluster", "bench"])?;
        let agent = Agent {
            context: self.context,
            scratch: self.scratch,
            program: agent_program.to_owned(),
            name: format!("{}-{role}", self.name),
            settings,
        };
        let mut command = Command::new(&agent.program);
        without_settings(&mut command);
        agent.add_arguments(&mut command, "enroll")?;
        command
            .args(["--server", url])
            .env("OPSCENTER_TOKEN", token);
        if let Some(tls) = self.tls {
            command.arg("--ca-file").arg(&tls.authority);
        }
        let (status, _) = process::output(&mut command, &self.context.interrupt)?;
        if !status.success() {
            bail!("the agent could not be enrolled ({status})");
        }
        Ok(agent)
    }
}

/// After its first accepted report.
pub struct Running {
    pub program: Program,
    pub node_id: String,
    pub took: StartCost,
}

/// Enrolled, to be started as often as wanted.
pub struct Agent<'a> {
    context: &'a Context,
    scratch: &'a Scratch,
    program: PathBuf,
    name: String,
    settings: &'static str,
}

impl Agent<'_> {
    /// Runs it until its first report is accepted; gives what that took, too.
    pub fn start(&self) -> anyhow::Result<Running> {
        let mut command = program::command(&self.program);
        self.add_arguments(&mut command, "run")?;
        let mut program = Program::start(AGENT, &mut command, &self.context.interrupt)?;
        let node_id = program
            .service
            .wait_for(&self.context.interrupt, |line| {
                line.strip_prefix("ready ").map(str::to_owned)
            })
            .context("the agent did not report")?;
        Ok(Running {
            took: program.start_cost()?,
            program,
            node_id,
        })
    }

    /// What the settings do not say is as without a file: a report every ten seconds, every collector on.
    fn add_arguments(&self, command: &mut Command, subcommand: &str) -> anyhow::Result<()> {
        let folder = self.scratch.path();
        command
            .arg(subcommand)
            .arg("--state")
            .arg(folder.join(format!("{}-agent", self.name)))
            .arg("--config")
            .arg(file(
                folder.join(format!("{}.toml", self.name)),
                self.settings,
            )?)
            .arg("--policy")
            .arg(empty_file(folder.join("policy.toml"))?)
            .stderr(self.scratch.log(&format!("{}-agent", self.name))?);
        Ok(())
    }
}

fn empty_file(path: PathBuf) -> anyhow::Result<PathBuf> {
    file(path, "")
}

fn file(path: PathBuf, text: &str) -> anyhow::Result<PathBuf> {
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn address_in(url: &str) -> Option<SocketAddr> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_a_url() {
        let address = address_in("http://127.0.0.1:7700/");
        assert_eq!(address, "127.0.0.1:7700".parse().ok());
        assert_eq!(address_in("http://localhost:7700"), None);
        assert_eq!(address_in("127.0.0.1:7700"), None);
    }
}
