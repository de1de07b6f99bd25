//! The wallboard: no chrome, large, read from across a room. What is wrong comes first; how old it is stands at the top; a
//! lost connection is a frame and words. `view=overview,topology&rotate=30` shows one after the other; without scripts it
//! is the first.

use std::time::Duration;

use domain::fleet::Status;
use leptos::leptos_dom::helpers::IntervalHandle;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::awake;
use super::overview::followed_overview;
use super::parts::{cells, node_link};
use super::view::{Attention, Overview, StatusCounts};
use super::words::{badge_words, status_in_sentence};
use crate::clusters::view::ClusterSummary;
use crate::live::{Live, Phase};
use crate::page::{followed, followed_still};
use crate::preferences::time_of_day;
use crate::topology;
use crate::topology::view::{BoxKind, MapBox, TopologyPage, TopologyQuery};
use crate::ui::{CountBar, StatusBadge, StatusMark};
use crate::{format, url};

/// Lines of problems: what fits on a screen.
const PROBLEMS_MAX: usize = 20;
/// Clusters beside them, worst first.
const CLUSTERS_MAX: usize = 40;
/// Clusters and edges that are named above a map.
const NAMED_MAX: usize = 3;

/// `/wall`
#[component]
pub fn WallPage() -> impl IntoView {
    let params = use_query_map();
    let wishes = Memo::new(move |_| params.with(|params| Wishes::of(|key| params.get(key))));
    let live = expect_context::<Live>();
    let is_lost = Memo::new(move |_| live.is_stale());
    reload_with_a_new_version(live);
    let turn = turns(wishes);
    let shown = Memo::new(move |_| wishes.with(|wishes| wishes.view(turn.get())));
    Effect::new(|_| awake::keep());
    view! {
        <main id="main" class="wall" data-lost=move || is_lost.get().then_some("")>
            <div role="alert">{move || is_lost.get().then(lost_words)}</div>
            {move || wishes.with(|wishes| wishes.note()).map(|note| view! { <p class="note">{note}</p> })}
            {move || match shown.get() {
                WallView::Overview => overview(wishes.with(|wishes| wishes.system.clone())),
                WallView::Topology => map(wishes.with(|wishes| wishes.system.clone())),
            }}
        </main>
    }
    .into_any()
}

/// What a wall can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WallView {
    Overview,
    Topology,
}

impl WallView {
    const ALL: [(&'static str, WallView); 2] = [
        ("overview", WallView::Overview),
        ("topology", WallView::Topology),
    ];
}

/// Seconds that a view stays, where nothing else is asked for, and the least.
const ROTATE_S: u32 = 30;
const ROTATE_MIN_S: u32 = 5;
const ROTATE_MAX_S: u32 = 3_600;

/// What the URL asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wishes {
    views: Vec<WallView>,
    rotate_s: u32,
    system: Option<String>,
    /// What was not understood.
    wrong: Vec<String>,
}

impl Wishes {
    fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let mut wrong = Vec::new();
        let mut views = Vec::new();
        let asked = get("view").unwrap_or_default();
        for word in asked
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match WallView::ALL.iter().find(|(name, _)| *name == word) {
                Some((_, view)) => views.push(*view),
                None => wrong.push(format!("view `{word}`: there are overview and topology")),
            }
        }
        if views.is_empty() {
            views.push(WallView::Overview);
        }
        let rotate = get("rotate").filter(|text| !text.is_empty());
        let rotate_s = match rotate.as_deref().map(str::parse) {
            None => ROTATE_S,
            Some(Ok(seconds)) if (ROTATE_MIN_S..=ROTATE_MAX_S).contains(&seconds) => seconds,
            Some(_) => {
                let text = rotate.unwrap_or_default();
                wrong.push(format!(
                    "rotate `{text}`: seconds from {ROTATE_MIN_S} to {ROTATE_MAX_S}; {ROTATE_S} are used"
                ));
                ROTATE_S
            }
        };
        Self {
            views,
            rotate_s,
            system: get("system").filter(|slug| !slug.is_empty()),
            wrong,
        }
    }

    fn view(&self, turn: usize) -> WallView {
        let views = self.views.iter().copied();
        views
            .cycle()
            .nth(turn % self.views.len().max(1))
            .unwrap_or(WallView::Overview)
    }

    fn note(&self) -> Option<String> {
        (!self.wrong.is_empty()).then(|| self.wrong.join(" · "))
    }
}

/// Counts on while there is more than one view.
fn turns(wishes: Memo<Wishes>) -> ReadSignal<usize> {
    let (turn, set_turn) = signal(0_usize);
    Effect::new(move |before: Option<Option<IntervalHandle>>| {
        if let Some(handle) = before.flatten() {
            handle.clear();
        }
        wishes.with(|wishes| {
            if wishes.views.len() < 2 {
                return None;
            }
            let next = move || set_turn.update(|turn| *turn = turn.wrapping_add(1));
            let every = Duration::from_secs(u64::from(wishes.rotate_s));
            let handle = set_interval_with_handle(next, every).ok()?;
            on_cleanup(move || handle.clear());
            Some(handle)
        })
    });
    turn
}

fn overview(system: Option<String>) -> AnyView {
    let source = followed_overview(Signal::stored(system));
    followed(source, |_| "Wallboard".to_owned(), wall).into_any()
}

fn map(system: Option<String>) -> AnyView {
    let query = TopologyQuery {
        system: system.unwrap_or_default(),
        plain: true,
        ..TopologyQuery::default()
    };
    let source = topology::followed_map(Memo::new(move |_| query.clone()));
    let view = |data: &TopologyPage| {
        let live = expect_context::<Live>();
        let made_at_ms = data.now_ms;
        let head = move || head(live.now_or(made_at_ms), made_at_ms);
        view! {
            {head}
            {numbers(&data.counts)}
            <p class="wall-headline">{headline(data)}</p>
            <div class="wall-map">{topology::drawing(data)}</div>
        }
        .into_any()
    };
    followed_still(source, |_| "Wallboard".to_owned(), view).into_any()
}

/// What is wrong on the map: the worst clusters, then edges that fail.
fn headline(data: &TopologyPage) -> AnyView {
    let mut boxes: Vec<&MapBox> = data
        .boxes
        .iter()
        .filter(|one| matches!(one.kind, BoxKind::Cluster | BoxKind::Group))
        .filter(|one| one.status != Status::Ok)
        .collect();
    boxes.sort_by(|a, b| (a.status, &a.key).cmp(&(b.status, &b.key)));
    let failing = data.edges.iter().filter_map(|edge| {
        let status = edge.trouble?;
        Some((
            status,
            edge.from.as_str(),
            format!("calls to {} fail", edge.to),
        ))
    });
    let mut wrong: Vec<(Status, &str, String)> = boxes
        .iter()
        .map(|one| (one.status, one.label.as_str(), one.summary.clone()))
        .chain(failing)
        .collect();
    let more = wrong.len().saturating_sub(NAMED_MAX);
    wrong.truncate(NAMED_MAX);
    if wrong.is_empty() {
        return "No cluster has a problem.".into_any();
    }
    let mut parts: Vec<AnyView> = wrong
        .into_iter()
        .map(|(status, name, words)| {
            let name = name.to_owned();
            view! { <span class="wall-problem"><StatusMark status /><bdi>{name}</bdi><span class="wall-why">{words}</span></span> }.into_any()
        })
        .collect();
    if more > 0 {
        parts.push(format!("and {} more", format::count(more as u64)).into_any());
    }
    parts.into_any()
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

/// Time of day, and how old what is shown is.
fn head(now_ms: i64, made_at_ms: i64) -> AnyView {
    let live = expect_context::<Live>();
    let state = match live.phase() {
        Phase::Live => "live",
        Phase::Resting => "as rendered",
        Phase::Connecting | Phase::Reconnecting => "connecting",
        Phase::Lost { .. } => "connection lost",
        Phase::SignedOut => "signed out",
        Phase::Paused { .. } => "paused",
    };
    view! {
        <header class="wall-head">
            <h1 tabindex="-1">{time_of_day(now_ms)}</h1>
            <p class="wall-age">"data "{format::age(now_ms, made_at_ms)}" old · "{state}</p>
            <a class="wall-leave" href="/">"Overview"</a>
        </header>
    }
    .into_any()
}

/// How many nodes of each status.
fn numbers(counts: &StatusCounts) -> AnyView {
    let numbers: Vec<_> = counts
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
    view! { <ul class="wall-numbers" aria-label="Nodes">{numbers}</ul> }.into_any()
}

fn wall(data: &Overview, now_ms: i64) -> AnyView {
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
        view! { <p class="wall-well">{data.sentence()}</p> }.into_any()
    } else {
        view! { <ul class="wall-problems" aria-label="Needs attention">{problems}{more}</ul> }
            .into_any()
    };
    let shown = data.clusters.iter().take(CLUSTERS_MAX);
    let clusters: Vec<_> = shown.map(cluster).collect();
    let left_out = data.clusters.len().saturating_sub(CLUSTERS_MAX) as u64;
    let left_out = (left_out > 0).then(|| {
        view! { <li class="wall-cluster">{format!("and {}", format::plural(left_out, "more cluster", "more clusters"))}</li> }
    });
    view! {
        {head(now_ms, data.now_ms)}
        {numbers(&data.counts)}
        {problems}
        <ul class="wall-clusters" aria-label="Clusters">{clusters}{left_out}</ul>
    }
    .into_any()
}

fn problem(finding: &Attention, now_ms: i64) -> AnyView {
    match finding {
        Attention::Silence(silence) => view! {
            <StatusMark status=Status::Unknown /><bdi>{silence.sentence()}</bdi>
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
                .since_ms
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
        <li class="wall-cluster" data-status=summary.rollup.status.map(Status::as_str)>
            <p>{mark}<bdi>{summary.slug.clone()}</bdi><span class="wall-why">{summary.reason.clone()}</span></p>
            {nodes}
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(view: &str, rotate: &str) -> Wishes {
        Wishes::of(|key| match key {
            "view" => Some(view.to_owned()),
            "rotate" => Some(rotate.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn views_take_turns_and_what_is_no_view_is_said() {
        let one = wishes("", "");
        assert_eq!(
            (one.view(0), one.view(7)),
            (WallView::Overview, WallView::Overview)
        );
        assert_eq!((one.rotate_s, one.note()), (ROTATE_S, None));
        let two = wishes("topology, overview", "10");
        assert_eq!(
            [two.view(0), two.view(1), two.view(2)],
            [WallView::Topology, WallView::Overview, WallView::Topology]
        );
        assert_eq!(two.rotate_s, 10);
        for (view, rotate, word) in [
            ("overview,charts", "", "`charts`"),
            ("", "0", "`0`"),
            ("", "soon", "`soon`"),
            ("", "99999", "3600"),
        ] {
            let wrong = wishes(view, rotate);
            assert_eq!(wrong.views, [WallView::Overview], "{view}");
            assert_eq!(wrong.rotate_s, ROTATE_S);
            assert!(
                wrong.note().is_some_and(|note| note.contains(word)),
                "{word}"
            );
        }
    }
}
