//! Tells the compiler where the built console lies, and to look again when it changes.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=OPSCENTER_SITE");
    println!("cargo:rerun-if-changed=migrations");
    let site = std::env::var_os("OPSCENTER_SITE")
        .map(PathBuf::from)
        .or_else(default_site);
    if let Some(site) = site {
        println!("cargo:rustc-env=OPSCENTER_SITE_DIR={}", site.display());
        // The macro that embeds does not notice new files; this list, which xtask writes, does.
        println!(
            "cargo:rerun-if-changed={}",
            site.with_extension("list").display()
        );
        if std::env::var_os("CARGO_FEATURE_EMBED").is_some() && !site.exists() {
            // An empty folder lets lints and tests run on a clean clone.
            let _made = std::fs::create_dir_all(&site);
        }
    }
}

/// `<target>/site`, found from `<target>/<profile>/build/<package>/out`.
fn default_site() -> Option<PathBuf> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR")?);
    out.ancestors().nth(4).map(|target| target.join("site"))
}
