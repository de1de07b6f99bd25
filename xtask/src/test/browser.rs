//! The browser tests: Playwright in `end2end/`, against programs that are already built.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::tally::Tally;
use crate::workspace::{Workspace, files_beneath};

const SPEC_SUFFIX: &str = ".spec.ts";

/// The names of the specs: `fleet` for `end2end/specs/fleet.spec.ts`.
pub fn specs(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let files = files_beneath(&workspace.end2end().join("specs"))?;
    Ok(files
        .iter()
        .filter_map(|path| Some(path.to_str()?.strip_suffix(SPEC_SUFFIX)?.to_owned()))
        .collect())
}

pub fn types(workspace: &Workspace) -> Command {
    node(workspace, "typescript/bin/tsc", &["--noEmit"])
}

/// Playwright, for all specs or one. An old report is removed, lest it be counted again.
pub fn playwright(workspace: &Workspace, spec: Option<&str>) -> anyhow::Result<Command> {
    let report = report(workspace);
    match std::fs::remove_file(&report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", report.display()));
        }
        _ => {}
    }
    let mut command = node(workspace, "@playwright/test/cli.js", &["test"]);
    if let Some(spec) = spec {
        command.arg(format!("specs/{spec}{SPEC_SUFFIX}"));
    }
    Ok(command)
}

fn node(workspace: &Workspace, script: &str, words: &[&str]) -> Command {
    let mut command = Command::new("node");
    command
        .arg(format!("node_modules/{script}"))
        .args(words)
        .current_dir(workspace.end2end());
    command
}

/// As set in playwright.config.ts.
fn report(workspace: &Workspace) -> PathBuf {
    workspace.end2end().join("test-results/report.json")
}

/// What the last run counted; nothing when it wrote no report.
pub fn read_report(workspace: &Workspace) -> Tally {
    let report = std::fs::read(report(workspace))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    count(&report.unwrap_or(Value::Null))
}

/// Counts a report of Playwright's JSON reporter: suites within suites, specs in them, a test for
/// each browser in those.
fn count(report: &Value) -> Tally {
    let mut tally = Tally::default();
    // Errors outside any test: a spec that does not load, no tests at all.
    for error in list(&report["errors"]) {
        tally.fail(&format!("browser: {}", first_line(&error["message"])));
    }
    for suite in list(&report["suites"]) {
        count_suite(suite, "", &mut tally);
    }
    tally
}

fn count_suite(suite: &Value, parent: &str, tally: &mut Tally) {
    let title = joined(parent, suite);
    for inner in list(&suite["suites"]) {
        count_suite(inner, &title, tally);
    }
    for spec in list(&suite["specs"]) {
        let name = joined(&title, spec);
        for test in list(&spec["tests"]) {
            match test["status"].as_str() {
                // "flaky": the repeat passed.
                Some("expected" | "flaky") => tally.passed += 1,
                Some("skipped") => tally.skip(&name, &reason(test)),
                _ => tally.fail_because(&name, &cause(test)),
            }
        }
    }
}

/// What went wrong in the last run of a test, without the colours it is printed in.
fn cause(test: &Value) -> String {
    let last = list(&test["results"]).last().unwrap_or(&Value::Null);
    let message = last["error"]["message"].as_str().unwrap_or_default();
    let mut plain = String::new();
    let mut is_escape = false;
    for c in message.chars() {
        match c {
            '\u{1b}' => is_escape = true,
            'm' if is_escape => is_escape = false,
            _ if is_escape => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// What `test.skip(condition, "reason")` noted.
fn reason(test: &Value) -> String {
    let notes = list(&test["annotations"]).iter();
    let mut reasons = notes
        .filter(|note| matches!(note["type"].as_str(), Some("skip" | "fixme")))
        .filter_map(|note| note["description"].as_str());
    reasons.next().unwrap_or("no reason given").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn joined(parent: &str, value: &Value) -> String {
    let title = value["title"].as_str().unwrap_or_default();
    if parent.is_empty() {
        title.to_owned()
    } else {
        format!("{parent} › {title}")
    }
}

fn first_line(value: &Value) -> &str {
    value
        .as_str()
        .and_then(|text| text.lines().next())
        .unwrap_or("an error without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn suites_are_counted_at_every_depth() {
        let test = |status: &str| {
            json!([{
                "status": status,
                "annotations": [{ "type": "skip", "description": "needs IPv6" }],
                "results": [{ "error": { "message": "\u{1b}[2mexpect\u{1b}[22m(it)\n\nExpected: 1" } }],
            }])
        };
        let report = json!({
            "errors": [],
            "suites": [{
                "title": "fleet.spec.ts",
                "specs": [{ "title": "lists nodes", "tests": test("expected") }],
                "suites": [{
                    "title": "when empty",
                    "specs": [
                        { "title": "explains", "tests": test("unexpected") },
                        { "title": "over IPv6", "tests": test("skipped") },
                    ],
                }],
            }],
        });
        assert_eq!(
            count(&report).to_string(),
            "failed: fleet.spec.ts › when empty › explains\n    expect(it)\n    Expected: 1\n\
             skipped: fleet.spec.ts › when empty › over IPv6: needs IPv6\n\
             1 passed, 1 failed, 1 skipped\n"
        );
    }

    #[test]
    fn errors_outside_tests_fail_and_no_report_counts_nothing() {
        let report = json!({ "errors": [{ "message": "SyntaxError: x\nat y" }], "suites": [] });
        assert_eq!(
            count(&report).to_string(),
            "failed: browser: SyntaxError: x\n0 passed, 1 failed, 0 skipped\n"
        );
        assert_eq!(count(&Value::Null), Tally::default());
    }
}
