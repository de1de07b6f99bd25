//! `cargo xtask run`: the whole thing on this machine, from sources to a page with this machine in it.
//!
//! Scripts read its stdout: `setup URL` while there is no administrator, then `ready URL`. Nothing
//! else is written there.

use std::time::Duration;

use crate::args::Args;
use crate::cargo::dev_cargo;
use crate::process;
use crate::site::{self, Profile};
use crate::stack::{self, Stack};
use crate::{Command, Context, WhenInterrupted, setup};

pub const COMMAND: Command = Command {
    name: "run",
    summary: "build and start the server, and an agent for this machine",
    help: "\
Build and start the server, and an agent for this machine.

Usage: cargo xtask run [--listen ADDR] [--data DIR]

  --listen ADDR   where the server answers (default 127.0.0.1:7700; port 0 picks one)
  --data DIR      where both keep their files (default ./data)

Prints `setup URL` until there is an administrator, then `ready URL` once this machine
has reported. Ctrl-C or SIGTERM ends both.

Example: cargo xtask run --listen 127.0.0.1:7701 --data /tmp/ops
",
    valued: stack::OPTIONS,
    switches: &[],
    when_interrupted: WhenInterrupted::Succeeds,
    main: run,
};

fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    build(context)?;
    let mut stack = Stack::new(context, args)?;
    stack.start()?;
    loop {
        if let Some(ended) = stack.ended()? {
            stack.stop()?;
            return Err(ended.into());
        }
        if let Err(interrupted) = context.interrupt.sleep(Duration::from_millis(100)) {
            stack.stop()?;
            return Err(interrupted.into());
        }
    }
}

/// Site and programs of the dev profile.
pub fn build(context: &Context) -> anyhow::Result<()> {
    {
        let _lock = context.workspace.lock()?;
        setup::for_building(context)?;
        site::build(context, Profile::Dev)?;
    }
    build_programs(context)
}

pub fn build_programs(context: &Context) -> anyhow::Result<()> {
    process::run(
        dev_cargo(&context.workspace, "build").arg("--bins"),
        &context.interrupt,
    )
}
