//! ARCHITECTURE.md, held true: who depends on whom, where SQL stands, where wire becomes domain, who reads clocks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file below `folder` with this ending, as (path from the root, text).
fn sources(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} below {folder}");
    found
}

/// A file's text without its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let mut drawn: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let mut inside: Vec<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap())
            .filter(|name| ours.contains(name))
            .collect();
        inside.sort_unstable();
        drawn.insert(package["name"].as_str().unwrap(), inside);
    }
    let wanted = BTreeMap::from([
        ("agent", vec!["domain", "protocol"]),
        ("app", vec!["domain"]),
        ("domain", vec![]),
        ("protocol", vec![]),
        ("server", vec!["app", "domain", "protocol", "simulator"]),
        ("simulator", vec!["domain", "protocol"]),
        ("xtask", vec![]),
    ]);
    assert_eq!(drawn, wanted);
}

#[test]
fn the_domain_does_no_io_reads_no_clock_and_uses_nothing_that_does() {
    let metadata = metadata();
    let domain = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "domain")
        .unwrap();
    for dependency in domain["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
    {
        let name = dependency["name"].as_str().unwrap();
        let is_codec = name == "pco" && dependency["optional"] == true;
        assert!(
            is_codec || ["serde", "thiserror"].contains(&name),
            "domain must not depend on {name}"
        );
    }
    for (file, text) in sources("domain/src", ".rs") {
        for word in [
            "std::fs",
            "std::net",
            "std::io",
            "SystemTime",
            "Instant::",
            "async fn",
            "HashMap",
            "thread::",
        ] {
            assert!(!without_tests(&text).contains(word), "{file} uses {word}");
        }
    }
}

#[test]
fn only_the_server_carries_the_codec_of_history() {
    for package in metadata()["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_asked_for = dependency["name"] == "domain"
                && dependency["features"]
                    .as_array()
                    .unwrap()
                    .contains(&"chunk".into());
            assert_eq!(
                is_asked_for,
                dependency["name"] == "domain" && package["name"] == "server",
                "{}",
                package["name"]
            );
        }
    }
}

#[test]
fn sql_stands_in_stores_and_migrations_only_and_a_table_is_written_by_one_area() {
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources("server/src", ".rs") {
        let text = without_tests(&text);
        let is_store = file.ends_with("/store.rs")
            || file == "server/src/db.rs"
            || file == "server/src/db/write.rs";
        let has_sql = ["sqlx::query", "QueryBuilder"]
            .iter()
            .any(|word| text.contains(word));
        assert!(is_store || !has_sql, "{file} holds SQL");
        if file.ends_with("/store.rs") {
            let area = file.split('/').nth(2).unwrap().to_owned();
            for verb in ["INSERT INTO ", "UPDATE ", "DELETE FROM "] {
                for (at, _) in text.match_indices(verb) {
                    let table: String = text[at + verb.len()..]
                        .chars()
                        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                        .collect();
                    if !table.is_empty() {
                        writers.entry(table).or_default().insert(area.clone());
                    }
                }
            }
        }
    }
    assert!(writers.len() >= 12, "{writers:?}");
    for (table, areas) in writers {
        assert_eq!(areas.len(), 1, "{table} is written by {areas:?}");
    }
    for folder in ["app/src", "agent/src", "protocol/src", "simulator/src"] {
        for (file, text) in sources(folder, ".rs") {
            assert!(!text.contains("sqlx"), "{file} knows the database");
        }
    }
}

#[test]
fn wire_becomes_domain_in_ingest_only() {
    for (file, text) in sources("server/src", ".rs") {
        if file != "server/src/agents/ingest.rs" {
            let text = without_tests(&text);
            assert!(
                !text.contains("Metric::from_wire") || file.ends_with("series/store.rs"),
                "{file} reads metrics off the wire"
            );
            assert!(
                !text.contains("Collector::from_wire"),
                "{file} reads collectors off the wire"
            );
        }
    }
}

#[test]
fn widgets_know_no_area_and_areas_not_each_others_parts() {
    let areas = ["account", "clusters", "enroll", "events", "fleet"];
    for (file, text) in sources("app/src/ui", ".rs") {
        for area in areas {
            assert!(
                !without_tests(&text).contains(&format!("crate::{area}")),
                "{file} knows {area}"
            );
        }
    }
    for area in areas {
        for (file, text) in sources(&format!("app/src/{area}"), ".rs") {
            for other in areas.iter().filter(|other| **other != area) {
                assert!(
                    !text.contains(&format!("crate::{other}::parts")),
                    "{file} uses parts of {other}"
                );
            }
        }
    }
}

#[test]
fn no_static_holds_state_and_no_page_writes_markup_of_a_host() {
    for folder in ["server/src", "agent/src", "app/src", "simulator/src"] {
        for (file, text) in sources(folder, ".rs") {
            for word in [
                "static mut ",
                "OnceLock<Mutex",
                "LazyLock",
                "lazy_static",
                "thread_local!",
            ] {
                assert!(
                    !without_tests(&text).contains(word),
                    "{file} holds state in a static ({word})"
                );
            }
        }
    }
    let markup: Vec<String> = sources("app/src", ".rs")
        .into_iter()
        .filter(|(_, text)| text.contains("inner_html"))
        .map(|(file, _)| file)
        .collect();
    assert!(
        markup.iter().all(|file| {
            let file = file.replace('\\', "/");
            // Charts are numbers; notes pass through `server/src/fleet/markdown.rs`.
            file.ends_with("fleet/charts.rs") || file.ends_with("fleet/labels.rs")
        }),
        "only charts and notes take markup, and only the server's: {markup:?}"
    );
}

#[test]
fn only_tokens_and_the_colours_of_marks_are_literal() {
    for (file, text) in sources("style", ".css") {
        if file == "style/tokens.css" {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.contains("[stroke=") && !line.contains("[fill="))
        {
            let literal = line.split('#').skip(1).any(|rest| {
                let hex = rest.chars().take_while(char::is_ascii_hexdigit).count();
                matches!(hex, 3 | 4 | 6 | 8) && line.contains(':')
            });
            assert!(!literal, "{file} has a literal colour: {line}");
        }
    }
}

#[test]
fn the_document_names_every_crate_and_every_area() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(
            document.contains(&format!("| `{name}` |")),
            "ARCHITECTURE.md does not name crate {name}"
        );
    }
    let areas: BTreeSet<String> = std::fs::read_dir(root().join("server/src"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let named: BTreeSet<String> = document
        .split("## Areas of the server")
        .nth(1)
        .and_then(|text| text.split("\n## ").next())
        .unwrap()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split('`')
                .next()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        areas, named,
        "the areas of server/src and those that ARCHITECTURE.md names"
    );
}
