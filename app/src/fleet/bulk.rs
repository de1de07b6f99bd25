//! What became of each node of a change of many.

use leptos::prelude::*;
use leptos_meta::Title;

use super::api;
use super::list::hidden;
use super::parts::node_link;
use super::view::{BulkOutcome, BulkReport, BulkRow};
use crate::codec::page_data;
use crate::format;
use crate::page::{Context, Loading};
use crate::ui::{EmptyState, PageHeader, tab_stop};

/// `/nodes/bulk`: the answer to the list's form.
#[component]
pub fn BulkPage() -> impl IntoView {
    let context = expect_context::<Context>();
    let report = page_data(|| (), |()| api::load_bulk_report());
    view! {
        <Title text="Bulk change" />
        <PageHeader title="Bulk change" />
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                context.focus_heading();
                match report.await.ok().flatten() {
                    Some(report) => shown(&report),
                    None => nothing(),
                }
            })}
        </Transition>
    }
    .into_any()
}

fn nothing() -> AnyView {
    view! {
        <EmptyState icon="server" title="Nothing was changed">
            <p>"Tick nodes in the list, then choose what to do with them under Selection."</p>
            <a class="button button-primary" href="/nodes">"To the list of nodes"</a>
        </EmptyState>
    }
    .into_any()
}

fn shown(report: &BulkReport) -> AnyView {
    let count = |outcome: BulkOutcome| {
        let of = report.rows.iter().filter(|row| row.outcome == outcome);
        of.count() as u64
    };
    let parts: Vec<String> = [
        (count(BulkOutcome::Failed), "failed"),
        (count(BulkOutcome::Done), "done"),
        (count(BulkOutcome::Unchanged), "unchanged"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| format!("{} {words}", format::count(count)))
    .collect();
    let summary = format!("{}.", parts.join(", "));
    let rows: Vec<_> = report.rows.iter().map(row).collect();
    let failed: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.outcome == BulkOutcome::Failed && !row.id.is_empty())
        .map(|row| view! { <input type="hidden" name="id" value=row.id.clone() /> })
        .collect();
    let again = (!failed.is_empty()).then(|| {
        view! {
            <form method="post" action="/nodes/bulk">
                {hidden(&report.back, &[])}
                <input type="hidden" name="tag" value=report.tag.clone() />
                <input type="hidden" name="cluster" value=report.cluster.clone() />
                {failed}
                <button class="button" type="submit" name="action" value=report.action.clone()>"Try the failed ones again"</button>
            </form>
        }
    });
    view! {
        <p class="bulk-summary" role="status"><strong><bdi>{report.title.clone()}</bdi></strong>": "{summary}</p>
        <div class="bulk-ways">{again}<a class="button" href=report.back.url()>"Back to the list"</a></div>
        <div class="table-scroll" {..tab_stop()} role="region" aria-label="Result by node">
            <table class="bulk-table">
                <thead><tr><th scope="col">"Node"</th><th scope="col">"Result"</th><th scope="col">"Details"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(row: &BulkRow) -> AnyView {
    let name = if row.id.is_empty() {
        view! { <bdi>{row.name.clone()}</bdi> }.into_any()
    } else {
        node_link(&row.id, &row.name)
    };
    let (words, status) = match row.outcome {
        BulkOutcome::Failed => ("Failed", Some("critical")),
        BulkOutcome::Done => ("Done", None),
        BulkOutcome::Unchanged => ("Unchanged", None),
    };
    view! { <tr data-status=status><th scope="row">{name}</th><td class="bulk-outcome">{words}</td><td><bdi>{row.words.clone()}</bdi></td></tr> }
        .into_any()
}
