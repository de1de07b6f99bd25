//! What each collector costs on this host, hot: `cargo run --release -p agent --example collectors`.
//!
//! Medians of many rounds with the files kept open, as the running agent has them. Prints figures, judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use agent::clock::boot_ns;
use agent::collect::{Collectors, Roots};

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
}
