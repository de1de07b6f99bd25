//! `cargo xtask test`: every test of the repository, as one count.
//!
//! One dev build serves everything: the workspace's tests, their programs, and the browser tests
//! against those programs. Runners are watched line by line (see [`tally`]); a runner that fails
//! without naming a failed test counts as one failure. Skips are listed with their reasons above
//! the last line and are never counted as passed.
//!
//! What runners get from the environment: `OPSCENTER_BIN_DIR` (where the programs are),
//! `OPSCENTER_TEST_LONG=1` with `--long`, and `OPSCENTER_TEST_SKIPS`, a file to which a test that
//! cannot run here appends `its name: the reason` before it returns.

mod browser;
mod tally;

use std::fmt;
use std::path::PathBuf;
use std::process::Command as Process;

use anyhow::Context as _;

use crate::args::{Args, UsageError};
use crate::cargo::{PACKAGES, cargo, dev_cargo};
use crate::check::LINTS;
use crate::clock::{Stopwatch, seconds};
use crate::process::{self, Interrupted};
use crate::site::{self, Profile};
use crate::{Command, Context, WhenInterrupted, fuzz, setup};
use tally::{CargoTestOutput, Tally};

pub const COMMAND: Command = Command {
    name: "test",
    summary: "every test; the last line counts them",
    help: "\
Every test: format, lints, the crates' tests, and browser tests against the built programs.

Usage: cargo xtask test [--area NAME] [--long]

  --area NAME   only one area: a crate, `lints`, `browser`, or one browser spec by its name
  --long        the full numbers of seeds, kills and cases instead of the reduced ones, and, with all
                areas, every fuzz target for a minute

The last line is `N passed, N failed, N skipped`; skips are listed above with their reasons.
Exits 1 when anything failed.

Example: cargo xtask test --area domain
",
    valued: &["--area"],
    switches: &["--long"],
    when_interrupted: WhenInterrupted::Fails,
    main: test,
};

/// Some test failed; the report is printed already.
#[derive(Debug)]
pub struct TestsFailed;

impl fmt::Display for TestsFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tests failed")
    }
}

impl std::error::Error for TestsFailed {}

#[derive(Debug, PartialEq, Eq)]
enum Area {
    All,
    Lints,
    Crate(String),
    /// All specs, or the one named.
    Browser(Option<String>),
}

impl Area {
    fn parse(name: Option<&str>, specs: &[String]) -> Result<Self, UsageError> {
        let Some(name) = name else {
            return Ok(Self::All);
        };
        if name == "lints" {
            return Ok(Self::Lints);
        }
        if name == "browser" {
            return Ok(Self::Browser(None));
        }
        if name == "xtask" || PACKAGES.contains(&name) {
            return Ok(Self::Crate(name.to_owned()));
        }
        if specs.iter().any(|spec| spec == name) {
            return Ok(Self::Browser(Some(name.to_owned())));
        }
        let mut known: Vec<&str> = PACKAGES.to_vec();
        known.extend(["xtask", "lints", "browser"]);
        known.extend(specs.iter().map(String::as_str));
        Err(UsageError(format!(
            "there is no area `{name}`; areas are: {}",
            known.join(", ")
        )))
    }

    fn has_browser(&self) -> bool {
        matches!(self, Self::All | Self::Browser(_))
    }

    /// Whatever compiles the server with its site inside needs the site first.
    fn has_site(&self) -> bool {
        match self {
            Self::All | Self::Lints | Self::Browser(_) => true,
            // Tests of these start the programs of both.
            Self::Crate(name) => ["server", "agent", "simulator"].contains(&name.as_str()),
        }
    }
}

fn test(context: &Context, args: &Args) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let area = Area::parse(args.value("--area"), &browser::specs(&context.workspace)?)?;
    prepare(context, &area)?;
    let mut runner = Runner::new(context, args.has("--long"))?;
    runner.run(&area)?;
    runner.read_skips()?;
    eprintln!("{}", seconds(watch.elapsed()));
    print!("{}", runner.tally);
    if runner.tally.failed > 0 {
        Err(TestsFailed.into())
    } else {
        Ok(())
    }
}

fn prepare(context: &Context, area: &Area) -> anyhow::Result<()> {
    let _lock = context.workspace.lock()?;
    if matches!(&area, Area::All) || matches!(&area, Area::Crate(name) if name == "server") {
        setup::for_real_fleet(context);
    }
    if area.has_browser() {
        setup::for_browser_tests(context)?;
    } else {
        setup::for_building(context)?;
    }
    Ok(())
}

struct Runner<'a> {
    context: &'a Context,
    long: bool,
    skips_file: PathBuf,
    tally: Tally,
}

impl<'a> Runner<'a> {
    fn new(context: &'a Context, long: bool) -> anyhow::Result<Self> {
        let skips_file = context.workspace.target.join("test-skips");
        std::fs::write(&skips_file, "")
            .with_context(|| format!("cannot write {}", skips_file.display()))?;
        Ok(Self {
            context,
            long,
            skips_file,
            tally: Tally::default(),
        })
    }

    fn run(&mut self, area: &Area) -> anyhow::Result<()> {
        if area.has_site() {
            let _lock = self.context.workspace.lock()?;
            let built = site::build(self.context, Profile::Dev);
            if !self.passed("the site is built", built)? {
                return Ok(());
            }
        }
        let workspace = &self.context.workspace;
        match area {
            Area::All => {
                self.lint("format")?;
                // With the tests: cargo would choose other features of dependencies without them.
                let is_built = self.programs(&["--bins", "--tests"])?;
                if is_built {
                    self.cargo_test("tests of the workspace", dev_cargo(workspace, "test"))?;
                }
                self.cargo_test("tests of xtask", package_test(self.context, "xtask"))?;
                for lint in LINTS.iter().filter(|lint| lint.name != "format") {
                    self.lint(lint.name)?;
                }
                self.dependencies()?;
                if is_built {
                    self.browser(None)?;
                }
                if self.long { self.fuzz() } else { Ok(()) }
            }
            Area::Lints => {
                for lint in LINTS {
                    self.lint(lint.name)?;
                }
                self.dependencies()
            }
            Area::Crate(name) => {
                // Tests of these start the programs of both.
                if area.has_site() && !self.programs(&["--bins"])? {
                    return Ok(());
                }
                self.cargo_test(
                    &format!("tests of {name}"),
                    package_test(self.context, name),
                )
            }
            Area::Browser(spec) => {
                if self.programs(&["--bins"])? {
                    self.browser(spec.as_deref())
                } else {
                    Ok(())
                }
            }
        }
    }

    fn lint(&mut self, name: &str) -> anyhow::Result<()> {
        let Some(lint) = LINTS.iter().find(|lint| lint.name == name) else {
            return Ok(());
        };
        eprintln!("{name}");
        let result = process::run(
            &mut (lint.command)(&self.context.workspace),
            &self.context.interrupt,
        );
        self.passed(name, result).map(|_| ())
    }

    /// Licences, advisories, sources and duplicates of dependencies, where the tool is installed.
    fn dependencies(&mut self) -> anyhow::Result<()> {
        const NAME: &str = "dependencies (cargo deny)";
        if !process::is_on_path("cargo-deny") {
            self.tally.skip(NAME, "cargo-deny is not installed");
            return Ok(());
        }
        eprintln!("{NAME}");
        let mut command = cargo(&self.context.workspace, "deny");
        let result = process::run(
            command.args(["--offline", "check", "bans", "licenses", "sources"]),
            &self.context.interrupt,
        );
        self.passed(NAME, result).map(|_| ())
    }

    /// Each fuzz target for its usual time, as one test each.
    fn fuzz(&mut self) -> anyhow::Result<()> {
        let name = |target: &str| format!("fuzz {target}");
        if let Some(missing) = fuzz::missing_tool() {
            for target in fuzz::TARGETS {
                self.tally.skip(&name(target), missing);
            }
            return Ok(());
        }
        let lab = match fuzz::Lab::build(self.context) {
            Ok(lab) => lab,
            failed => {
                let built = failed.map(|_| ());
                return self.passed("the fuzz targets are built", built).map(|_| ());
            }
        };
        for target in fuzz::TARGETS {
            let searched = lab.search(self.context, target, fuzz::DURATION);
            self.passed(&name(target), searched)?;
        }
        Ok(())
    }

    fn programs(&mut self, targets: &[&str]) -> anyhow::Result<bool> {
        let mut command = dev_cargo(&self.context.workspace, "build");
        let result = process::run(command.args(targets), &self.context.interrupt);
        self.passed("the workspace is built", result)
    }

    fn cargo_test(&mut self, name: &str, mut command: Process) -> anyhow::Result<()> {
        eprintln!("{name}");
        // All test programs run, whatever happens in the first.
        command.arg("--no-fail-fast");
        self.environment(&mut command);
        let mut output = CargoTestOutput::default();
        let status = process::stream(&mut command, &self.context.interrupt, |line| {
            println!("{line}");
            output.line(line);
        })?;
        self.tally
            .add_runner(name, status.success(), output.into_tally());
        Ok(())
    }

    fn browser(&mut self, spec: Option<&str>) -> anyhow::Result<()> {
        if browser::specs(&self.context.workspace)?.is_empty() {
            self.tally.skip("browser", "there are no specs yet");
            return Ok(());
        }
        let types = process::run(
            &mut browser::types(&self.context.workspace),
            &self.context.interrupt,
        );
        self.passed("types of the browser tests", types)?;
        eprintln!("browser tests");
        let mut command = browser::playwright(&self.context.workspace, spec)?;
        self.environment(&mut command);
        let status = process::stream(&mut command, &self.context.interrupt, |line| {
            println!("{line}")
        })?;
        let tally = browser::read_report(&self.context.workspace);
        self.tally.add_runner("browser", status.success(), tally);
        Ok(())
    }

    fn environment(&self, command: &mut Process) {
        command.env(
            "OPSCENTER_BIN_DIR",
            self.context.workspace.target.join("debug"),
        );
        command.env("OPSCENTER_SITE", self.context.workspace.site());
        command.env("OPSCENTER_TEST_SKIPS", &self.skips_file);
        if self.long {
            command.env("OPSCENTER_TEST_LONG", "1");
        }
    }

    /// Counts something that passes or fails as a whole. Only an interrupt is an error.
    fn passed(&mut self, name: &str, result: anyhow::Result<()>) -> anyhow::Result<bool> {
        match result {
            Ok(()) => {
                self.tally.passed += 1;
                Ok(true)
            }
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                eprintln!("{error:#}");
                self.tally.fail(name);
                Ok(false)
            }
        }
    }

    /// Tests that found out while running that they cannot run here.
    fn read_skips(&mut self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.skips_file)
            .with_context(|| format!("cannot read {}", self.skips_file.display()))?;
        self.tally.move_to_skipped(&text);
        Ok(())
    }
}

/// One package's tests; the features are those of the whole where it has them.
fn package_test(context: &Context, package: &str) -> Process {
    let mut command = cargo(&context.workspace, "test");
    command.args(["-p", package]);
    match package {
        "app" => command.args(["--features", "app/ssr"]),
        "server" => command.args(["--features", "server/embed"]),
        _ => &mut command,
    };
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_crates_lints_and_specs() {
        let specs = ["fleet".to_owned()];
        let case = |name| Area::parse(Some(name), &specs).unwrap();
        assert_eq!(Area::parse(None, &specs).unwrap(), Area::All);
        assert_eq!(case("domain"), Area::Crate("domain".to_owned()));
        assert_eq!(case("xtask"), Area::Crate("xtask".to_owned()));
        assert_eq!(case("browser"), Area::Browser(None));
        assert_eq!(case("fleet"), Area::Browser(Some("fleet".to_owned())));
        let error = Area::parse(Some("flet"), &specs).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no area `flet`; areas are: protocol,"),
            "{error}"
        );
        assert!(error.ends_with("browser, fleet"), "{error}");
    }
}
