//! The wallboard: no chrome, large, read from across a room. What is wrong comes first; how old it is stands at the top; a
//! lost connection is a frame and words.

use leptos::prelude::*;

use super::api;
use super::parts::{cells, node_link};
use super::view::{Attention, LiveTopic, LiveUpdate, Overview};
use super::words::{badge_words, status_in_sentence};
use crate::clusters::view::ClusterSummary;
use crate::codec::page_data;
use crate::live::{Live, Phase};
use crate::page::{Followed, follow, followed};
use crate::preferences::time_of_day;
use crate::ui::{CountBar, StatusBadge, StatusMark};
use crate::{format, url};

/// Lines of problems: what fits on a screen.
const PROBLEMS_MAX: usize = 10;

/// `/wall`
#[component]
pub fn WallPage() -> impl IntoView {
    let data = page_data(|| (), |()| api::load_overview());
    follow(|| LiveTopic::Overview);
    let live = expect_context::<Live>();
    let is_lost = Memo::new(move |_| live.is_stale());
    reload_with_a_new_version(live);
    let source = Followed {
        data,
        pick: |update: &LiveUpdate, _: &Overview| match update {
            LiveUpdate::Overview(next) => Some((**next).clone()),
            _ => None,
        },
        now_ms: |data| data.now_ms,
    };
    view! {
        <main id="main" class="wall" data-lost=move || is_lost.get().then_some("")>
            <div role="alert">{move || is_lost.get().then(lost_words)}</div>
            {followed(source, |_| "Wallboard".to_owned(), wall)}
        </main>
    }
    .into_any()
}

fn lost_words() -> AnyView {
    view! { <p class="wall-lost">"Connection lost — what is shown here is old"</p> }.into_any()
}

/// Nobody stands at a wall to press a button.
fn reload_with_a_new_version(live: Live) {
    let first = StoredValue::new(None::<String>);
    Effect::new(move |_| {
        let Some(version) = live.server_version() else {
            return;
        };
        match first.get_value() {
            None => first.set_value(Some(version)),
            Some(known) if known != version => {
                let _reloading = window().location().reload();
            }
            Some(_) => {}
        }
    });
}

fn wall(data: &Overview, now_ms: i64) -> AnyView {
    let live = expect_context::<Live>();
    let state = match live.phase() {
        Phase::Live => "live",
        Phase::Resting => "as rendered",
        Phase::Connecting | Phase::Reconnecting => "connecting",
        Phase::Lost { .. } => "connection lost",
        Phase::SignedOut => "signed out",
        Phase::Paused { .. } => "paused",
    };
    let numbers: Vec<_> = data
        .counts
        .0
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| {
            view! {
                <li class="wall-number" data-status=status.as_str()>
                    <StatusMark status=*status />
                    <span class="wall-count">{format::count(u64::from(*count))}</span>
                    <span class="wall-word">{status_in_sentence(*status)}</span>
                </li>
            }
        })
        .collect();
    let problems: Vec<_> = data
        .attention
        .iter()
        .take(PROBLEMS_MAX)
        .map(|finding| view! { <li class="wall-problem">{problem(finding, now_ms)}</li> })
        .collect();
    let more =
        data.attention.len().saturating_sub(PROBLEMS_MAX) as u64 + u64::from(data.attention_more);
    let more = (more > 0).then(
        || view! { <li class="wall-problem">{format!("and {} more", format::count(more))}</li> },
    );
    let problems = if problems.is_empty() {
        let words = data
            .counts
            .all_well()
            .unwrap_or_else(|| "No nodes yet".to_owned());
        view! { <p class="wall-well">{words}</p> }.into_any()
    } else {
        view! { <ul class="wall-problems" aria-label="Needs attention">{problems}{more}</ul> }
            .into_any()
    };
    let clusters: Vec<_> = data.clusters.iter().map(cluster).collect();
    view! {
        <header class="wall-head">
            <h1 tabindex="-1">{time_of_day(now_ms)}</h1>
            <p class="wall-age">"data "{format::age(now_ms, data.now_ms)}" old · "{state}</p>
            <a class="wall-leave" href="/">"Overview"</a>
        </header>
        <ul class="wall-numbers" aria-label="Nodes">{numbers}</ul>
        {problems}
        <ul class="wall-clusters" aria-label="Clusters">{clusters}</ul>
    }
    .into_any()
}

fn problem(finding: &Attention, now_ms: i64) -> AnyView {
    match finding {
        Attention::Silence(silence) => view! {
            <StatusMark status=domain::fleet::Status::Unknown /><bdi>{silence.sentence()}</bdi>
        }
        .into_any(),
        Attention::Cluster {
            slug,
            status,
            reason,
        } => view! {
            <StatusMark status=*status /><a href=url::cluster(slug)><bdi>{slug.clone()}</bdi></a>" "{reason.clone()}
        }
        .into_any(),
        Attention::Node(row) => {
            let age = row
                .last_report_at_ms
                .map(|at_ms| format!(" · {}", format::age(now_ms, at_ms)));
            view! {
                <StatusBadge status=row.status text=badge_words(row.status, row.liveness) />
                {node_link(&row.id, &row.name)}
                <span class="wall-why"><bdi>{row.reason.clone().unwrap_or_default()}</bdi>{age}</span>
            }
            .into_any()
        }
    }
}

fn cluster(summary: &ClusterSummary) -> AnyView {
    let nodes = if summary.cells.is_empty() {
        view! { <CountBar counts=summary.rollup.counts.clone() /> }.into_any()
    } else {
        cells(&summary.cells)
    };
    let mark = summary
        .rollup
        .status
        .map(|status| view! { <StatusMark status /> });
    view! {
        <li class="wall-cluster" data-status=summary.rollup.status.map(domain::fleet::Status::as_str)>
            <p>{mark}<bdi>{summary.slug.clone()}</bdi><span class="wall-why">{summary.reason.clone()}</span></p>
            {nodes}
        </li>
    }
    .into_any()
}
