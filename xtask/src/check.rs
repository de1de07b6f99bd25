//! `cargo xtask check`: the quick loop before a commit. Format, lints, types, unit tests; no
//! processes, no browser.
//!
//! [`LINTS`] is also the first half of what `test` runs.

use std::process::Command as Process;

use crate::args::Args;
use crate::cargo::{browser_cargo, cargo, dev_cargo};
use crate::process;
use crate::site::{self, Profile};
use crate::workspace::Workspace;
use crate::{Command, Context, WhenInterrupted, setup};

pub const COMMAND: Command = Command {
    name: "check",
    summary: "quick loop: format, lints, types, unit tests",
    help: "\
Quick loop: format, lints and types of everything, unit tests of the libraries.

Usage: cargo xtask check

Example: cargo xtask check
",
    valued: &[],
    switches: &[],
    when_interrupted: WhenInterrupted::Fails,
    main: check,
};

/// A check that passes or fails as a whole.
pub struct Lint {
    pub name: &'static str,
    pub command: fn(&Workspace) -> Process,
}

pub const LINTS: &[Lint] = &[
    Lint {
        name: "format",
        command: |workspace| {
            let mut command = cargo(workspace, "fmt");
            command.args(["--all", "--check"]);
            command
        },
    },
    Lint {
        // A workspace of its own; its lints would compile a fuzzer.
        name: "format of the fuzz targets",
        command: |workspace| {
            let mut command = cargo(workspace, "fmt");
            command.args(["--manifest-path", "fuzz/Cargo.toml", "--check"]);
            command
        },
    },
    Lint {
        name: "clippy",
        // Without `server/embed` the site would not be needed, but the dependencies' check
        // artifacts would be others than those of the tests.
        command: |workspace| strict(dev_cargo(workspace, "clippy"), &["--all-targets"]),
    },
    Lint {
        name: "clippy of the console in the browser",
        command: |workspace| strict(browser_cargo(workspace, "clippy"), &[]),
    },
    Lint {
        name: "clippy of xtask",
        command: |workspace| {
            strict(
                cargo(workspace, "clippy"),
                &["-p", "xtask", "--all-targets"],
            )
        },
    },
];

fn strict(mut command: Process, words: &[&str]) -> Process {
    command
        .arg("--quiet")
        .args(words)
        .args(["--", "-D", "warnings"]);
    command
}

fn check(context: &Context, _: &Args) -> anyhow::Result<()> {
    {
        let _lock = context.workspace.lock()?;
        setup::for_building(context)?;
        // The server is checked with its site inside.
        site::build(context, Profile::Dev)?;
    }
    for lint in LINTS {
        eprintln!("{}", lint.name);
        process::run(&mut (lint.command)(&context.workspace), &context.interrupt)?;
    }
    eprintln!("unit tests");
    let mut tests = dev_cargo(&context.workspace, "test");
    tests.args(["--quiet", "--lib"]);
    process::run(&mut tests, &context.interrupt)
}
