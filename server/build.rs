//! Tells the compiler where the built console lies, and to look again when it changes; lists the migrations.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed=OPSCENTER_SITE");
    println!("cargo:rerun-if-changed=migrations");
    list_migrations()?;
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
            std::fs::create_dir_all(&site)?;
        }
    }
    Ok(())
}

/// `OUT_DIR/migrations.rs`: version, name and text of each file `NNNN_name.sql`, in order.
fn list_migrations() -> io::Result<()> {
    let folder = Path::new("migrations").canonicalize()?;
    let mut source = String::new();
    for (database, name) in [("state", "STATE"), ("metrics", "METRICS")] {
        let mut paths = std::fs::read_dir(folder.join(database))?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        let mut rows = String::new();
        for path in paths {
            let (version, title) = version_and_name(&path).ok_or_else(|| {
                io::Error::other(format!("{}: migrations are NNNN_name.sql", path.display()))
            })?;
            let _written = writeln!(rows, "    ({version}, {title:?}, include_str!({path:?})),");
        }
        let _written = writeln!(
            source,
            "pub const {name}: &[(i64, &str, &str)] = &[\n{rows}];"
        );
    }
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?;
    std::fs::write(Path::new(&out).join("migrations.rs"), source)
}

fn version_and_name(path: &Path) -> Option<(i64, String)> {
    let (version, name) = path
        .file_name()?
        .to_str()?
        .strip_suffix(".sql")?
        .split_once('_')?;
    Some((version.parse().ok()?, name.replace('_', " ")))
}

/// `<target>/site`, found from `<target>/<profile>/build/<package>/out`.
fn default_site() -> Option<PathBuf> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR")?);
    out.ancestors().nth(4).map(|target| target.join("site"))
}
