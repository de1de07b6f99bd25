//! How long the layout of a map takes: prints one JSON document.
//!
//! `cargo run -p server --release --example layout`. The graph is made from numbers, the same each time: layers of
//! clusters, each edge from one layer into a later one, one in twenty back.

use domain::topology::layout::{ArcIn, BoxIn, Layout, layout};
use server::clock::Clock;

/// Times each map is laid out.
const ROUNDS: u64 = 50;

/// The next of a row of numbers without a pattern (Knuth's multiplier).
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn graph(clusters: u64, edges: u64) -> (Vec<BoxIn>, Vec<ArcIn>) {
    let mut state = 7;
    let key = |number: u64| format!("cluster-{number:03}");
    let boxes = (0..clusters).map(|number| BoxIn {
        key: key(number),
        tier: None,
        cells: (next(&mut state) % 40) as u32 + 1,
        position: None,
        is_pinned: false,
    });
    let boxes = boxes.collect();
    let mut state = 11;
    let arcs = (0..edges).map(|number| {
        let a = next(&mut state) % clusters;
        let b = next(&mut state) % clusters;
        let (low, high) = (a.min(b), a.max(b));
        let (from, to) = if number % 20 == 0 {
            (high, low)
        } else {
            (low, high)
        };
        ArcIn {
            from: key(from),
            to: key(to),
        }
    });
    (boxes, arcs.collect())
}

fn figures(clusters: u64, edges: u64) -> serde_json::Value {
    let clock = Clock::system();
    let (boxes, arcs) = graph(clusters, edges);
    let first: Layout = layout(&boxes, &arcs);
    let began = clock.micros();
    let same = (0..ROUNDS).all(|_| layout(&boxes, &arcs) == first);
    let fresh_us = (clock.micros() - began) / ROUNDS;
    let mut stored = boxes;
    for one in &mut stored {
        let drawn = first.boxes.iter().find(|drawn| drawn.key == one.key);
        one.position = drawn.map(|drawn| domain::topology::layout::Position {
            x: drawn.x,
            y: drawn.y,
        });
    }
    let began = clock.micros();
    for _ in 0..ROUNDS {
        std::hint::black_box(layout(&stored, &arcs));
    }
    let stored_us = (clock.micros() - began) / ROUNDS;
    serde_json::json!({
        "clusters": clusters,
        "edges": first.arcs.len(),
        "back_edges": first.arcs.iter().filter(|arc| arc.is_back).count(),
        "same_each_time": same,
        "laid_out_us": fresh_us,
        "from_stored_places_us": stored_us,
    })
}

fn main() -> anyhow::Result<()> {
    let figures = [figures(20, 60), figures(60, 300), figures(150, 1_000)];
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}
