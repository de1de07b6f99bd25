//! `cargo xtask demo`: builds, then `operations-center demo` with the site that was built.
//!
//! Scripts read its stdout, which is the program's own: one line of JSON, then `ready URL`.

use std::process::Command as Program;
use std::time::Duration;

use crate::args::{Args, UsageError};
use crate::process::{EndedByItself, Service};
use crate::stack::SERVER;
use crate::{Command, Context, WhenInterrupted, run};

/// Exit code of the program for wrong usage.
const WRONG_USAGE: i32 = 2;

pub const COMMAND: Command = Command {
    name: "demo",
    summary: "build and start a server with a simulated estate",
    help: "\
Build and start a server with a simulated estate; nothing of it stays.

Usage: cargo xtask demo [--listen ADDR] [--agents N]

  --listen ADDR   where the server answers (default: a free port of 127.0.0.1)
  --agents N      how many hosts (default 60)

Prints one line of JSON with url, user and password, then `ready URL` once every host
has reported. Ctrl-C or SIGTERM ends it.

Example: cargo xtask demo --listen 127.0.0.1:7701 --agents 1000
",
    valued: OPTIONS,
    switches: &[],
    when_interrupted: WhenInterrupted::Succeeds,
    main: demo,
};

const OPTIONS: &[&str] = &["--listen", "--agents"];

fn demo(context: &Context, args: &Args) -> anyhow::Result<()> {
    run::build(context)?;
    let mut command = Program::new(context.workspace.dev_program(SERVER));
    command
        .arg("demo")
        .env("OPSCENTER_SITE", context.workspace.site());
    for option in OPTIONS {
        if let Some(value) = args.value(option) {
            command.args([*option, value]);
        }
    }
    let mut service = Service::start(SERVER, &mut command)?;
    let shown = service.wait_for(&context.interrupt, |line| {
        println!("{line}");
        line.starts_with("ready ").then_some(())
    });
    shown.map_err(explained)?;
    loop {
        if let Some(status) = service.ended()? {
            let name = SERVER;
            return Err(EndedByItself { name, status }.into());
        }
        context.interrupt.sleep(Duration::from_millis(100))?;
    }
}

fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<EndedByItself>() {
        Some(ended) if ended.status.code() == Some(WRONG_USAGE) => {
            UsageError(format!("{SERVER} refused (its message is above)")).into()
        }
        _ => error,
    }
}
