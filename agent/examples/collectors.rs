//! What each collector costs on this host, hot: `cargo run --release -p agent --example collectors`.
//!
//! Medians of many rounds with the files kept open, as the running agent has them. Prints figures, judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use agent::clock::boot_ns;
use agent::collect::servers::Setup;
use agent::collect::{Collectors, Lists, Roots};
use agent::packs::Packs;
use protocol::wire;

const ROUNDS: usize = 500;

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn main() {
    let mut collectors = Collectors::new(&Roots::default(), &BTreeSet::new());
    let mut took: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut whole = Vec::new();
    for _ in 0..ROUNDS {
        let began = boot_ns();
        let (_, runs) = collectors.collect(boot_ns, false, &[]);
        whole.push(boot_ns().saturating_sub(began) / 1000);
        for run in runs {
            took.entry(run.collector.name())
                .or_default()
                .push(u64::from(run.duration_us));
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    for (name, values) in took {
        println!("{name:<12} {:>6} µs", median(values));
    }
    println!("{:<12} {:>6} µs", "all", median(whole));
    let (_, run) = collectors.facts(boot_ns, 0, "observe only");
    println!("{:<12} {:>6} µs, first time", "facts", run.duration_us);
    let (_, run) = collectors.facts(boot_ns, 0, "observe only");
    println!("{:<12} {:>6} µs, once a minute", "facts", run.duration_us);
    servers();
}

/// What is read once a minute, and what the known servers cost each interval.
fn servers() {
    let setup = Setup {
        packs: Packs::built_in(),
        ..Setup::default()
    };
    let mut lists = Lists::new(&Roots::default(), setup);
    let timed = |what: &str, rounds: usize, mut once: Box<dyn FnMut() -> String + '_>| {
        let mut took = Vec::new();
        let mut words = String::new();
        for _ in 0..rounds {
            let began = boot_ns();
            words = once();
            took.push(boot_ns().saturating_sub(began) / 1000);
        }
        println!("{what:<22} {:>6} µs, {words}", median(took));
    };
    let first = &mut lists.servers;
    timed(
        "servers, first look",
        1,
        Box::new(|| {
            let told = first.read(boot_ns(), 0).0.unwrap_or_default();
            format!("{} servers", told.servers.len())
        }),
    );
    let again = &mut lists.servers;
    timed(
        "servers, each minute",
        50,
        Box::new(|| {
            let told = again.read(boot_ns(), 0).0.unwrap_or_default();
            format!("{} bytes", wire::encode(&told).len())
        }),
    );
    let (inventory, connections) = (&mut lists.servers, &mut lists.connections);
    timed(
        "connections, each minute",
        50,
        Box::new(|| {
            let told = connections
                .read(inventory, boot_ns(), 0)
                .0
                .unwrap_or_default();
            let all: u32 = told.flows.iter().map(|flow| flow.connections).sum();
            format!(
                "{all} connections in {} flows, {} bytes",
                told.flows.len(),
                wire::encode(&told).len()
            )
        }),
    );
    let inventory = &mut lists.servers;
    timed(
        "servers, each interval",
        200,
        Box::new(|| format!("{} measured", inventory.measure(boot_ns()).len())),
    );
}
