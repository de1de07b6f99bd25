//! `cargo xtask`: build, run and test this repository.
//!
//! For developers and CI alike; `.ci/run` is nothing but `cargo xtask test`. Every command installs
//! what it needs first. Results go to stdout, everything else to stderr. Exit codes: 0 done,
//! 1 failed, 2 wrong usage.
//!
//! Deliberately absent: anything that a released program needs (those are self-contained), and any
//! tool fetched from elsewhere than crates.io, npm, rustup and the distribution.

mod args;
mod bench;
mod cargo;
mod check;
mod clock;
mod demo;
mod fuzz;
mod process;
mod release;
mod run;
mod setup;
mod site;
mod stack;
mod test;
mod watch;
mod workspace;

use std::process::ExitCode;

use args::{Args, UsageError};
use process::{Interrupt, Interrupted};
use workspace::Workspace;

/// One subcommand. To add one: a module with a `COMMAND`, and a line in [`COMMANDS`].
pub struct Command {
    pub name: &'static str,
    /// One line for the list of commands.
    pub summary: &'static str,
    /// The whole `--help` text, with an example.
    pub help: &'static str,
    /// Options that take a value, and options that do not, each with its dashes.
    pub valued: &'static [&'static str],
    pub switches: &'static [&'static str],
    /// What a SIGINT or SIGTERM means: the normal end of this command, or its failure.
    pub when_interrupted: WhenInterrupted,
    pub main: fn(&Context, &Args) -> anyhow::Result<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WhenInterrupted {
    Succeeds,
    Fails,
}

/// What every command gets.
pub struct Context {
    pub workspace: Workspace,
    pub interrupt: Interrupt,
}

const COMMANDS: &[Command] = &[
    run::COMMAND,
    demo::COMMAND,
    watch::COMMAND,
    check::COMMAND,
    test::COMMAND,
    release::COMMAND,
    bench::COMMAND,
    fuzz::COMMAND,
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        eprint!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    if name == "--version" {
        println!("xtask {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: unknown command `{name}`; `cargo xtask --help` lists them");
        return ExitCode::from(2);
    };
    let words: Vec<String> = words.collect();
    if words
        .iter()
        .any(|word| matches!(word.as_str(), "--help" | "-h"))
    {
        print!("{}", command.help);
        return ExitCode::SUCCESS;
    }
    exit_code(command, execute(command, words))
}

fn execute(command: &Command, words: Vec<String>) -> anyhow::Result<()> {
    let args = Args::parse(command.name, words, command.valued, command.switches)?;
    let interrupt = Interrupt::install()?;
    let workspace = Workspace::locate()?;
    (command.main)(
        &Context {
            workspace,
            interrupt,
        },
        &args,
    )
}

fn exit_code(command: &Command, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if error.is::<Interrupted>() && command.when_interrupted == WhenInterrupted::Succeeds {
        return ExitCode::SUCCESS;
    }
    if let Some(usage) = error.downcast_ref::<UsageError>() {
        eprintln!("xtask: {usage}");
        return ExitCode::from(2);
    }
    if !error.is::<test::TestsFailed>() {
        eprintln!("xtask: {error:#}");
    }
    ExitCode::FAILURE
}

fn usage() -> String {
    let mut text = String::from(
        "Build, run and test Operations Center.\n\nUsage: cargo xtask COMMAND [OPTIONS]\n\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:<8}{}\n", command.name, command.summary));
    }
    text.push_str("\n`cargo xtask COMMAND --help` says more. Example: cargo xtask run\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_listed_and_has_an_example() {
        for command in COMMANDS {
            assert!(usage().contains(command.summary), "{}", command.name);
            assert!(
                command.help.contains("Example"),
                "{} has no example",
                command.name
            );
            assert!(
                command
                    .help
                    .contains(&format!("cargo xtask {}", command.name))
            );
            for option in command.valued.iter().chain(command.switches) {
                assert!(
                    command.help.contains(option),
                    "{} does not explain {option}",
                    command.name
                );
            }
        }
    }
}
