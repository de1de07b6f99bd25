//! The web assets: what the browser gets, as files in `<target>/site`.
//!
//! ```text
//! assets/app.<hash>.js  app_bg.<hash>.wasm  app.<hash>.css  icons.<hash>.svg  snippets/…
//! (files of public/, under their own names; sw.js with the names of all hashed ones)
//! site.json             which of the hashed names belong together; written last
//! ```
//! Compressible files have `.br` and `.gz` neighbours. Beside the folder, `site.list` names every
//! file with its hash and is rewritten only when that changes: the server's build script watches
//! it. `site.stamp.json` remembers from which inputs each part was made; a part whose inputs are
//! unchanged is left alone.
//!
//! The server and the page's shell decide what to do with these files; nothing here knows them.

mod compress;
mod script;
mod slim;
mod sprite;
mod stylesheet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Context;
use crate::clock::{Stopwatch, seconds};
use crate::workspace::{files_beneath, write_whole};
use compress::{Effort, neighbours};

/// Changes when the same inputs give other files, so that old stamps no longer count.
const RECIPE: &str = "2";

/// The file of `public/` that is told the names of all others.
const WORKER: &str = "sw.js";

/// What a page may cost to start: all wasm, as sent.
const WASM_BROTLI_BYTES_MAX: usize = 500_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

/// A file to be written, by its path in the site folder.
struct Asset {
    path: String,
    bytes: Vec<u8>,
}

/// A part of the site: made from its inputs, or kept from last time.
struct Part {
    /// Role in site.json (`js`, `css`, …) to path; public files have no role.
    roles: BTreeMap<String, String>,
    /// Every file of the part, neighbours included, with the hash of its content.
    files: BTreeMap<String, String>,
}

/// Brings `<target>/site` up to date. The caller holds the workspace's lock.
pub fn build(context: &Context, profile: Profile) -> anyhow::Result<()> {
    let wasm = script::compile(context, profile)?;
    let watch = Stopwatch::start();
    let root = &context.workspace.root;
    let mut site = Site::open(&context.workspace.target, profile)?;

    let work_folder = context.workspace.target.join("site.bindgen");
    site.part("script", &[&wasm], || {
        script::bind(&wasm, profile, &work_folder)
    })?;

    let style = root.join("style");
    let sheets = read_all(&style)?;
    let sheets: Vec<(String, Vec<u8>)> = sheets
        .into_iter()
        .filter(|(name, _)| name.ends_with(".css"))
        .collect();
    site.part("style", &as_inputs(&sheets), || {
        let css = stylesheet::bundle(&style.join("main.css"))?;
        Ok(vec![("css", hashed("assets/app", "css", css.into_bytes()))])
    })?;

    let icons = sprite::read_names(&style.join("icons.txt"))?;
    let lucide = context
        .workspace
        .end2end()
        .join("node_modules/lucide-static");
    let lucide_version = read_or_empty(&lucide.join("package.json"))?;
    site.part(
        "icons",
        &[icons.join("\n").as_bytes(), &lucide_version],
        || {
            let svg = sprite::build(&icons, &lucide.join("icons"))?;
            Ok(vec![(
                "icons",
                hashed("assets/icons", "svg", svg.into_bytes()),
            )])
        },
    )?;

    let (workers, public): (Vec<_>, Vec<_>) = read_all(&root.join("public"))?
        .into_iter()
        .partition(|(name, _)| name == WORKER);
    site.part("public", &as_inputs(&public), || {
        Ok(public
            .iter()
            .map(|(name, bytes)| {
                (
                    "",
                    Asset {
                        path: name.clone(),
                        bytes: bytes.clone(),
                    },
                )
            })
            .collect())
    })?;

    // Last: it names the files of the other parts, and another byte anywhere makes it another worker.
    let names = json!({ "public": digest(&as_inputs(&public)), "files": site.hashed_paths() });
    for (name, source) in &workers {
        let source = String::from_utf8_lossy(source);
        site.part(
            "worker",
            &[source.as_bytes(), names.to_string().as_bytes()],
            || {
                let bytes = worker(&source, &names)?.into_bytes();
                Ok(vec![(
                    "",
                    Asset {
                        path: name.clone(),
                        bytes,
                    },
                )])
            },
        )?;
    }

    let remade = site.finish()?;
    if !remade.is_empty() {
        eprintln!(
            "site: made {} in {}",
            remade.join(", "),
            seconds(watch.elapsed())
        );
    }
    Ok(())
}

/// The service worker with the names of this build's files in the line that is there for them.
fn worker(source: &str, names: &Value) -> anyhow::Result<String> {
    const LINE: &str = r#"const SITE = { version: "none", files: [] };"#;
    let (before, after) = source
        .split_once(LINE)
        .with_context(|| format!("{WORKER} has no line `{LINE}`"))?;
    let version = digest(&[source.as_bytes(), names.to_string().as_bytes()]);
    let files = &names["files"];
    let site = json!({ "version": version[..16], "files": files });
    Ok(format!("{before}const SITE = {site};{after}"))
}

/// `assets/app` + `css` → `assets/app.0123456789abcdef.css`: a name that never changes content may
/// be cached for ever.
fn hashed(stem: &str, extension: &str, bytes: Vec<u8>) -> Asset {
    let hash = digest(&[&bytes]);
    Asset {
        path: format!("{stem}.{}.{extension}", &hash[..16]),
        bytes,
    }
}

/// SHA-256 in hexadecimal over the parts, each with its length: ("ab", "c") is not ("a", "bc").
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read_all(folder: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for relative in files_beneath(folder)? {
        let path = folder.join(&relative);
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = relative
            .to_str()
            .with_context(|| format!("{} is not UTF-8", path.display()))?;
        files.push((name.to_owned(), bytes));
    }
    Ok(files)
}

fn read_or_empty(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("cannot read {}", path.display())),
    }
}

fn as_inputs(files: &[(String, Vec<u8>)]) -> Vec<&[u8]> {
    files
        .iter()
        .flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()])
        .collect()
}

/// The site folder while it is brought up to date.
struct Site {
    folder: PathBuf,
    list: PathBuf,
    stamp: PathBuf,
    effort: Effort,
    /// From last time.
    before: Value,
    parts: BTreeMap<&'static str, (String, Part)>,
    remade: Vec<&'static str>,
}

impl Site {
    fn open(target: &Path, profile: Profile) -> anyhow::Result<Self> {
        let stamp = target.join("site.stamp.json");
        Ok(Self {
            folder: target.join("site"),
            list: target.join("site.list"),
            // A stamp that cannot be read is as good as none.
            before: serde_json::from_slice(&read_or_empty(&stamp)?).unwrap_or(Value::Null),
            stamp,
            effort: match profile {
                Profile::Dev => Effort::Quick,
                Profile::Release => Effort::Best,
            },
            parts: BTreeMap::new(),
            remade: Vec::new(),
        })
    }

    /// Keeps the part when it was made from the same inputs and its files are there, else makes it.
    fn part(
        &mut self,
        name: &'static str,
        inputs: &[&[u8]],
        make: impl FnOnce() -> anyhow::Result<Vec<(&'static str, Asset)>>,
    ) -> anyhow::Result<()> {
        let mut all_inputs = vec![RECIPE.as_bytes(), self.effort.name().as_bytes()];
        all_inputs.extend(inputs);
        let key = digest(&all_inputs);
        let part = match self.kept(name, &key) {
            Some(part) => part,
            None => {
                let assets = make().with_context(|| format!("cannot make the site's {name}"))?;
                self.remade.push(name);
                self.write(assets)?
            }
        };
        self.parts.insert(name, (key, part));
        Ok(())
    }

    /// URLs of the files under hashed names so far, without their compressed neighbours.
    fn hashed_paths(&self) -> Vec<String> {
        let roles = self
            .parts
            .values()
            .flat_map(|(_, part)| part.roles.values());
        let mut paths: Vec<String> = roles.map(|path| format!("/{path}")).collect();
        paths.sort();
        paths
    }

    fn kept(&self, name: &str, key: &str) -> Option<Part> {
        let before = &self.before[name];
        if before["key"].as_str()? != key {
            return None;
        }
        let strings = |value: &Value| -> Option<BTreeMap<String, String>> {
            let entries = value.as_object()?.iter();
            entries
                .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let part = Part {
            roles: strings(&before["roles"])?,
            files: strings(&before["files"])?,
        };
        part.files
            .keys()
            .all(|path| self.folder.join(path).is_file())
            .then_some(part)
    }

    fn write(&self, assets: Vec<(&'static str, Asset)>) -> anyhow::Result<Part> {
        let mut part = Part {
            roles: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        for (role, asset) in assets {
            if !role.is_empty() {
                part.roles.insert(role.to_owned(), asset.path.clone());
            }
            for (suffix, bytes) in neighbours(&asset.path, &asset.bytes, self.effort)? {
                self.put(format!("{}{suffix}", asset.path), &bytes, &mut part)?;
            }
            self.put(asset.path, &asset.bytes, &mut part)?;
        }
        Ok(part)
    }

    fn put(&self, path: String, bytes: &[u8], part: &mut Part) -> anyhow::Result<()> {
        write_whole(&self.folder.join(&path), bytes)?;
        part.files.insert(path, digest(&[bytes]));
        Ok(())
    }

    /// Names what belongs together, removes what no longer does, and returns what was remade.
    fn finish(self) -> anyhow::Result<Vec<&'static str>> {
        let mut names = BTreeMap::new();
        let mut files = BTreeMap::new();
        let mut stamp = serde_json::Map::new();
        for (name, (key, part)) in self.parts {
            names.extend(
                part.roles
                    .iter()
                    .map(|(role, path)| (role.clone(), format!("/{path}"))),
            );
            let value = json!({ "key": key, "roles": part.roles, "files": part.files });
            stamp.insert(name.to_owned(), value);
            files.extend(part.files);
        }
        let names = format!("{:#}\n", json!(names));
        files.insert("site.json".to_owned(), digest(&[names.as_bytes()]));
        write_if_changed(&self.folder.join("site.json"), names.as_bytes())?;
        remove_others(&self.folder, &files.keys().map(PathBuf::from).collect())?;
        write_if_changed(
            &self.stamp,
            format!("{:#}\n", Value::from(stamp)).as_bytes(),
        )?;
        let list: String = files
            .iter()
            .map(|(path, hash)| format!("{path} {hash}\n"))
            .collect();
        write_if_changed(&self.list, list.as_bytes())?;
        Ok(self.remade)
    }
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if read_or_empty(path)? == bytes {
        Ok(())
    } else {
        write_whole(path, bytes)
    }
}

fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for relative in files_beneath(folder)? {
        if !wanted.contains(&relative) {
            let path = folder.join(&relative);
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Says what a first visit transfers, and refuses a console that has grown too large.
pub fn report_sizes(site: &Path) -> anyhow::Result<()> {
    let mut wasm_bytes = 0;
    for relative in files_beneath(site)? {
        let Some(original) = relative.to_str().and_then(|name| name.strip_suffix(".br")) else {
            continue;
        };
        let path = site.join(&relative);
        let bytes = std::fs::metadata(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        if original.starts_with("assets/") {
            eprintln!("{:>8.1} KB  {original} (brotli)", bytes as f64 / 1000.0);
        }
        if original.ends_with(".wasm") {
            wasm_bytes += usize::try_from(bytes)?;
        }
    }
    if wasm_bytes > WASM_BROTLI_BYTES_MAX {
        bail!(
            "the console's wasm is {:.1} KB compressed, {:.0} KB is the limit: split routes or drop dependencies",
            wasm_bytes as f64 / 1000.0,
            WASM_BROTLI_BYTES_MAX as f64 / 1000.0
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(target: &Path, css: &str, counter: &mut u32) -> Vec<&'static str> {
        let mut site = Site::open(target, Profile::Dev).unwrap();
        site.part("style", &[css.as_bytes()], || {
            *counter += 1;
            Ok(vec![(
                "css",
                hashed("assets/app", "css", css.as_bytes().to_vec()),
            )])
        })
        .unwrap();
        site.part("public", &[], || {
            Ok(vec![(
                "",
                Asset {
                    path: "robots.txt".to_owned(),
                    bytes: b"none".to_vec(),
                },
            )])
        })
        .unwrap();
        site.finish().unwrap()
    }

    fn names(target: &Path) -> Vec<String> {
        files_beneath(&target.join("site"))
            .unwrap()
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn names_carry_the_hash_of_the_content() {
        let one = hashed("assets/app", "css", b"a{}".to_vec());
        assert_eq!(one.path, hashed("assets/app", "css", b"a{}".to_vec()).path);
        assert_ne!(one.path, hashed("assets/app", "css", b"b{}".to_vec()).path);
        let hash = one
            .path
            .strip_prefix("assets/app.")
            .unwrap()
            .strip_suffix(".css")
            .unwrap();
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }

    #[test]
    fn only_what_changed_is_remade_and_old_names_go() {
        let target = tempfile::tempdir().unwrap();
        let mut made = 0;
        assert_eq!(
            make(target.path(), "a{color:red}", &mut made),
            ["style", "public"]
        );
        let first = names(target.path());
        assert_eq!(first.len(), 3, "{first:?}");

        assert!(make(target.path(), "a{color:red}", &mut made).is_empty());
        assert_eq!((made, names(target.path())), (1, first.clone()));

        let large = format!("a{{{}}}", "color:red;".repeat(200));
        assert_eq!(make(target.path(), &large, &mut made), ["style"]);
        let second = names(target.path());
        assert_eq!(
            second.len(),
            5,
            "css, br, gz, robots.txt, site.json: {second:?}"
        );
        assert!(!second.contains(&first[0]), "the old name is still there");

        let site: Value =
            serde_json::from_slice(&std::fs::read(target.path().join("site/site.json")).unwrap())
                .unwrap();
        assert_eq!(site["css"].as_str().unwrap(), format!("/{}", second[0]));
        let list = std::fs::read_to_string(target.path().join("site.list")).unwrap();
        assert_eq!(list.lines().count(), 5);
    }

    #[test]
    fn the_worker_is_another_when_any_file_is() {
        let source = "a\nconst SITE = { version: \"none\", files: [] };\nb";
        let made = |file: &str| worker(source, &json!({ "files": [file] })).unwrap();
        let one = made("/assets/app.1.js");
        assert!(
            one.starts_with("a\nconst SITE = {") && one.ends_with(";\nb"),
            "{one}"
        );
        assert!(one.contains(r#""files":["/assets/app.1.js"]"#), "{one}");
        assert_ne!(one, made("/assets/app.2.js").replace("app.2", "app.1"));
        assert!(worker("no such line", &json!({ "files": [] })).is_err());
    }

    #[test]
    fn a_lost_file_is_made_again() {
        let target = tempfile::tempdir().unwrap();
        let mut made = 0;
        make(target.path(), "a{}", &mut made);
        std::fs::remove_file(target.path().join("site").join(&names(target.path())[0])).unwrap();
        assert_eq!(make(target.path(), "a{}", &mut made), ["style"]);
    }

    #[test]
    fn a_console_that_grew_too_large_is_refused_with_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let wasm = folder.path().join("assets/app_bg.0.wasm.br");
        write_whole(&wasm, &vec![0; WASM_BROTLI_BYTES_MAX]).unwrap();
        report_sizes(folder.path()).unwrap();
        write_whole(&wasm, &vec![0; WASM_BROTLI_BYTES_MAX + 100]).unwrap();
        let error = report_sizes(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("500.1 KB compressed, 500 KB is the limit"),
            "{error}"
        );
    }
}
