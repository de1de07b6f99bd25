//! A program under the meter: a [`Service`] whose process id and age are known.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::meter;
use crate::clock::Stopwatch;
use crate::process::{EndedByItself, Interrupt, Service};

/// Tells its process id and stops; continued, it becomes the program: the id stays. So the clock
/// can be started before anything of the program runs, however late we are told the id.
const BECOME: &str = "echo \"pid $$\"; kill -STOP $$; exec \"$0\" \"$@\"";
const STOPPED_POLL: Duration = Duration::from_millis(1);

/// From exec to the first thing it is for.
#[derive(Debug, Clone, Copy)]
pub struct StartCost {
    pub time: Duration,
    /// Its own processor time: whoever it waited for, and a busy machine, are not in it.
    pub cpu: Duration,
}

pub struct Program {
    pub service: Service,
    pub pid: Pid,
    age: Stopwatch,
    /// Of the shell, before it became the program.
    cpu_before: Duration,
}

/// A command for [`Program::start`]; arguments are added as usual. Settings of ours in the
/// environment stay out of what is measured.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", BECOME]).arg(program);
    without_settings(&mut command);
    command
}

pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OPSCENTER_") {
            command.env_remove(name);
        }
    }
}

fn wait_until_stopped(pid: Pid, interrupt: &Interrupt) -> anyhow::Result<()> {
    let path = format!("/proc/{pid}/stat");
    loop {
        interrupt.check()?;
        let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        if state(&stat) == Some('T') {
            return Ok(());
        }
        std::thread::sleep(STOPPED_POLL);
    }
}

/// `42 (a name) T 1 …`; the name may hold anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

impl Program {
    pub fn start(
        name: &'static str,
        command: &mut Command,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let mut service = Service::start(name, command)?;
        let pid = service.wait_for(interrupt, |line| {
            line.strip_prefix("pid ")?.parse::<i32>().ok()
        })?;
        let pid = Pid::from_raw(pid);
        let stopped = wait_until_stopped(pid, interrupt);
        let cpu_before = meter::cpu(pid);
        let age = Stopwatch::start();
        // Also after an error: a stopped process does not hear that it should end.
        kill(pid, Signal::SIGCONT).with_context(|| format!("cannot continue {name}"))?;
        stopped?;
        Ok(Self {
            service,
            pid,
            age,
            cpu_before: cpu_before?,
        })
    }

    /// What it took so far.
    pub fn start_cost(&self) -> anyhow::Result<StartCost> {
        Ok(StartCost {
            time: self.age.elapsed(),
            cpu: meter::cpu(self.pid)?.saturating_sub(self.cpu_before),
        })
    }

    pub fn age(&self) -> Duration {
        self.age.elapsed()
    }

    /// An error when it no longer runs.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let name = self.service.name;
        match self.service.ended()? {
            Some(status) => bail!(EndedByItself { name, status }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_comes_after_the_name() {
        assert_eq!(state("42 (sh) T 1 42 42 0"), Some('T'));
        assert_eq!(state("42 (a) R (b) ) S 1 42"), Some('S'));
        assert_eq!(state("42 (sh"), None);
        assert_eq!(state(""), None);
    }

    #[test]
    fn a_program_is_measured_from_its_exec_on() {
        let interrupt = Interrupt::install().unwrap();
        let mut command = command(Path::new("/bin/sh"));
        // Works until the kernel, which counts in ticks, has seen it work.
        command.args(["-c", "echo \"me $$ $0\"; while :; do :; done", "word"]);
        let mut program = Program::start("sh", &mut command, &interrupt).unwrap();
        let line = program
            .service
            .wait_for(&interrupt, |line| Some(line.to_owned()))
            .unwrap();
        assert_eq!(line, format!("me {} word", program.pid));
        while program.start_cost().unwrap().cpu.is_zero() {
            program.check().unwrap();
            std::thread::yield_now();
        }
        assert!(!program.start_cost().unwrap().time.is_zero());
        program.check().unwrap();
    }
}
