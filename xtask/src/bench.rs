//! `cargo xtask bench`: figures with a meter of our own, each beside its goal and, where one is
//! installed, beside a peer measured in the same window.
//!
//! A benchmark prints; it never fails because of a figure. Times differ from one moment to the next,
//! ratios of one run far less: read those first.
//!
//! To add one: a module with a `BENCH`, a line in [`BENCHES`], and its name in the help.

mod agent;
mod exporter;
mod figure;
mod history;
mod host;
mod http;
mod lab;
mod meter;
mod pages;
mod program;
mod proxy;
mod server;

use serde_json::{Value, json};

use crate::args::{Args, UsageError};
use crate::{Command, Context, WhenInterrupted};
use figure::{Figure, table};

pub const COMMAND: Command = Command {
    name: "bench",
    summary: "benchmarks: figures beside goals and peers",
    help: "\
Benchmarks: each figure beside its goal and, where one is installed, beside a peer.

Usage: cargo xtask bench [NAME] [--secs N] [--windows N] [--json]

  agent           what an agent costs: CPU, memory, bytes, size, start; beside node_exporter
  server          what a report costs the server, with 100 to 10,000 agents; beside Prometheus
  history         what a day of samples takes on disk, before and after sealing
  pages           what pages cost with 1,000 nodes: a first paint, and 1,000 live viewers

  --secs N        length of a window, a multiple of 10 (default 60)
  --windows N     so many windows; figures are medians of them (default 1)
  --json          one JSON document instead of tables

Without NAME all of them run. A figure that falls short of its goal is printed, not an error.
Nothing else should run meanwhile: the load is printed with the figures.

Example: cargo xtask bench agent --windows 3
",
    valued: &["--secs", "--windows"],
    switches: &SWITCHES,
    when_interrupted: WhenInterrupted::Fails,
    main: bench,
};

const BENCHES: &[Bench] = &[agent::BENCH, server::BENCH, history::BENCH, pages::BENCH];

/// A benchmark is chosen by its bare name, which [`Args`] sees as a switch without dashes.
const SWITCHES: [&str; BENCHES.len() + 1] = {
    let mut words = ["--json"; BENCHES.len() + 1];
    let mut at = 0;
    while at < BENCHES.len() {
        words[at + 1] = BENCHES[at].name;
        at += 1;
    }
    words
};

/// One benchmark.
struct Bench {
    name: &'static str,
    run: fn(&Context, &Options) -> anyhow::Result<Report>,
}

/// How long and how often.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    window_s: u32,
    windows: u32,
}

/// Both programs report or are asked every so many seconds; a window holds whole turns.
const CADENCE_S: u32 = 10;
const WINDOW_S_MAX: u32 = 3600;
const WINDOWS_MAX: u32 = 100;

impl Options {
    fn parse(args: &Args) -> Result<Self, UsageError> {
        let number = |name: &str, default: u32, max: u32| match args.value(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=max).contains(number))
                .ok_or_else(|| {
                    UsageError(format!(
                        "`{name} {text}`: a whole number from 1 to {max} is needed"
                    ))
                }),
        };
        let window_s = number("--secs", 60, WINDOW_S_MAX)?;
        if window_s % CADENCE_S != 0 {
            return Err(UsageError(format!(
                "`--secs {window_s}`: a multiple of {CADENCE_S} is needed, because reports come every {CADENCE_S} s"
            )));
        }
        Ok(Self {
            window_s,
            windows: number("--windows", 1, WINDOWS_MAX)?,
        })
    }
}

/// What a benchmark found.
struct Report {
    name: &'static str,
    /// The peer's name and version; its column is empty where it is not installed.
    peer: String,
    /// Under which circumstances: name and value, in the order they are shown.
    circumstances: Vec<(&'static str, Value)>,
    figures: Vec<Figure>,
    /// What a reader must know to read the figures rightly.
    notes: Vec<String>,
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.name);
        for (name, value) in &self.circumstances {
            text.push_str(&format!("{name}: {}\n", shown(value)));
        }
        text.push('\n');
        text.push_str(&table(&self.figures, &self.peer));
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("- {note}\n"));
        }
        text
    }

    fn json(&self) -> Value {
        let circumstances: serde_json::Map<String, Value> = self
            .circumstances
            .iter()
            .map(|(name, value)| (name.replace(' ', "_"), value.clone()))
            .collect();
        json!({
            "name": self.name,
            "peer": self.peer,
            "circumstances": circumstances,
            "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// A list as its items, everything else as it is.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let names: Vec<String> = items.iter().map(shown).collect();
            format!("{} ({})", items.len(), names.join(", "))
        }
        other => other.to_string(),
    }
}

fn bench(context: &Context, args: &Args) -> anyhow::Result<()> {
    let options = Options::parse(args)?;
    let is_any_named = BENCHES.iter().any(|bench| args.has(bench.name));
    let mut reports = Vec::new();
    for bench in BENCHES {
        if is_any_named && !args.has(bench.name) {
            continue;
        }
        let report = (bench.run)(context, &options)?;
        if !args.has("--json") {
            print!("{}", report.text());
        }
        reports.push(report.json());
    }
    if args.has("--json") {
        println!("{}", json!({ "benches": reports }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, String> {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let args = Args::parse("bench", words, COMMAND.valued, COMMAND.switches);
        args.and_then(|args| Options::parse(&args))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn windows_hold_whole_turns() {
        let expected = Options {
            window_s: 60,
            windows: 1,
        };
        assert_eq!(options(&["agent", "--json"]).unwrap(), expected);
        let expected = Options {
            window_s: 20,
            windows: 3,
        };
        assert_eq!(options(&["--secs", "20", "--windows=3"]).unwrap(), expected);
        for (words, problem) in [
            (["--secs", "25"], "multiple of 10"),
            (["--secs", "0"], "from 1 to 3600"),
            (["--secs", "4294967300"], "from 1 to 3600"),
            (["--windows", "many"], "from 1 to 100"),
            (["agent", "agnet"], "does not know `agnet`"),
        ] {
            let error = options(&words).unwrap_err();
            assert!(error.contains(problem), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_report_is_text_and_one_document() {
        let report = Report {
            name: "agent",
            peer: "peer 1.0".to_owned(),
            circumstances: vec![
                ("host filesystems", json!(["/", "/srv"])),
                ("load before", json!(0.1)),
            ],
            figures: Vec::new(),
            notes: vec!["read this".to_owned()],
        };
        let text = report.text();
        assert!(text.contains("host filesystems: 2 (/, /srv)\nload before: 0.1\n"));
        assert!(text.ends_with("\n- read this\n"), "{text}");
        let document = report.json();
        assert_eq!(document["circumstances"]["host_filesystems"][1], "/srv");
        assert_eq!(document["figures"], json!([]));
    }
}
