//! What happened, newest first, day by day. Filter, window and page are in the URL; the list never moves by itself: what is
//! new is counted above it.

use domain::time::{Civil, Timestamp, format_iso};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api;
use super::query::RANGES;
use super::view::{AuditDetail, Chain, EventLine, EventsPage as Page, EventsQuery};
use crate::codec::{PageData, page_data};
use crate::fleet::view::{LiveTopic, LiveUpdate};
use crate::fleet::{actor, object};
use crate::live::Live;
use crate::page::{Followed, follow, followed};
use crate::preferences::{Preferences, instant, on_clock};
use crate::ui::{EmptyState, PageHeader, StatusMark};
use crate::{format, url};

type Asked = (EventsQuery, Page);

/// `/events`
#[component]
pub fn EventsPage() -> impl IntoView {
    log(false)
}

/// `/audit`: what people did, with what they changed and from where.
#[component]
pub fn AuditPage() -> impl IntoView {
    log(true)
}

fn log(is_audit: bool) -> AnyView {
    let params = use_query_map();
    let query = Memo::new(move |_| EventsQuery {
        is_audit,
        ..EventsQuery::from_params(|key| params.read().get(key))
    });
    let (title, file) = if is_audit {
        ("Audit log", "/audit.csv")
    } else {
        ("Events", "/events.csv")
    };
    let data: PageData<Result<Asked, crate::error::UiError>> = page_data(
        move || query.get(),
        |query| async move {
            api::list_events(query.clone())
                .await
                .map(|page| (query, page))
        },
    );
    // Followed from the first page only: further ones are about what is long over.
    follow(move || LiveTopic::Events {
        query: query.get().from_the_newest(),
        after_seq: data.with(|data| match data {
            Some(Ok((_, page))) => page.last_seq,
            _ => i64::MAX,
        }),
    });
    let source = Followed {
        data,
        // Nothing is replaced: a list that moves cannot be read.
        pick: |_, _| None,
        now_ms: |data: &Asked| data.1.now_ms,
    };
    view! {
        <PageHeader title>
            <NewEvents data query />
            {is_audit.then(|| view! { <a class="button" href="/audit?verify=1">"Verify the chain"</a> })}
            <a class="button" href=move || query.read().from_the_newest().url_at(file) rel="external" download="">"CSV"</a>
        </PageHeader>
        {followed(source, |data| if data.0.is_audit { "Audit log".to_owned() } else { "Events".to_owned() }, |data, _| page(&data.0, &data.1))}
    }
    .into_any()
}

/// Keeps its place when there is nothing to say, so that nothing below it moves.
#[component]
fn NewEvents(
    data: PageData<Result<Asked, crate::error::UiError>>,
    query: Memo<EventsQuery>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let count = Memo::new(move |_| match live.latest() {
        Some(LiveUpdate::NewEvents(count)) => count,
        _ => 0,
    });
    let words = move || format!("▲ {} new", format::count(u64::from(count.get())));
    view! {
        <a
            class="button new-events"
            href=move || query.read().from_the_newest().url()
            data-none=move || (count.get() == 0).then_some("")
            on:click=move |_| data.refetch()
        >{words}</a>
    }
    .into_any()
}

fn page(query: &EventsQuery, page: &Page) -> AnyView {
    let notes: Vec<_> = page
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    let cluster = (!query.cluster.is_empty()).then(|| {
        let slug = query.cluster.clone();
        view! { <p class="note">"Only cluster "<a href=url::cluster(&slug)><bdi>{slug.clone()}</bdi></a>" and its nodes."</p> }
    });
    view! {
        {page.chain.map(chain)}
        {facets(query, page)}
        {cluster}
        {notes}
        {histogram(query, page)}
        {if page.rows.is_empty() { nothing(query, page) } else { days(page) }}
        {older(query, page)}
    }
    .into_any()
}

/// How the chain of hashes is.
fn chain(chain: Chain) -> AnyView {
    match chain {
        Chain::Whole(count) => {
            let words = format!(
                "The chain is whole: {} as they were written.",
                format::plural(count, "entry is", "entries are")
            );
            view! { <p class="form-saved" role="status">{words}</p> }.into_any()
        }
        Chain::Broken(seq) => {
            let words = format!(
                "The chain is broken: entry {seq} was changed, removed or added. Keep the database as it is, and compare it with a backup."
            );
            view! { <p class="form-message" role="alert">{words}</p> }.into_any()
        }
    }
}

/// A plain form: choices with how many there are in this window.
fn facets(query: &EventsQuery, page: &Page) -> AnyView {
    let ranges = RANGES.map(|(key, label)| {
        let current = (query.preset() == Some(key)).then_some("true");
        view! { <li><a href=query.in_range(key).url() aria-current=current>{label}</a></li> }
    });
    let named = |list: &[(String, u32)]| -> Vec<(String, String, u32)> {
        list.iter()
            .map(|(value, count)| (value.clone(), value.clone(), *count))
            .collect()
    };
    let clear = query.is_filtered().then(|| {
        let all = EventsQuery {
            kind: String::new(),
            actor: String::new(),
            object: String::new(),
            cluster: String::new(),
            ..query.from_the_newest()
        };
        view! { <a class="button" href=all.url()>"Clear"</a> }
    });
    let hidden = |name: &'static str, value: &str| {
        (!value.is_empty())
            .then(|| view! { <input type="hidden" name=name value=value.to_owned() /> })
    };
    view! {
        <form class="facets" method="get" action=query.path()>
            {facet("kind", "Kind", "Any kind", &query.kind, &named(&page.kinds))}
            {facet("object", "Object", "Any object", &query.object, &page.objects)}
            {facet("actor", "Actor", "Anybody", &query.actor, &page.actors)}
            {hidden("cluster", &query.cluster)}
            {hidden("range", &query.range)}
            {hidden("from", &query.from)}
            {hidden("to", &query.to)}
            <button class="button" type="submit">"Filter"</button>
            {clear}
            <ul class="range-presets" aria-label="Time range" title="Time range (t)" data-shortcut="t">{ranges}</ul>
        </form>
    }
    .into_any()
}

fn facet(
    name: &'static str,
    label: &'static str,
    any: &'static str,
    chosen: &str,
    choices: &[(String, String, u32)],
) -> AnyView {
    // What was asked for stays a choice, even where the window has none of it.
    let is_missing = !chosen.is_empty() && !choices.iter().any(|(value, ..)| value == chosen);
    let missing = is_missing.then(|| view! { <option value=chosen.to_owned() selected=true>{format!("{chosen} (0)")}</option> });
    let choices: Vec<_> = choices
        .iter()
        .map(|(value, words, count)| {
            let words = format!("{words} ({})", format::count(u64::from(*count)));
            view! { <option value=value.clone() selected=value == chosen>{words}</option> }
        })
        .collect();
    view! {
        <div class="facet">
            <label for=name>{label}</label>
            <select id=name name=name><option value="">{any}</option>{missing}{choices}</select>
        </div>
    }
    .into_any()
}

/// Bars over the window; each leads to its own stretch of it.
fn histogram(query: &EventsQuery, page: &Page) -> AnyView {
    let most = page.histogram.iter().copied().max().unwrap_or(0);
    let matching = format::plural(u64::from(page.matching), "event", "events");
    let mut words = format!("{matching}, {}", page.label);
    if most == 0 {
        return view! { <p class="histogram-words">{words}</p> }.into_any();
    }
    if page.bars_from_ms > page.from_ms {
        words += &format!(", nothing before {}", instant(page.bars_from_ms));
    }
    words += &format!("; one bar is {}", format::duration_ms(page.bar_ms));
    let span_ms = (page.to_ms - page.bars_from_ms).max(1);
    let edge_ms = |part: usize| (page.bars_from_ms + page.bar_ms * part as i64).min(page.to_ms);
    let place = |at_ms: i64| (at_ms - page.bars_from_ms) as f64 / span_ms as f64 * 100.0;
    let bars: Vec<_> = page
        .histogram
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(part, count)| {
            let (from_ms, to_ms) = (edge_ms(part), edge_ms(part + 1));
            let height = (f64::from(*count) / f64::from(most) * 100.0).max(4.0);
            let told = format!(
                "{} from {}",
                format::plural(u64::from(*count), "event", "events"),
                instant(from_ms)
            );
            let share = place(to_ms) - place(from_ms);
            let x = format!("{:.3}%", place(from_ms));
            let bar = view! {
                <rect class="bar" x=x.clone() width=format!("{:.3}%", share * 0.84) y=format!("{:.2}%", 100.0 - height) height=format!("{height:.2}%")></rect>
            };
            // Narrower than a minute, a part is no window of its own.
            if to_ms - from_ms < 60_000 {
                return view! { <g><title>{told}</title>{bar}</g> }.into_any();
            }
            let href = query.between(from_ms, to_ms).url();
            view! {
                <a href=href tabindex="-1">
                    <title>{told}</title>
                    <rect class="bar-room" x=x width=format!("{share:.3}%") y="0" height="100%"></rect>
                    {bar}
                </a>
            }
            .into_any()
        })
        .collect();
    view! {
        <figure class="histogram">
            <figcaption class="histogram-words">{words}</figcaption>
            <svg width="100%" height="56" aria-hidden="true">{bars}</svg>
            <p class="histogram-edges"><span>{instant(page.bars_from_ms)}</span><span>{instant(page.to_ms)}</span></p>
        </figure>
    }
    .into_any()
}

fn nothing(query: &EventsQuery, page: &Page) -> AnyView {
    let title = if query.is_filtered() {
        format!("No events match, {}", page.label)
    } else {
        format!("Nothing happened, {}", page.label)
    };
    let year = query.in_range("1y").url();
    view! {
        <EmptyState icon="history" title=title>
            <p>"Nodes that appear, fall away or change, and all that people do here, is written down and kept."</p>
            <a class="button" href=year>"Show a year"</a>
        </EmptyState>
    }
    .into_any()
}

fn days(page: &Page) -> AnyView {
    let day = |line: &EventLine| {
        let Civil {
            year, month, day, ..
        } = on_clock(line.event.at_ms);
        (year, month, day)
    };
    let zone = Preferences::of_page().zone.name();
    let days: Vec<_> = page
        .rows
        .chunk_by(|a, b| day(a) == day(b))
        .map(|lines| {
            let (year, month, day) = lines.first().map(day).unwrap_or_default();
            let heading = format!("{year:04}-{month:02}-{day:02} {zone}");
            let id = format!("day-{year:04}-{month:02}-{day:02}");
            let heading_id = id.clone();
            let rows: Vec<_> = lines.iter().map(row).collect();
            view! {
                <section class="day" aria-labelledby=id>
                    <h2 id=heading_id>{heading}</h2>
                    <ol class="event-lines">{rows}</ol>
                </section>
            }
        })
        .collect();
    view! { <div class="panel days">{days}</div> }.into_any()
}

fn row(line: &EventLine) -> AnyView {
    let event = &line.event;
    let c = on_clock(event.at_ms);
    let time = format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    view! {
        <li class="event-line" id=format!("e{}", event.seq)>
            <time datetime=format_iso(Timestamp(event.at_ms)) title=instant(event.at_ms)>{time}</time>
            <span class="event-verb">{line.severity.map(|status| view! { <StatusMark status /> })}{event.verb.clone()}</span>
            <span class="event-subject">{object(event)}</span>
            <span class="event-detail"><bdi>{line.detail.clone()}</bdi></span>
            <span class="event-who">{actor(event)}</span>
            {line.audit.as_ref().and_then(audit)}
        </li>
    }
    .into_any()
}

/// What was changed, and by which request.
fn audit(detail: &AuditDetail) -> Option<AnyView> {
    let parts: Vec<_> = [
        ("Before", &detail.before),
        ("After", &detail.after),
        ("From", &detail.address),
        ("Request", &detail.request_id),
    ]
    .into_iter()
    .filter_map(|(label, text)| {
        let text = text.clone()?;
        let text = if text.is_empty() {
            "nothing".to_owned()
        } else {
            text
        };
        Some(view! { <div><dt>{label}</dt><dd><bdi>{text}</bdi></dd></div> })
    })
    .collect();
    (!parts.is_empty()).then(|| view! { <dl class="event-audit">{parts}</dl> }.into_any())
}

fn older(query: &EventsQuery, page: &Page) -> AnyView {
    let newest = query.cursor.map(|_| {
        view! { <a class="button" href=query.from_the_newest().url()>"Newest"</a> }
    });
    let older = page.next_cursor.map(|seq| {
        let next = EventsQuery {
            cursor: Some(seq),
            ..query.clone()
        };
        view! { <a class="button" rel="next" href=next.url()>"Older"</a> }
    });
    view! { <nav class="paging" aria-label="Pages"><span class="paging-steps">{newest}{older}</span></nav> }.into_any()
}
