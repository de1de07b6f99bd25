//! What has to be installed before anything can be built: installed when missing, with a line on
//! stderr saying so, and left alone otherwise.
//!
//! Looks only at files (a second start is quick and needs no network). Does not install what a
//! developer's machine is expected to have: rustup's Rust, a C compiler, Node.js.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::Context;
use crate::process;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const CHROMIUM: &str = "/usr/bin/chromium";

/// For building: the wasm target and the npm packages (icons; also the browser tests' own).
pub fn for_building(context: &Context) -> anyhow::Result<()> {
    install_wasm_target(context)?;
    install_npm_packages(context)
}

/// For the browser tests, in addition.
pub fn for_browser_tests(context: &Context) -> anyhow::Result<()> {
    for_building(context)?;
    install_chromium(context)
}

/// For the test with a real fleet: small packages of Debian, where they may be installed and a Java runtime is there
/// already (which is not small). Without them that test is skipped and says why.
pub fn for_real_fleet(context: &Context) {
    const NEEDED: &[(&str, &str)] = &[
        ("nginx", "/usr/sbin/nginx"),
        ("tomcat10-common", "/usr/share/tomcat10/bin/bootstrap.jar"),
        ("libpostgresql-jdbc-java", "/usr/share/java/postgresql.jar"),
        ("postgresql", "/usr/lib/postgresql"),
        ("nftables", "/usr/sbin/nft"),
    ];
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(_, path)| !Path::new(path).exists())
        .map(|(package, _)| *package)
        .collect();
    let may_install = nix::unistd::geteuid().is_root()
        && Path::new("/usr/bin/apt-get").exists()
        && Path::new("/usr/bin/java").exists();
    if missing.is_empty() || !may_install {
        return;
    }
    eprintln!(
        "installing {} from Debian (needed by the test with a real fleet)",
        missing.join(", ")
    );
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(missing);
    let installed = apt(context, &["update"]).and_then(|()| apt(context, &words));
    if let Err(error) = installed {
        eprintln!("they could not be installed, so that test is skipped: {error:#}");
    }
}

/// The target of the released agent: libc inside, so that it runs on every Linux of this architecture. `None`, and said,
/// where this Rust has none and it cannot be had.
pub fn static_target(context: &Context) -> Option<String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    match install_target(context, &target, "the agent that runs on every Linux") {
        Ok(()) => Some(target),
        Err(error) => {
            eprintln!("{error:#}; the agent will need this machine's libc, or a newer one");
            None
        }
    }
}

fn install_wasm_target(context: &Context) -> anyhow::Result<()> {
    install_target(context, WASM_TARGET, "the console")
}

fn install_target(context: &Context, target: &str, needed_by: &str) -> anyhow::Result<()> {
    // The folder is looked at rather than rustup asked: not every Rust comes from rustup.
    let (_, sysroot) = process::output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(&context.workspace.root),
        &context.interrupt,
    )?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    if libraries.is_dir() {
        return Ok(());
    }
    eprintln!("installing Rust's target {target} (needed by {needed_by})");
    let mut command = Command::new("rustup");
    command
        .args(["target", "add", target])
        .current_dir(&context.workspace.root);
    process::run(&mut command, &context.interrupt)
        .with_context(|| format!("the Rust target {target} is needed; install it and try again"))
}

/// `npm ci` when the lock file is not the one that was installed. The stamp lies inside
/// `node_modules`, so it disappears with it.
fn install_npm_packages(context: &Context) -> anyhow::Result<()> {
    let folder = context.workspace.end2end();
    let lock_path = folder.join("package-lock.json");
    let lock = std::fs::read(&lock_path)
        .with_context(|| format!("cannot read {}", lock_path.display()))?;
    let digest: String = Sha256::digest(&lock)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let stamp = folder.join("node_modules/.installed-lock-sha256");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    eprintln!("installing npm packages in end2end/ (icons and browser tests)");
    let mut command = Command::new("npm");
    command
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .env("PUPPETEER_SKIP_DOWNLOAD", "1");
    process::run(&mut command, &context.interrupt).context(
        "npm packages are needed (Node.js 20 or later with npm: `apt-get install nodejs npm`)",
    )?;
    std::fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Debian's, because Playwright's own download is not available everywhere. `OPSCENTER_CHROMIUM`
/// names another.
fn install_chromium(context: &Context) -> anyhow::Result<()> {
    if let Some(path) = std::env::var_os("OPSCENTER_CHROMIUM") {
        if !Path::new(&path).is_file() {
            bail!(
                "OPSCENTER_CHROMIUM names {}, which is not there",
                Path::new(&path).display()
            );
        }
        return Ok(());
    }
    if Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("browser tests need Chromium: install it and set OPSCENTER_CHROMIUM to its path");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "browser tests need Chromium: run `sudo apt-get install -y chromium`, or set OPSCENTER_CHROMIUM to its path"
        );
    }
    eprintln!("installing Chromium from Debian (needed by browser tests)");
    apt(context, &["update"])?;
    apt(context, &["install", "-y", "chromium"])
}

fn apt(context: &Context, words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(words)
        .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command, &context.interrupt)
}
