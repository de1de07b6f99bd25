//! A cluster's page: how it is and why, what it does now, its charts, its nodes by role, what happened.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api;
use super::heatmap::heatmap;
use super::parts::{counts_line, head};
use super::view::{ClusterCharts, ClusterDetail, NamedValue, RoleGroup};
use crate::codec::{PageData, page_data};
use crate::error::UiError;
use crate::events::view::EventsQuery;
use crate::fleet::peers::peers;
use crate::fleet::view::{LiveTopic, LiveUpdate, RangeQuery};
use crate::fleet::{
    ChartsOf, Crosshair, cells, changes, charts_without_files, node_link, notes, range_picker,
};
use crate::live::Live;
use crate::page::{Followed, Loaded, follow, followed, followed_part, slug_of_path};
use crate::ui::{CountBar, Meter, Panel, tab_stop};
use crate::{format, url};

/// Between refreshes of charts whose window moves.
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
const CHARTS_EVERY_MS: i64 = 30_000;

/// Loads a cluster and follows it.
pub fn cluster_of_path() -> Followed<ClusterDetail> {
    let slug = slug_of_path();
    let data: Loaded<ClusterDetail> = page_data(move || slug.get(), api::load_cluster);
    follow(move || LiveTopic::Cluster { slug: slug.get() });
    again(data)
}

/// The same data for a further part of the page.
pub fn again(data: Loaded<ClusterDetail>) -> Followed<ClusterDetail> {
    Followed {
        data,
        pick: |update, now| match update {
            LiveUpdate::Cluster(next) if next.summary.slug == now.summary.slug => {
                Some((**next).clone())
            }
            _ => None,
        },
        now_ms: |cluster| cluster.now_ms,
    }
}

/// What happened in a cluster.
pub fn events_of(slug: &str) -> EventsQuery {
    EventsQuery {
        cluster: slug.to_owned(),
        ..EventsQuery::default()
    }
}

/// The title of every tab.
pub fn title(cluster: &ClusterDetail) -> String {
    cluster.summary.slug.clone()
}

type Asked = (String, RangeQuery, Result<ClusterCharts, UiError>);

/// `/clusters/{slug}`
#[component]
pub fn ClusterPage() -> impl IntoView {
    let source = cluster_of_path();
    let data = source.data;
    let slug = slug_of_path();
    let query = use_query_map();
    let range = Memo::new(move |_| RangeQuery::from_params(|key| query.read().get(key)));
    let asked: PageData<Asked> = page_data(
        move || (slug.get(), range.get()),
        |(slug, range)| async move {
            let answer = api::load_cluster_charts(slug.clone(), range.clone()).await;
            (url::cluster(&slug), range, answer)
        },
    );
    let crosshair = Crosshair::of_page(ChartsOf::Cluster, slug, range);
    refresh(expect_context::<Live>(), asked, range, crosshair);
    view! {
        {followed(source, title, |cluster, _| view! { {head(cluster, "")}{signals(cluster)}{roles(cluster)} }.into_any())}
        <Charts data asked />
        {followed_part(again(data), tail)}
    }
    .into_any()
}

fn signals(cluster: &ClusterDetail) -> AnyView {
    let signals = &cluster.signals;
    let value = |text: Option<String>| {
        let text = text.unwrap_or_else(|| format::UNKNOWN.to_owned());
        view! { <span class="value-number">{text}</span> }
    };
    let of_node = |found: &NamedValue| node_link(&found.id, &found.name);
    let slowest = signals.slowest.as_ref().map(|found| {
        view! { <span class="value-notes"><span>"slowest "{format::duration_us((found.value * 1000.0) as u32)}": "{of_node(found)}</span></span> }
    });
    let saturation = match &signals.saturation {
        Some((what, found)) => view! {
            <Meter ratio=Some(found.value) limited=true />
            <span class="value-notes"><span><bdi>{what.clone()}</bdi>" of "{of_node(found)}</span></span>
        }
        .into_any(),
        None => view! { <span class="value-number">{format::UNKNOWN}</span> }.into_any(),
    };
    let connections = signals
        .connections
        .map(|count| format::count(count.max(0.0).round() as u64));
    let probe = signals
        .probe_ms
        .map(|ms| format::duration_us((ms * 1000.0) as u32));
    view! {
        <dl class="values signals" data-current="">
            <div class="value"><dt>"Traffic: TCP connections"</dt><dd>{value(connections)}</dd></div>
            <div class="value"><dt>"Errors: packets lost by hosts"</dt><dd>{value(signals.lost_per_s.map(format::per_s))}</dd></div>
            <div class="value"><dt>"Latency: health probe, median"</dt><dd>{value(probe)}{slowest}</dd></div>
            <div class="value"><dt>"Saturation: fullest resource"</dt><dd>{saturation}</dd></div>
        </dl>
    }
    .into_any()
}

fn roles(cluster: &ClusterDetail) -> AnyView {
    if cluster.roles.is_empty() {
        return view! { <p class="note">"No nodes are in this cluster."</p> }.into_any();
    }
    let has_roles = cluster.roles.iter().any(|group| group.role.is_some());
    let groups: Vec<_> = cluster
        .roles
        .iter()
        .map(|group| role(group, has_roles))
        .collect();
    let more = view! { <a class="panel-aside" href=format!("{}/nodes", url::cluster(&cluster.summary.slug))>"As a table"</a> };
    view! {
        <Panel title="Nodes" id="members" aside=more.into_any()>
            <ul class="roles">{groups}</ul>
        </Panel>
    }
    .into_any()
}

fn role(group: &RoleGroup, is_named: bool) -> AnyView {
    let name = is_named.then(|| {
        let name = group.role.clone().unwrap_or_else(|| "no role".to_owned());
        view! { <span class="role-name"><bdi>{name}</bdi></span> }
    });
    let nodes = if group.cells.is_empty() {
        view! { <CountBar counts=group.counts.clone() /> }.into_any()
    } else {
        cells(&group.cells)
    };
    view! { <li class="role">{name}{nodes}<span class="role-counts">{counts_line(&group.counts)}</span></li> }.into_any()
}

#[component]
fn Charts(data: Loaded<ClusterDetail>, asked: PageData<Asked>) -> impl IntoView {
    view! {
        <Transition>
            {move || Suspend::new(async move {
                // A cluster that cannot be shown has said so already; one without nodes has no charts.
                data.await.ok().filter(|cluster| cluster.summary.rollup.members > 0)?;
                let (path, range, answer) = asked.await;
                Some(match answer {
                    Ok(set) => {
                        let picker = range_picker(&path, &range, Some((set.from_ms, set.to_ms)));
                        section(set.label.clone(), picker, drawn(&path, &range, &set))
                    }
                    Err(error) => section(String::new(), range_picker(&path, &range, None), failed(&error, asked)),
                })
            })}
        </Transition>
    }
    .into_any()
}

fn section(label: String, picker: AnyView, content: AnyView) -> AnyView {
    view! {
        <section class="charts-section" aria-labelledby="charts-heading">
            <header class="charts-header">
                <h2 id="charts-heading">"Charts "<span class="charts-label">{label}</span></h2>
                {picker}
            </header>
            {content}
        </section>
    }
    .into_any()
}

fn drawn(path: &str, range: &RangeQuery, set: &ClusterCharts) -> AnyView {
    let notes: Vec<_> = set
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    view! {
        {notes}
        {charts_without_files(&set.charts, &set.events, (set.from_ms, set.to_ms))}
        {metric_choice(path, range, set)}
        {set.heatmap.as_ref().map(heatmap)}
    }
    .into_any()
}

/// What nodes are shown over time by: links, as everything that chooses.
fn metric_choice(path: &str, range: &RangeQuery, set: &ClusterCharts) -> AnyView {
    if set.metrics.len() < 2 {
        return ().into_any();
    }
    let choices: Vec<_> = set
        .metrics
        .iter()
        .map(|(key, title)| {
            let chosen = RangeQuery {
                metric: key.clone(),
                ..range.clone()
            };
            let is_on = *key == set.metric;
            view! { <li><a href=chosen.url(path) aria-current=is_on.then_some("true")>{title.clone()}</a></li> }
        })
        .collect();
    view! { <div class="heat-choice"><h3>"Nodes over time"</h3><ul class="range-presets" aria-label="Show nodes over time by">{choices}</ul></div> }
        .into_any()
}

fn failed(error: &UiError, asked: PageData<Asked>) -> AnyView {
    let words = error.to_string();
    view! {
        <div class="panel-error" role="status">
            <p>"The charts could not be loaded: "{words}"."</p>
            <button type="button" class="button needs-script" on:click=move |_| asked.refetch()>"Try again"</button>
        </div>
    }
    .into_any()
}

/// Asks for the charts again while the page is live and the window moves, and when the line has come back.
fn refresh(live: Live, charts: PageData<Asked>, range: Memo<RangeQuery>, crosshair: Crosshair) {
    Effect::new(move |asked_at: Option<i64>| {
        let now_ms = live.now_or(0);
        let asked_at = asked_at.filter(|at| *at > 0).unwrap_or(now_ms);
        if live.is_live()
            && !crosshair.is_reading()
            && range.with_untracked(RangeQuery::is_moving)
            && now_ms - asked_at >= CHARTS_EVERY_MS
        {
            charts.refetch();
            return now_ms;
        }
        asked_at
    });
    Effect::new(move |before: Option<u32>| {
        let count = live.recovered();
        if before.is_some_and(|before| before != count) {
            charts.refetch();
        }
        count
    });
}

fn tail(cluster: &ClusterDetail, now_ms: i64) -> AnyView {
    let slug = &cluster.summary.slug;
    let versions: Vec<_> = cluster
        .summary
        .versions
        .iter()
        .map(|run| {
            let version = run
                .version
                .clone()
                .unwrap_or_else(|| "unknown version".to_owned());
            view! {
                <tr>
                    <th scope="row"><bdi>{run.product.clone()}</bdi></th>
                    <td><bdi>{version}</bdi></td>
                    <td class="number">{format::count(u64::from(run.nodes))}</td>
                </tr>
            }
        })
        .collect();
    let versions = (!versions.is_empty()).then(|| {
        view! {
            <Panel title="Versions" id="versions">
                <div class="table-scroll" {..tab_stop()} role="group" aria-label="Versions, table">
                    <table>
                        <thead><tr><th scope="col">"Product"</th><th scope="col">"Version"</th><th scope="col" class="number">"Nodes"</th></tr></thead>
                        <tbody>{versions}</tbody>
                    </table>
                </div>
            </Panel>
        }
    });
    let notes = notes(&cluster.notes_html);
    let happened = (!cluster.events.is_empty()).then(|| {
        let list = changes(&cluster.events, &events_of(slug), now_ms);
        let more =
            view! { <a class="panel-aside" href=format!("{}/events", url::cluster(slug))>"All"</a> };
        view! { <Panel title="What changed" id="changes" aside=more.into_any()>{list}</Panel> }
    });
    view! { <div class="node-tables">{peers(&cluster.peers)}{notes}{versions}{happened}</div> }
        .into_any()
}
