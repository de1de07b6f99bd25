//! Charts of a node: drawn by the server, framed here.
//!
//! The marks are the one place where markup is taken as it comes: the server writes them from numbers alone. Axis labels
//! and legends are ordinary text over it. New marks replace the old ones when they are there, never before.

use leptos::prelude::*;

use super::view::{Chart, ChartSeries, ChartSet};
use crate::format;

/// All charts of one window.
pub fn charts(set: &ChartSet) -> AnyView {
    let notes: Vec<_> = set
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    let (absent, drawn): (Vec<&Chart>, Vec<&Chart>) =
        set.charts.iter().partition(|chart| chart.absent.is_some());
    let drawn: Vec<_> = drawn.into_iter().map(chart).collect();
    let absent: Vec<_> = absent
        .into_iter()
        .map(|chart| view! { <li><strong>{chart.title.clone()}</strong>": "{chart.absent.clone()}</li> })
        .collect();
    let absent = (!absent.is_empty())
        .then(|| view! { <ul class="charts-absent" aria-label="Not measured">{absent}</ul> });
    view! { {notes}<div class="charts">{drawn}</div>{absent} }.into_any()
}

fn chart(chart: &Chart) -> AnyView {
    let legend: Vec<_> = chart.series.iter().map(legend).collect();
    let y_lines: Vec<_> = chart
        .y_ticks
        .iter()
        .map(|(place, text)| y_label(*place, text))
        .collect();
    let last = chart.x_ticks.len().saturating_sub(1);
    let x_lines: Vec<_> = chart
        .x_ticks
        .iter()
        .enumerate()
        .map(|(index, (place, text))| x_label(*place, text, index == 0, index == last))
        .collect();
    view! {
        <figure class="chart" id=format!("chart-{}", chart.key)>
            <figcaption>
                <span class="chart-title">{chart.title.clone()}</span>
                <span class="chart-unit">{chart.unit.clone()}</span>
            </figcaption>
            <div class="chart-plot">
                <svg class="plot" viewBox="0 0 2000 800" preserveAspectRatio="none" role="img" aria-label=chart.summary.clone() inner_html=chart.marks.clone()></svg>
                <svg class="plot-labels" aria-hidden="true">{y_lines}{x_lines}</svg>
            </div>
            // Rates change their width with their value: lines must not wrap anew each second.
            <ul class="legend" data-wide=chart.unit.ends_with("/s").then_some("")>{legend}</ul>
        </figure>
    }
    .into_any()
}

/// `places` are shares of the plot; the labels' box is exactly the plot's.
fn percent(place: f64) -> String {
    format!("{:.2}%", place.clamp(0.0, 1.0) * 100.0)
}

fn y_label(place: f64, text: &str) -> AnyView {
    // Beside its line; the greatest stands below its line so that it stays inside.
    let shift = if place < 0.06 { "0.9em" } else { "-0.25em" };
    view! { <text class="plot-y" x="2" y=percent(place) dy=shift>{text.to_owned()}</text> }
        .into_any()
}

fn x_label(place: f64, text: &str, is_first: bool, is_last: bool) -> AnyView {
    let anchor = match place {
        place if is_first && place < 0.05 => "start",
        place if is_last && place > 0.95 => "end",
        _ => "middle",
    };
    view! { <text class="plot-x" x=percent(place) y="100%" dy="1.2em" text-anchor=anchor>{text.to_owned()}</text> }.into_any()
}

fn legend(series: &ChartSeries) -> AnyView {
    let range = series
        .range
        .as_ref()
        .map(|(least, greatest)| format!("least {least}, greatest {greatest} in this window"));
    view! {
        <li class="legend-item" title=range>
            <svg class="legend-line" viewBox="0 0 16 4" aria-hidden="true" data-series=series.color.to_string()><path d="M0 2h16"></path></svg>
            <span class="legend-name"><bdi>{series.label.clone()}</bdi></span>
            <span class="legend-value">{series.latest.clone().unwrap_or_else(|| format::UNKNOWN.to_owned())}</span>
        </li>
    }
    .into_any()
}
