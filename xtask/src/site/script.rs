//! The console's code: compiled to wasm by cargo, given its JavaScript side by wasm-bindgen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use wasm_bindgen_cli_support::Bindgen;

use super::{Asset, Profile, hashed};
use crate::Context;
use crate::cargo::browser_cargo;
use crate::process;
use crate::workspace::files_beneath;

/// Lets cargo compile the console (it knows best whether it must) and returns the wasm.
pub fn compile(context: &Context, profile: Profile) -> anyhow::Result<Vec<u8>> {
    let mut command = browser_cargo(&context.workspace, "build");
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            command.args(["--profile", "wasm-release"]);
            "wasm-release"
        }
    };
    process::run(&mut command, &context.interrupt)?;
    let path = context
        .workspace
        .target
        .join("wasm32-unknown-unknown")
        .join(folder)
        .join("app.wasm");
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// wasm-bindgen's output for browsers, as modules: the page imports the script and tells it where
/// the wasm is, so both may carry hashes.
pub fn bind(
    wasm: &[u8],
    profile: Profile,
    work_folder: &Path,
) -> anyhow::Result<Vec<(&'static str, Asset)>> {
    empty(work_folder)?;
    let wasm = match profile {
        Profile::Dev => wasm.to_vec(),
        Profile::Release => super::slim::slim(wasm)?,
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .web(true)
        .context("wasm-bindgen refuses the target web")?;
    bindgen
        .input_bytes("app", wasm)
        .out_name("app")
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(profile == Profile::Release)
        .remove_producers_section(true)
        .generate(work_folder)
        .context("wasm-bindgen failed")?;
    let mut assets = Vec::new();
    for relative in files_beneath(work_folder)? {
        let bytes = read(&work_folder.join(&relative))?;
        match relative.to_str() {
            Some("app.js") => assets.push(("js", hashed("assets/app", "js", bytes))),
            Some("app_bg.wasm") => assets.push(("wasm", hashed("assets/app_bg", "wasm", bytes))),
            // The script imports these as `./snippets/…`; their folders carry a hash already.
            Some(name) if name.starts_with("snippets/") => {
                assets.push((
                    "",
                    Asset {
                        path: format!("assets/{name}"),
                        bytes,
                    },
                ));
            }
            _ => bail!(
                "wasm-bindgen wrote a file that has no place here: {}",
                relative.display()
            ),
        }
    }
    Ok(assets)
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
