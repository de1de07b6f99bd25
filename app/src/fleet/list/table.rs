//! The table: heads that sort, rows, and a foot that sums up every row that matches.

use leptos::prelude::*;

use super::cells;
use super::order::Sorting;
use super::selection;
use crate::fleet::columns::Column;
use crate::fleet::view::{NodeRow, NodesPage, NodesQuery, Total};
use crate::fleet::words::is_current;
use crate::format;
use crate::preferences::Preferences;
use crate::ui::{Icon, tab_stop};

/// The table of one page.
pub fn table(page: &NodesPage, now_ms: i64) -> AnyView {
    let columns = page.query.columns();
    let heads: Vec<_> = columns
        .iter()
        .map(|column| head(&page.query, *column))
        .collect();
    let rows: Vec<_> = page
        .rows
        .iter()
        .map(|row| table_row(page, &columns, row, now_ms))
        .collect();
    let foot = (page.matching > 1 && !page.totals.is_empty()).then(|| foot(page, &columns));
    let kept = page.order_kept.then(kept);
    view! {
        {kept}
        <div class="table-scroll nodes-scroll" {..tab_stop()} role="region" aria-label="Nodes">
            <table class="nodes">
                <thead><tr>{selection::tick_all(page)}{heads}</tr></thead>
                <tbody>{rows}</tbody>
                {foot}
            </table>
        </div>
    }
    .into_any()
}

/// Rows would stand elsewhere by now.
fn kept() -> AnyView {
    let sorting = use_context::<Sorting>();
    let ask = move |_| {
        if let Some(sorting) = sorting {
            sorting.ask();
        }
    };
    view! {
        <p class="order-kept" role="status">
            <button type="button" class="button" data-shortcut="S" aria-keyshortcuts="Shift+S" title="Sort again (Shift S)" on:click=ask><Icon name="chevrons-up-down" />"Order changed: sort again"</button>
        </p>
    }
    .into_any()
}

fn head(query: &NodesQuery, column: Column) -> AnyView {
    let order = query.order_of(column);
    let icon = match order {
        Some("ascending") => "chevron-up",
        Some(_) => "chevron-down",
        None => "chevrons-up-down",
    };
    let number = column.is_number().then_some("");
    view! {
        <th scope="col" data-column=column.key() data-number=number aria-sort=order>
            <a href=query.sorted_by(column).url()>{label(column)}<Icon name=icon /></a>
        </th>
    }
    .into_any()
}

fn label(column: Column) -> &'static str {
    match column {
        Column::Network if Preferences::of_page().network_bytes => "In / out, B/s",
        _ => column.label(),
    }
}

fn table_row(page: &NodesPage, columns: &[Column], row: &NodeRow, now_ms: i64) -> AnyView {
    let recent = page.recent_cpu.get(&row.id).map(Vec::as_slice);
    let cells: Vec<_> = columns
        .iter()
        .map(|column| cell(*column, row, recent, now_ms))
        .collect();
    view! { <tr data-current=is_current(row).then_some("")>{selection::tick(row)}{cells}</tr> }
        .into_any()
}

fn cell(column: Column, row: &NodeRow, recent: Option<&[Option<u8>]>, now_ms: i64) -> AnyView {
    let content = cells::content(column, row, recent, now_ms);
    match column {
        Column::Name => view! { <th scope="row" data-column="name">{content}</th> }.into_any(),
        // On a card these two say what they are by themselves.
        Column::Status | Column::Cluster => {
            view! { <td data-column=column.key()>{content}</td> }.into_any()
        }
        _ => {
            let number = column.is_number().then_some("");
            view! { <td data-column=column.key() data-number=number data-label=label(column)>{content}</td> }
                .into_any()
        }
    }
}

type Part = (&'static str, fn(&Total) -> f64);

const PARTS: [Part; 3] = [
    ("Median", |total| total.median),
    ("95 % at most", |total| total.p95),
    ("Greatest", |total| total.max),
];

fn foot(page: &NodesPage, columns: &[Column]) -> AnyView {
    let rows: Vec<_> = PARTS
        .into_iter()
        .map(|(words, part)| {
            let cells: Vec<_> = columns
                .iter()
                .map(|column| {
                    if *column == Column::Name {
                        return view! { <th scope="row" data-column="name">{words}</th> }.into_any();
                    }
                    let total = page
                        .totals
                        .iter()
                        .find(|total| total.column == column.key());
                    let known = total.map(|total| {
                        format!("of {}", format::plural(u64::from(total.count), "node", "nodes"))
                    });
                    let text = total.map(|total| cells::number(*column, part(total)));
                    let number = column.is_number().then_some("");
                    view! { <td data-column=column.key() data-number=number data-label=label(*column) title=known>{text}</td> }.into_any()
                })
                .collect();
            view! { <tr><td data-column="tick"></td>{cells}</tr> }
        })
        .collect();
    view! { <tfoot>{rows}</tfoot> }.into_any()
}
