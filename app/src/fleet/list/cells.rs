//! What stands in a cell of the table.

use leptos::prelude::*;

use crate::fleet::columns::{Column, Kind};
use crate::fleet::parts::{node_badge, node_link, report_age};
use crate::fleet::view::NodeRow;
use crate::format;
use crate::preferences::Preferences;
use crate::ui::Meter;

/// Width and height of the line beside a share.
const SPARK: (usize, usize) = (80, 20);

/// The content of one cell.
pub fn content(
    column: Column,
    row: &NodeRow,
    recent: Option<&[Option<u8>]>,
    now_ms: i64,
) -> AnyView {
    let now = &row.now;
    match column {
        Column::Status => node_badge(row),
        Column::Name => {
            // Most names say their host already: lines of one height are calm.
            let is_said = row
                .name
                .strip_prefix(row.hostname.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let hostname = (!is_said)
                .then(|| view! { <span class="of"><bdi>{row.hostname.clone()}</bdi></span> });
            view! { {node_link(&row.id, &row.name)}{hostname} }.into_any()
        }
        Column::Report => report_age(row, now_ms),
        Column::Console => console(row),
        Column::Tags => tags(row),
        Column::Patches => {
            view! { <span title="Patches are not read from nodes yet">{format::UNKNOWN}</span> }
                .into_any()
        }
        Column::Cpu => {
            view! { <span class="with-spark"><Meter ratio=now.cpu_used_ratio />{recent.and_then(spark)}</span> }.into_any()
        }
        Column::Disk => {
            let mount_point = now
                .disk_mount_point
                .clone()
                .filter(|mount| mount != "/")
                .map(|mount| view! { <span class="of"><bdi>{mount}</bdi></span> });
            view! { <Meter ratio=now.disk_used_ratio limited=true />{mount_point} }.into_any()
        }
        Column::Load => {
            let of_cores = now
                .cpu_count
                .map(|cores| view! { <span class="of">" / "{cores}</span> });
            view! { {now.load1.map_or_else(unknown, |load| number(column, load))}{of_cores} }
                .into_any()
        }
        Column::Network => both_ways(row),
        _ => match column.kind() {
            Kind::Share { limited } => {
                view! { <Meter ratio=column.number(row, now_ms) limited /> }.into_any()
            }
            Kind::Text => column
                .text(row)
                .filter(|text| !text.is_empty())
                .map_or_else(
                    || unknown().into_any(),
                    |text| view! { <bdi title=text.to_owned()>{text.to_owned()}</bdi> }.into_any(),
                ),
            _ => column
                .number(row, now_ms)
                .map_or_else(unknown, |value| number(column, value))
                .into_any(),
        },
    }
}

fn unknown() -> String {
    format::UNKNOWN.to_owned()
}

/// A number of this column with its unit.
pub fn number(column: Column, value: f64) -> String {
    match column.kind() {
        Kind::Share { .. } => format::percent(value),
        Kind::Bytes => format::bytes(value),
        Kind::Network => network(value),
        Kind::Load => format!("{value:.2}"),
        // As ages are written: whole seconds, `0 s` for what was just now.
        Kind::Span => format::age((value as i64).saturating_mul(1_000), 0),
        Kind::Milliseconds => format::duration_ms(value.round() as i64),
        Kind::Count | Kind::Text => format::count(value.max(0.0).round() as u64),
    }
}

/// Under a head that names the unit.
fn network(rate: f64) -> String {
    if Preferences::of_page().network_bytes {
        format::bytes_per_s(rate).trim_end_matches("/s").to_owned()
    } else {
        format::bits_compact(rate)
    }
}

fn both_ways(row: &NodeRow) -> AnyView {
    let rates = (
        row.now.network_receive_bytes_per_s,
        row.now.network_transmit_bytes_per_s,
    );
    match rates {
        (None, None) => unknown(),
        (received, sent) => {
            let rate = |rate: Option<f64>| rate.map_or_else(unknown, network);
            format!("{} / {}", rate(received), rate(sent))
        }
    }
    .into_any()
}

/// Only what the domain let through as `http` or `https` becomes a link.
fn console(row: &NodeRow) -> AnyView {
    match row.console_url.clone() {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            let shown = url.clone();
            view! { <a href=url rel="external noopener noreferrer" target="_blank"><bdi>{shown}</bdi></a> }.into_any()
        }
        _ => unknown().into_any(),
    }
}

fn tags(row: &NodeRow) -> AnyView {
    if row.tags.is_empty() {
        return unknown().into_any();
    }
    let tags: Vec<_> = row
        .tags
        .iter()
        .map(|(name, value)| view! { <span class="tag"><bdi>{format!("{name}={value}")}</bdi></span> })
        .collect();
    view! { <span class="tags">{tags}</span> }.into_any()
}

/// The last half hour as a line; minutes without a value are holes in it.
fn spark(recent: &[Option<u8>]) -> Option<AnyView> {
    let path = spark_path(recent)?;
    let (width, height) = SPARK;
    let frame = format!("0 0 {width} {height}");
    Some(
        view! { <svg class="spark" width=width height=height viewBox=frame aria-hidden="true" focusable="false"><path d=path /></svg> }
            .into_any(),
    )
}

fn spark_path(recent: &[Option<u8>]) -> Option<String> {
    let (width, height) = SPARK;
    let last = recent.len().checked_sub(1).filter(|last| *last > 0)?;
    let mut path = String::new();
    let mut is_drawn = false;
    let mut is_down = false;
    for (place, value) in recent.iter().enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let x = width * place / last;
        let y = height - 1 - (height - 2) * usize::from((*value).min(100)) / 100;
        path.push_str(&format!("{}{x} {y}", if is_down { 'L' } else { 'M' }));
        is_drawn |= is_down;
        is_down = true;
    }
    is_drawn.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_holes_and_is_short() {
        assert_eq!(
            spark_path(&[Some(0), Some(100), None, Some(50), Some(50)]).as_deref(),
            Some("M0 19L20 1M60 10L80 10")
        );
        assert_eq!(spark_path(&[]), None);
        assert_eq!(spark_path(&[Some(1)]), None, "a point is no line");
        assert_eq!(spark_path(&[Some(1), None, Some(1)]), None);
        let longest = spark_path(&[Some(33); 30]).unwrap();
        assert!(longest.len() <= 250, "{}", longest.len());
    }
}
