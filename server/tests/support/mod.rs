//! The real program as a process: started, asked, killed and stopped by tests; ended by its own id when they end.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for a server that starts.
const START: Duration = Duration::from_secs(60);

/// `operations-center` with these arguments, and no setting from the environment.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operations-center"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OPSCENTER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A local command on this data folder.
pub fn cli(data: &Path, arguments: &[&str]) -> Output {
    program(arguments).arg("--data").arg(data).output().unwrap()
}

/// The same, with a secret to read.
pub fn cli_with_input(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program(arguments);
    command.arg("--data").arg(data).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// What a local command printed; the test ends when it failed.
pub fn cli_ok(data: &Path, arguments: &[&str]) -> String {
    let output = cli(data, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A running server.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// The set-up address, until there is an administrator.
    pub setup: Option<String>,
    /// Where it answers.
    pub url: String,
}

impl Server {
    /// Starts a server on `listen`; returns once it says that it is ready. Its log goes to `server.log` beside `data`.
    pub fn start(data: &Path, listen: &str) -> Self {
        Self::start_with(data, listen, &[])
    }

    /// The same with further arguments.
    pub fn start_with(data: &Path, listen: &str, more: &[&str]) -> Self {
        let mut command = program(&["serve", "--listen", listen]);
        command.args(more);
        Self::start_command(data, command)
    }

    /// A command that is given the folder and becomes a server.
    pub fn start_command(data: &Path, mut command: Command) -> Self {
        let log = data.with_file_name("server.log");
        let stderr: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut child = command
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let (lines, told) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A test that waits no longer needs no more lines; the pipe is emptied all the same.
                drop(lines.send(line));
            }
        });
        let mut server = Self {
            child,
            log,
            setup: None,
            url: String::new(),
        };
        while let Ok(line) = told.recv_timeout(START) {
            if let Some(url) = line.strip_prefix("setup ") {
                server.setup = Some(url.to_owned());
            } else if let Some(url) = line.strip_prefix("ready ") {
                server.url = url.to_owned();
                return server;
            }
        }
        panic!("the server did not become ready:\n{}", server.log());
    }

    /// `HOST:PORT`, to start it again in the same place.
    pub fn listen(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What it and its predecessors on the same folder logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(mut self) {
        kill(self.pid(), Signal::SIGKILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself; the test ends when it does not.
    pub fn wait(mut self) -> ExitStatus {
        let poll = Duration::from_millis(50);
        for _ in 0..START.as_millis() / poll.as_millis() {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended;
            }
            std::thread::sleep(poll);
        }
        panic!("the server goes on:\n{}", self.log());
    }

    /// Asks it to end in good order.
    pub fn stop(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended and reaped already when a test did so; then both say so, and nothing is signalled.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
