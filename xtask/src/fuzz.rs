//! `cargo xtask fuzz`: bytes led by coverage, fed to what reads from outside.
//!
//! The targets are programs of `fuzz/`, a workspace of its own that nothing else builds: it needs a C++ compiler, and its
//! crates carry counters at every branch, which stable rustc places when asked for LLVM's own pass. What a search found
//! worth keeping stays in `target/fuzz/corpus`, what broke a target in `target/fuzz/crashes`. `cargo xtask test --long`
//! runs each target for a minute, as a test.
//!
//! Deliberately absent: sanitizers (they need a nightly compiler; our crates hold no unsafe code), and searches in
//! parallel, which on the machines at hand only compete.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::{Args, UsageError};
use crate::cargo::cargo;
use crate::process;
use crate::workspace::files_beneath;
use crate::{Command, Context, WhenInterrupted};

pub const COMMAND: Command = Command {
    name: "fuzz",
    summary: "fuzzers: bytes led by coverage, until something breaks",
    help: "\
Fuzzers: bytes led by coverage, fed to what reads from outside, until something breaks.

Usage: cargo xtask fuzz [TARGET] [--duration 60s] [--input FILE]

  report           reports, records, facts and lists, as the server reads them
  hello            hello and enrollment, their answers, the server's proof
  spool            a folder of records that wait, as an agent finds it
  chunk            sealed history
  config           agent.toml
  token            enrollment tokens and the header over a report
  filter           filters of lists, as people type and links carry them

  --duration 60s   for how long each target is searched: seconds (s) or minutes (m)
  --input FILE     only this input, once: a crash repeated after a change

Without TARGET all of them, one after the other. Needs g++.
Inputs worth keeping go to target/fuzz/corpus, those that broke a target to target/fuzz/crashes.
Exits 1 when one was broken and says how to repeat it.

Example: cargo xtask fuzz report --duration 10m
",
    valued: &["--duration", "--input"],
    switches: &TARGETS,
    when_interrupted: WhenInterrupted::Fails,
    main: fuzz,
};

/// The programs of `fuzz/`. A target is chosen by its bare name, which [`Args`] sees as a switch without dashes.
pub const TARGETS: [&str; 7] = [
    "report", "hello", "spool", "chunk", "config", "token", "filter",
];
/// How long one target is searched unless said otherwise, and in the long test run.
pub const DURATION: Duration = Duration::from_secs(60);
const DURATION_S_MAX: u64 = 7 * 86_400;
/// The largest input tried. A report may be larger, but what is behind a limit of bytes is not found by more of them.
const INPUT_BYTES_MAX: u32 = 16 * 1024;
const MEMORY_MB_MAX: u32 = 512;
/// What one input may take; the slowest is thousands of times faster.
const INPUT_S_MAX: u32 = 5;
/// Of the log of a search that broke its target; the whole is in target/fuzz/logs.
const LOG_LINES_SHOWN: usize = 40;
/// Counters at every edge, and operands of comparisons, for libFuzzer to follow.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

fn fuzz(context: &Context, args: &Args) -> anyhow::Result<()> {
    let duration = duration(args.value("--duration"))?;
    let chosen: Vec<&str> = TARGETS
        .iter()
        .copied()
        .filter(|name| args.has(name))
        .collect();
    let targets = match (args.value("--input"), chosen.as_slice()) {
        (Some(_), [_]) => chosen,
        (Some(_), _) => {
            return Err(UsageError("`--input` needs the one TARGET it is for".to_owned()).into());
        }
        (None, []) => TARGETS.to_vec(),
        (None, _) => chosen,
    };
    if let Some(missing) = missing_tool() {
        bail!("{missing}; install it, on Debian with `apt-get install g++`");
    }
    let lab = Lab::build(context)?;
    let mut broken = Vec::new();
    for target in targets {
        let result = match args.value("--input") {
            Some(input) => lab.repeat(context, target, Path::new(input)),
            None => lab.search(context, target, duration),
        };
        match result {
            Err(error) if error.is::<Broken>() => {
                eprintln!("{error:#}");
                broken.push(target);
            }
            result => result?,
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}", broken.join(", "));
    }
    Ok(())
}

fn duration(text: Option<&str>) -> Result<Duration, UsageError> {
    let Some(text) = text else {
        return Ok(DURATION);
    };
    let (number, unit_s) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_s))
        .filter(|seconds| (1..=DURATION_S_MAX).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            UsageError(format!(
                "`--duration {text}`: seconds or minutes up to a week are needed, such as 60s or 10m"
            ))
        })
}

/// What is not installed and needed to build the targets.
pub fn missing_tool() -> Option<&'static str> {
    (!process::is_on_path("g++")).then_some("g++ is not installed")
}

/// An input that broke a target; says how to repeat it.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// The built targets, and the folder where searches keep what they find.
pub struct Lab {
    programs: PathBuf,
    folder: PathBuf,
}

impl Lab {
    /// Builds all targets, which is seconds when they were built before.
    pub fn build(context: &Context) -> anyhow::Result<Self> {
        let folder = context.workspace.target.join("fuzz");
        let host = rustc_host()?;
        let mut command = cargo(&context.workspace, "build");
        command
            .arg("--release")
            .arg("--manifest-path")
            .arg(context.workspace.root.join("fuzz/Cargo.toml"))
            // Naming the target keeps the counters out of build scripts and macros, which have no use for them.
            .args(["--target", &host])
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTFLAGS", COVERAGE.join(" "));
        process::run(&mut command, &context.interrupt)?;
        Ok(Self {
            programs: folder.join(host).join("release"),
            folder,
        })
    }

    /// Searches one target from its seeds and from what earlier searches kept.
    ///
    /// # Errors
    /// [`Broken`] when an input broke it.
    pub fn search(
        &self,
        context: &Context,
        target: &str,
        duration: Duration,
    ) -> anyhow::Result<()> {
        eprintln!("fuzz {target}: {} s", duration.as_secs());
        let found = self.made("corpus", target)?;
        let seeds = self.made("seeds", target)?;
        let mut command = self.program(target)?;
        command
            .env("OPSCENTER_FUZZ_SEEDS", &seeds)
            .arg(format!("-max_total_time={}", duration.as_secs()))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .args(["-print_final_stats=1"])
            // The first folder is where new finds go.
            .args([&found, &seeds]);
        let crashes = self.crashes(target)?;
        let log = self.made("logs", "")?.join(target);
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let status = process::status(command.stderr(file), &context.interrupt)?;
        let told = std::fs::read(&log).unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        if status.success() {
            // Runs, edges covered, inputs kept, runs a second.
            let done = told.lines().find(|line| line.contains("DONE"));
            eprintln!("fuzz {target}: {}", done.unwrap_or("no figures were told"));
            return Ok(());
        }
        let lines: Vec<&str> = told.lines().collect();
        let last = lines.len().saturating_sub(LOG_LINES_SHOWN);
        for line in lines.iter().skip(last) {
            eprintln!("{line}");
        }
        let new: Vec<PathBuf> = self
            .crashes(target)?
            .into_iter()
            .filter(|path| !crashes.contains(path))
            .collect();
        // The same input breaks it again and is written over itself.
        let inputs = if new.is_empty() { crashes } else { new };
        let ways: Vec<String> = inputs
            .iter()
            .map(|path| {
                format!(
                    "repeat it: cargo xtask fuzz {target} --input {}",
                    path.display()
                )
            })
            .collect();
        Err(Broken(format!(
            "fuzz {target}: broken ({status})\n{}",
            ways.join("\n")
        ))
        .into())
    }

    /// One input, once.
    fn repeat(&self, context: &Context, target: &str, input: &Path) -> anyhow::Result<()> {
        let input = std::path::absolute(input)?;
        if !input.is_file() {
            bail!("{} is no file", input.display());
        }
        let status = process::status(self.program(target)?.arg(&input), &context.interrupt)?;
        if status.success() {
            return Ok(());
        }
        Err(Broken(format!(
            "fuzz {target}: {} breaks it ({status})",
            input.display()
        ))
        .into())
    }

    fn program(&self, target: &str) -> anyhow::Result<Process> {
        let mut prefix = self.made("crashes", "")?.into_os_string();
        prefix.push(format!("{target}-"));
        let mut artifacts = OsString::from("-artifact_prefix=");
        artifacts.push(prefix);
        let mut command = Process::new(self.programs.join(target));
        command
            .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
            .arg(format!("-timeout={INPUT_S_MAX}"))
            .arg(artifacts);
        Ok(command)
    }

    fn made(&self, kind: &str, target: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(kind).join(target);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    fn crashes(&self, target: &str) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.made("crashes", "")?;
        let prefix = format!("{target}-");
        let names = files_beneath(&folder)?;
        Ok(names
            .into_iter()
            .filter(|name| name.to_string_lossy().starts_with(&prefix))
            .map(|name| folder.join(name))
            .collect())
    }
}

/// The triple this machine's compiler builds for by itself.
fn rustc_host() -> anyhow::Result<String> {
    let output = Process::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_minutes() {
        let seconds = |text| duration(Some(text)).map(|duration| duration.as_secs());
        assert_eq!(duration(None).unwrap(), DURATION);
        assert_eq!(seconds("5").unwrap(), 5);
        assert_eq!(seconds("90s").unwrap(), 90);
        assert_eq!(seconds("10m").unwrap(), 600);
        for wrong in ["", "0s", "1h", "m", "-5s", "999999999999999999m"] {
            assert!(duration(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_is_a_program_and_in_the_help() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let programs: Vec<&str> = manifest
            .split("[[bin]]\nname = \"")
            .skip(1)
            .filter_map(|part| part.split('"').next())
            .collect();
        assert_eq!(programs, TARGETS);
        for target in TARGETS {
            assert!(COMMAND.help.contains(&format!("\n  {target} ")), "{target}");
        }
    }
}
