//! What history takes on disk: a day of a small fleet through the server's own writer and sealer.
//!
//! The work is done by `server/examples/history`; here it is started and its one document read. Bytes are the same each
//! time; the times it tells are of the dev profile, and only say that nothing is out of proportion.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::figure::{Figure, Goal, MS, Unit};
use super::lab::Scratch;
use super::{Bench, Options, Report, host};
use crate::cargo::dev_cargo;
use crate::{Context, process, run};

pub const BENCH: Bench = Bench {
    name: "history",
    run: bench,
};

const EXAMPLE: &str = "history";
const BYTES_A_SAMPLE: Unit = Unit {
    name: "B/sample",
    decimals: 2,
};
/// Prometheus 2.42, 20 nodes × 40 gauges × 24 h at 10 s, its whole folder: measured earlier on values of the same kind,
/// not in this run.
const PROMETHEUS_BYTES_A_SAMPLE: f64 = 2.60;

fn bench(context: &Context, _: &Options) -> anyhow::Result<Report> {
    run::build(context)?;
    let mut build = dev_cargo(&context.workspace, "build");
    build.args(["--example", EXAMPLE]);
    process::run(&mut build, &context.interrupt)?;
    let scratch = Scratch::new()?;
    let program = context
        .workspace
        .dev_program(&format!("examples/{EXAMPLE}"));
    let mut command = std::process::Command::new(&program);
    command.arg(scratch.path());
    let (status, text) = process::output(&mut command, &context.interrupt)?;
    if !status.success() {
        bail!("`{}` failed ({status})", program.display());
    }
    let found: Value = serde_json::from_str(&text)
        .with_context(|| format!("`{}` printed no document", program.display()))?;
    report(context, &found)
}

fn report(context: &Context, found: &Value) -> anyhow::Result<Report> {
    let number = |name: &str| {
        found[name]
            .as_f64()
            .with_context(|| format!("the document has no number `{name}`"))
    };
    let samples = number("samples")?;
    let size = |id, what, bytes: f64, peers, goal| Figure {
        id,
        what,
        unit: BYTES_A_SAMPLE,
        ours: vec![bytes / samples],
        peers,
        goal,
    };
    let time = |what, ms| Figure {
        id: "",
        what,
        unit: MS,
        ours: vec![ms],
        peers: Vec::new(),
        goal: Goal::None,
    };
    let mut circumstances = host::circumstances(context);
    for name in ["nodes", "gauges", "samples"] {
        circumstances.push((name, found[name].clone()));
    }
    Ok(Report {
        name: BENCH.name,
        peer: "Prometheus 2.42 (quoted)".to_owned(),
        circumstances,
        figures: vec![
            size(
                "",
                "whole file, durable tail",
                number("before_bytes")?,
                Vec::new(),
                Goal::None,
            ),
            size(
                "P5",
                "whole file, sealed",
                number("after_bytes")?,
                vec![PROMETHEUS_BYTES_A_SAMPLE],
                Goal::AtMost(0.65),
            ),
            size(
                "",
                "whole file, days later: minutes",
                number("minutes_bytes")?,
                Vec::new(),
                Goal::None,
            ),
            time(
                "sealing a stretch of a host",
                number("seal_ms")? / number("seal_steps")?.max(1.0),
            ),
            time("a day of a host's charts, read", number("read_day_ms")?),
            time("a hundred years, read", number("read_100_years_ms")?),
        ],
        notes: vec![
            "exact to each metric's decimals; raw points and the levels of 10 min and 1 h are in the file, minutes come when raw points go".to_owned(),
            "Prometheus' figure was measured earlier with other values of the same kind; it is not of this run".to_owned(),
            "times are of the dev profile".to_owned(),
        ],
    })
}
