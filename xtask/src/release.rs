//! `cargo xtask build`: the two programs as they are released, each one complete file.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::args::Args;
use crate::cargo::cargo;
use crate::process;
use crate::site::{self, Profile};
use crate::stack::{AGENT, SERVER};
use crate::{Command, Context, WhenInterrupted, setup};

pub const COMMAND: Command = Command {
    name: "build",
    summary: "release build: the server with its console inside, and the agent",
    help: "\
Release build: the server with its console inside, and the agent.

Usage: cargo xtask build

Prints the two files. Fails when the console's wasm is larger than its limit, with both files made.

Example: cargo xtask build
",
    valued: &[],
    switches: &[],
    when_interrupted: WhenInterrupted::Fails,
    main: build,
};

fn build(context: &Context, _: &Args) -> anyhow::Result<()> {
    programs(context)?;
    for name in [SERVER, AGENT] {
        let path = program(context, name);
        let bytes = std::fs::metadata(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        println!("{} ({:.1} MB)", path.display(), bytes as f64 / 1e6);
    }
    // Last: whoever needs a release today has one, and is told all the same.
    site::report_sizes(&context.workspace.site())
}

/// Where a released program lies once it is built.
pub fn program(context: &Context, name: &str) -> PathBuf {
    context.workspace.target.join("release").join(name)
}

/// Both programs as released.
pub fn programs(context: &Context) -> anyhow::Result<()> {
    // Held to the end: the release build reads the site while it compiles the server.
    let _lock = context.workspace.lock()?;
    setup::for_building(context)?;
    site::build(context, Profile::Release)?;
    let mut command = cargo(&context.workspace, "build");
    command.args(["--release", "-p", "server", "--features", "server/embed"]);
    process::run(&mut command, &context.interrupt)?;
    build_agent(context)
}

/// The agent has a profile of its own, made for size, and its libc inside: it lies beside the server as if it had not.
pub fn build_agent(context: &Context) -> anyhow::Result<()> {
    let mut command = cargo(&context.workspace, "build");
    command.args(["--profile", "agent", "-p", "agent"]);
    let mut built = context.workspace.target.clone();
    if let Some(target) = setup::static_target(context) {
        // What little C there is (ring's) calls nothing of libc: any C compiler will do.
        command.env(format!("CC_{}", target.replace('-', "_")), "cc");
        command.args(["--target", &target]);
        built.push(target);
    }
    process::run(&mut command, &context.interrupt)?;
    let built = built.join("agent").join(AGENT);
    let released = program(context, AGENT);
    std::fs::create_dir_all(context.workspace.target.join("release"))
        .and_then(|()| std::fs::copy(&built, &released))
        .with_context(|| format!("cannot copy {} to {}", built.display(), released.display()))?;
    Ok(())
}
