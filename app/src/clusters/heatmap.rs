//! Nodes over time as coloured cells. The names beside the rows are links and say each node's greatest value: they are the
//! equivalent for whoever does not see the cells.

use leptos::prelude::*;

use super::view::Heatmap;
use crate::ui::tab_stop;
use crate::{format, url};

/// Height of a row in CSS pixels: a cell is as large as a finger or a pointer needs it.
const ROW_PX: usize = 24;

/// Rows, cells, what the colours mean.
pub fn heatmap(map: &Heatmap) -> AnyView {
    let rows: Vec<_> = map
        .rows
        .iter()
        .map(|row| {
            view! {
                <li class="heat-row">
                    <a class="node-link" href=url::node(&row.id)><bdi>{row.name.clone()}</bdi></a>
                    <span class="heat-greatest">{row.greatest.clone()}</span>
                </li>
            }
        })
        .collect();
    let paths: Vec<_> = (1..)
        .zip(&map.paths)
        .map(|(step, path): (u32, &String)| view! { <path data-step=step.to_string() d=path.clone()></path> })
        .collect();
    let steps: Vec<_> = (1..)
        .zip(&map.steps)
        .map(|(step, words): (u32, &String)| {
            view! { <li><svg width="12" height="12" aria-hidden="true"><rect class="heat-key" data-step=step.to_string() width="12" height="12"></rect></svg>{words.clone()}</li> }
        })
        .collect();
    let last = map.x_ticks.len().saturating_sub(1);
    let times: Vec<_> = map
        .x_ticks
        .iter()
        .enumerate()
        .map(|(index, (place, text))| {
            let anchor = match place {
                place if index == 0 && *place < 0.05 => "start",
                place if index == last && *place > 0.95 => "end",
                _ => "middle",
            };
            view! { <text x=format!("{:.2}%", place * 100.0) y="14" text-anchor=anchor>{text.clone()}</text> }
        })
        .collect();
    let view_box = format!("0 0 {} {}", map.columns.max(1), map.rows.len().max(1));
    let height = (map.rows.len() * ROW_PX).to_string();
    let more = (map.left_out > 0).then(|| {
        let words = format!(
            "{} with lower values are not shown.",
            format::plural(u64::from(map.left_out), "node", "nodes")
        );
        view! { <p class="note">{words}</p> }
    });
    view! {
        <section class="panel heatmap" aria-labelledby="heatmap-heading">
            <header class="panel-header">
                <h3 id="heatmap-heading">{map.title.clone()}" by node"</h3>
                <ul class="heat-steps" aria-label="Colours">{steps}</ul>
            </header>
            <div class="heat-scroll" {..tab_stop()} role="group" aria-label="Nodes, highest first">
                <div class="heat-body">
                    <ol class="heat-rows">{rows}</ol>
                    <svg class="heat-cells" width="100%" height=height viewBox=view_box preserveAspectRatio="none" role="img" aria-label=map.summary.clone()>{paths}</svg>
                    <svg class="heat-times" width="100%" height="20" aria-hidden="true">{times}</svg>
                </div>
            </div>
            {more}
        </section>
    }
    .into_any()
}
