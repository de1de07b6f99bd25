//! How xtask calls cargo, and the one combination of packages and features of the dev profile.
//!
//! Everything that `run`, `test`, `check` and `watch` build for this machine uses [`DEV_FEATURES`]
//! over the same packages: another combination would build the whole dependency tree again. xtask
//! itself stays out of it for the same reason (its dependencies are already there, as built by
//! `cargo xtask`).

use std::process::Command;

use crate::workspace::{Workspace, cargo_program};

/// Every package but xtask.
pub const PACKAGES: &[&str] = &["protocol", "domain", "app", "server", "agent", "simulator"];

const DEV_FEATURES: &str = "app/ssr,server/embed";

/// `cargo SUBCOMMAND` at the root of the repository.
pub fn cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = Command::new(cargo_program());
    command.arg(subcommand).current_dir(&workspace.root);
    // `cargo run` describes xtask to us in the environment. Build scripts that watch these
    // (ring's does) would run again after each change between xtask and plain cargo.
    for (name, _) in std::env::vars_os() {
        if let Some(name) = name.to_str()
            && ["CARGO_PKG_", "CARGO_MANIFEST_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
}

/// `cargo SUBCOMMAND` over all packages but xtask, with the dev features.
pub fn dev_cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = cargo(workspace, subcommand);
    command.args([
        "--workspace",
        "--exclude",
        "xtask",
        "--features",
        DEV_FEATURES,
    ]);
    command
}

/// `cargo SUBCOMMAND` over the console as the browser gets it.
pub fn browser_cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = cargo(workspace, subcommand);
    command.args(["-p", "app", "--lib", "--target", "wasm32-unknown-unknown"]);
    command.args(["--no-default-features", "--features", "hydrate"]);
    command
}
