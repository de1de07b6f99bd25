//! Child processes: run to the end, or run as a service that is ended cleanly.
//!
//! Every wait in xtask goes through here, so that SIGINT and SIGTERM are noticed in all of them.
//! Services live in a process group of their own: a Ctrl-C in the terminal reaches xtask alone,
//! which then ends them in order.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::Stopwatch;

/// How long a service may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// Something a runner left behind may hold its stdout open for ever: after the runner's end, so
/// many polls without a line are the end of the output.
const QUIET_POLLS_MAX: u32 = 20;

/// Set once SIGINT or SIGTERM arrived.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error that ends a command after SIGINT or SIGTERM.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    pub fn install() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            signal_hook::flag::register(signal as i32, Arc::clone(&flag))
                .with_context(|| format!("cannot listen for {signal}"))?;
        }
        Ok(Self(flag))
    }

    pub fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::SeqCst) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }

    /// Sleeps, but not past a signal.
    pub fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        let watch = Stopwatch::start();
        while watch.elapsed() < duration {
            self.check()?;
            thread::sleep(POLL.min(duration));
        }
        self.check()
    }
}

/// Our stderr as a child's stdout: only results may appear on ours.
pub fn to_stderr() -> anyhow::Result<Stdio> {
    let fd = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .context("cannot duplicate stderr")?;
    Ok(Stdio::from(fd))
}

/// Runs to the end with its whole output on stderr; a failure is an error.
pub fn run(command: &mut Command, interrupt: &Interrupt) -> anyhow::Result<()> {
    let status = status(command, interrupt)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end with its whole output on stderr.
pub fn status(command: &mut Command, interrupt: &Interrupt) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(to_stderr()?);
    let mut child = spawn(command)?;
    wait(&mut child, interrupt)
}

/// Runs to the end and returns its exit status and its stdout; stderr is passed through.
pub fn output(
    command: &mut Command,
    interrupt: &Interrupt,
) -> anyhow::Result<(ExitStatus, String)> {
    let mut text = String::new();
    let status = stream(command, interrupt, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    Ok((status, text))
}

/// Runs to the end, handing over each line of stdout as it comes; stderr is passed through.
pub fn stream(
    command: &mut Command,
    interrupt: &Interrupt,
    mut each: impl FnMut(&str),
) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = spawn(command)?;
    if let Some(lines) = child.stdout.take().map(read_lines) {
        let mut quiet_after_end = 0;
        while quiet_after_end < QUIET_POLLS_MAX {
            match lines.recv_timeout(POLL) {
                Ok(line) => each(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if interrupt.check().is_err() => break,
                Err(RecvTimeoutError::Timeout) => {
                    quiet_after_end += u32::from(child.try_wait()?.is_some());
                }
            }
        }
    }
    wait(&mut child, interrupt)
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> anyhow::Result<ExitStatus> {
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child
            .try_wait()
            .context("cannot wait for a child process")?
        {
            interrupt.check()?;
            return Ok(status);
        }
        if let Err(interrupted) = interrupt.check() {
            end(child, "the running command")?;
            return Err(interrupted.into());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(POLL);
    }
}

/// SIGTERM, then SIGKILL when the grace is over.
fn end(child: &mut Child, name: &str) -> anyhow::Result<ExitStatus> {
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).context("process id out of range")?);
    kill(pid, Signal::SIGTERM).with_context(|| format!("cannot end {name}"))?;
    let watch = Stopwatch::start();
    while watch.elapsed() < GRACE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
    eprintln!(
        "{name} did not end within {} s: killing it",
        GRACE.as_secs()
    );
    child
        .kill()
        .with_context(|| format!("cannot kill {name}"))?;
    child
        .wait()
        .with_context(|| format!("cannot wait for {name}"))
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        // A line that is not UTF-8 is shown with replacement characters rather than lost.
        while matches!(reader.by_ref().read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            if sender.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}

/// The program's name and arguments, for messages; never its environment (it may hold a token).
pub fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for word in command.get_args() {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text
}

/// Can a program of this name be started?
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A child that runs until it is stopped. Dropping stops it.
pub struct Service {
    pub name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = spawn(command)?;
        let stdout = child
            .stdout
            .take()
            .with_context(|| format!("{name} has no stdout"))?;
        Ok(Self {
            name,
            child,
            lines: read_lines(stdout),
        })
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0))
    }

    /// The exit status, when it ended by itself.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Hands over lines of stdout until `found` returns something, or an error when the service
    /// ends before that.
    pub fn wait_for<T>(
        &mut self,
        interrupt: &Interrupt,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        loop {
            interrupt.check()?;
            match self.lines.recv_timeout(POLL) {
                Ok(line) => {
                    if let Some(value) = found(&line) {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = wait(&mut self.child, interrupt)?;
                    return Err(EndedByItself {
                        name: self.name,
                        status,
                    }
                    .into());
                }
            }
        }
    }

    /// Lines written since the last call, to stderr.
    pub fn pass_lines_on(&self) {
        for line in self.lines.try_iter() {
            eprintln!("{line}");
        }
    }

    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        end(&mut self.child, self.name)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
    }
}

/// A service that should have kept running.
#[derive(Debug)]
pub struct EndedByItself {
    pub name: &'static str,
    pub status: ExitStatus,
}

impl fmt::Display for EndedByItself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended by itself ({})", self.name, self.status)
    }
}

impl std::error::Error for EndedByItself {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn quiet() -> Interrupt {
        Interrupt(Arc::new(AtomicBool::new(false)))
    }

    #[test]
    fn stdout_and_status_come_back() {
        let (status, text) = output(&mut shell("echo one; echo two; exit 3"), &quiet()).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(3), "one\ntwo\n"));
    }

    #[test]
    fn what_a_runner_left_behind_is_not_waited_for() {
        let watch = Stopwatch::start();
        let (status, text) = output(&mut shell("sleep 20 & echo done"), &quiet()).unwrap();
        assert!(status.success() && text == "done\n");
        assert!(watch.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_service_is_waited_for_and_ends_on_sigterm() {
        let script = "trap 'exit 7' TERM; echo ready here; while :; do sleep 0.05; done";
        let mut service = Service::start("shell", &mut shell(script)).unwrap();
        let word = service.wait_for(&quiet(), |line| {
            line.strip_prefix("ready ").map(str::to_owned)
        });
        assert_eq!(word.unwrap(), "here");
        assert!(service.ended().unwrap().is_none());
        assert_eq!(service.stop().unwrap().code(), Some(7));
    }

    #[test]
    fn a_service_that_ends_first_is_named_with_its_status() {
        let mut service = Service::start("shell", &mut shell("exit 2")).unwrap();
        let error = service.wait_for(&quiet(), |_| None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "shell ended by itself (exit status: 2)");
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(true)));
        let error = status(&mut shell("sleep 30"), &interrupt).unwrap_err();
        assert!(error.is::<Interrupted>());
    }
}
