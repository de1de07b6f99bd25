//! Charts of a node: drawn by the server, framed here.
//!
//! The marks are the one place where markup is taken as it comes: the server writes them from numbers alone. Axis labels
//! and legends are ordinary text over it. New marks replace the old ones when they are there, never before.

use leptos::prelude::*;

use super::annotations::{event_lines, happened};
use super::view::{Chart, ChartSeries, ChartSet, EventRow, RangeQuery};
use crate::format;

/// All charts of one window, on the page at `path`.
pub fn charts(path: &str, set: &ChartSet) -> AnyView {
    let notes: Vec<_> = set
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    let (absent, drawn): (Vec<&Chart>, Vec<&Chart>) =
        set.charts.iter().partition(|chart| chart.absent.is_some());
    let window = (set.from_ms, set.to_ms);
    let marks = Marks {
        events: event_lines(&set.events, window),
        files: Some(
            RangeQuery::default()
                .between(window)
                .url(&format!("{path}/charts/")),
        ),
    };
    let happened = happened(set);
    let drawn: Vec<_> = drawn.into_iter().map(|one| chart(one, &marks)).collect();
    let absent = not_measured(absent);
    view! {
        {notes}
        <div class="charts" data-from=set.from_ms.to_string() data-to=set.to_ms.to_string()>{drawn}</div>
        {happened}
        {absent}
    }
    .into_any()
}

/// Charts that are read by pointer and keys, and are no files.
pub fn charts_without_files(charts: &[Chart], events: &[EventRow], window: (i64, i64)) -> AnyView {
    let (absent, drawn): (Vec<&Chart>, Vec<&Chart>) =
        charts.iter().partition(|chart| chart.absent.is_some());
    let marks = Marks {
        events: event_lines(events, window),
        files: None,
    };
    let drawn: Vec<_> = drawn.into_iter().map(|one| chart(one, &marks)).collect();
    view! {
        <div class="charts" data-from=window.0.to_string() data-to=window.1.to_string()>{drawn}</div>
        {not_measured(absent)}
    }
    .into_any()
}

fn not_measured(absent: Vec<&Chart>) -> Option<AnyView> {
    let lines: Vec<_> = absent
        .into_iter()
        .map(|chart| view! { <li><strong>{chart.title.clone()}</strong>": "{chart.absent.clone()}</li> })
        .collect();
    (!lines.is_empty()).then(|| {
        view! { <ul class="charts-absent" aria-label="Not measured">{lines}</ul> }.into_any()
    })
}

/// What all charts of a page have in common.
struct Marks {
    /// Lines of ours through the plot, as markup: numbers alone.
    events: String,
    /// Address of the files, with the window; the chart's key belongs before the `?`.
    files: Option<String>,
}

impl Marks {
    fn file_of(&self, key: &str) -> Option<String> {
        let files = self.files.as_ref()?;
        Some(files.replacen("/charts/", &format!("/charts/{key}.csv"), 1))
    }
}

fn chart(chart: &Chart, marks: &Marks) -> AnyView {
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
    let file = marks.file_of(&chart.key).map(|href| {
        view! { <a class="chart-file" href=href rel="external" download="" aria-label=format!("{} as CSV", chart.title)>"CSV"</a> }
    });
    view! {
        <figure class="chart" id=format!("chart-{}", chart.key)>
            <figcaption>
                <span class="chart-title">{chart.title.clone()}</span>
                <span class="chart-unit">{chart.unit.clone()}</span>
                {file}
            </figcaption>
            <div class="chart-plot">
                <svg class="plot" viewBox="0 0 2000 800" preserveAspectRatio="none" role="img" aria-label=chart.summary.clone() inner_html=chart.marks.clone()></svg>
                <svg class="plot-events" aria-hidden="true" inner_html=marks.events.clone()></svg>
                <svg class="plot-labels" aria-hidden="true">{y_lines}{x_lines}</svg>
                {reading(chart)}
            </div>
            // Rates change their width with their value: lines must not wrap anew each second.
            <ul class="legend" data-wide=chart.unit.ends_with("/s").then_some("")>{legend}</ul>
        </figure>
    }
    .into_any()
}

/// What takes pointer, finger and keys.
fn reading(chart: &Chart) -> AnyView {
    view! {
        // Empty until somebody reads: `crosshair` writes here.
        <svg class="plot-cross" aria-hidden="true"><rect y="0" height="100%" x="0" width="0"></rect><line y1="0" y2="100%" x1="-10%" x2="-10%"></line></svg>
        <div
            class="chart-read needs-script"
            role="slider"
            tabindex="0"
            data-key=chart.key.clone()
            aria-label=format!("Read {}", chart.title)
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow="100"
            aria-valuetext="Arrow keys read values, Enter zooms in, Escape leaves"
        ></div>
        <div class="chart-readout" aria-hidden="true" hidden></div>
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
