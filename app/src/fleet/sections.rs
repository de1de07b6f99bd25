//! What a host's lists tell: services, processes, where it listens, certificates; and what of it belongs to the top.
//!
//! Used by the node's page. Loaded apart from the live line and asked for again while somebody follows. Times stand as
//! clock times, because what is shown stays as it is between two answers. Names come from hosts: text nodes only.

use domain::fleet::{CertificateRow, Collector, ListenerRow, ProcessRow, Status, Taken, UnitRow};
use domain::time::{Timestamp, format_iso, format_utc};
use leptos::prelude::*;

use super::lists::{
    OpenPort, connection_words, failed_words, is_failed, missing_words, open_ports, outdated_words,
    processes_in_order, unit_name, unit_state, unit_status, units_in_order, validity,
};
use super::view::{NodeDetail, NodeSections};
use crate::error::UiError;
use crate::format;
use crate::live::Live;
use crate::page::Loaded;
use crate::ui::{Panel, StatusBadge, StatusMark, tab_stop};

/// Between two askings while the page is live: agents tell processes every 5 s while they are watched, the rest less often.
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
const EVERY_MS: i64 = 10_000;
/// Rows that are open without asking.
const ROWS_SHOWN: usize = 10;
/// Older than this, a time of day says too little.
const SAME_DAY_MS: i64 = 12 * 3_600_000;

/// Failed services, for the top of the page: a link to their panel.
#[component]
pub fn FailedServices(
    /// The node, as it is shown.
    node: Loaded<NodeDetail>,
    /// Its lists.
    sections: Loaded<NodeSections>,
) -> impl IntoView {
    view! {
        <Transition>
            {move || Suspend::new(async move {
                node.await.ok().filter(|node| node.server.is_none())?;
                let words = failed_words(&sections.await.ok()?)?;
                Some(view! {
                    <p class="node-note" data-status=Status::Warning.as_str()>
                        <StatusMark status=Status::Warning />
                        <a href="#services" rel="external"><bdi>{words}</bdi></a>
                    </p>
                })
            })}
        </Transition>
    }
    .into_any()
}

/// All lists of a node that has reported.
#[component]
pub fn NodeLists(
    /// The node, as it is shown.
    node: Loaded<NodeDetail>,
    /// Its lists.
    sections: Loaded<NodeSections>,
) -> impl IntoView {
    refresh(expect_context::<Live>(), sections);
    view! {
        <Transition>
            {move || Suspend::new(async move {
                // A node that cannot be shown, or never reported, has said so already.
                // A server has what its own page says; the lists are its host's.
                node.await.ok().filter(|node| node.row.last_report_at_ms.is_some() && node.server.is_none())?;
                Some(match sections.await {
                    Ok(lists) => panels(&lists),
                    Err(error) => problem(&error, sections),
                })
            })}
        </Transition>
    }
    .into_any()
}

/// Asks again while the page is live, and when the line has come back.
fn refresh(live: Live, sections: Loaded<NodeSections>) {
    Effect::new(move |asked_at: Option<i64>| {
        let now_ms = live.now_or(0);
        let asked_at = asked_at.filter(|at| *at > 0).unwrap_or(now_ms);
        if live.is_live() && now_ms - asked_at >= EVERY_MS {
            sections.refetch();
            return now_ms;
        }
        asked_at
    });
    Effect::new(move |before: Option<u32>| {
        let count = live.recovered();
        if before.is_some_and(|before| before != count) {
            sections.refetch();
        }
        count
    });
}

fn problem(error: &UiError, sections: Loaded<NodeSections>) -> AnyView {
    let words = error.to_string();
    view! {
        <div class="panel-error node-lists-error" role="status">
            <p>"Services, processes and ports could not be loaded: "{words}"."</p>
            <button type="button" class="button needs-script" on:click=move |_| sections.refetch()>"Try again"</button>
        </div>
    }
    .into_any()
}

fn panels(lists: &NodeSections) -> AnyView {
    let told = &lists.lists;
    let services = Part {
        title: "Services",
        id: "services",
        collector: Collector::Units,
        told: told
            .units
            .as_ref()
            .map(|list| ("changed", list.at_ms, services(list))),
    };
    let processes = Part {
        title: "Processes",
        id: "processes",
        collector: Collector::TopProcesses,
        told: told
            .processes
            .as_ref()
            .map(|list| ("as of", list.at_ms, processes(list))),
    };
    let listening = Part {
        title: "Listening",
        id: "listening",
        collector: Collector::Listeners,
        told: told
            .listeners
            .as_ref()
            .map(|list| ("changed", list.at_ms, listening(list, &told.tcp_states))),
    };
    let panels: Vec<_> = [services, processes, listening]
        .into_iter()
        .map(|part| panel(lists, part))
        .collect();
    let certificates = told
        .certificates
        .as_ref()
        .filter(|list| !list.rows.is_empty());
    let certificates = certificates.map(|list| {
        let aside = as_of("changed", list.at_ms, lists.now_ms);
        let table = certificates_table(list, lists.now_ms);
        view! { <Panel title="Certificates" id="certificates" aside>{table}</Panel> }
    });
    view! { <div class="node-tables node-lists">{panels}{certificates}</div> }.into_any()
}

/// A panel that is always there: its list, or why there is none.
struct Part {
    title: &'static str,
    id: &'static str,
    collector: Collector,
    /// What its time means, its time, and the list.
    told: Option<(&'static str, i64, AnyView)>,
}

fn panel(lists: &NodeSections, part: Part) -> AnyView {
    let Part {
        title,
        id,
        collector,
        told,
    } = part;
    let (aside, content) = match told {
        Some((verb, at_ms, list)) => {
            let outdated = outdated_words(lists, collector).map(text);
            let content = view! { {outdated}{list} }.into_any();
            (as_of(verb, at_ms, lists.now_ms), content)
        }
        None => (nothing(), text(missing_words(lists, collector))),
    };
    view! { <Panel title id aside>{content}</Panel> }.into_any()
}

fn nothing() -> AnyView {
    ().into_any()
}

fn text(words: String) -> AnyView {
    view! { <p class="panel-text"><bdi>{words}</bdi></p> }.into_any()
}

/// When a list was told, as a clock time: it stays true while the page stands still.
fn as_of(verb: &'static str, at_ms: i64, now_ms: i64) -> AnyView {
    let at = Timestamp(at_ms);
    let words = if now_ms.saturating_sub(at_ms) < SAME_DAY_MS {
        format::time_of_day(at_ms)
    } else {
        format_utc(at)
    };
    view! { <span class="panel-as-of">{verb}" "<time datetime=format_iso(at) title=format_utc(at)>{words}</time></span> }
        .into_any()
}

/// A table of the first rows, and one of the others that opens when asked; `table` gets the name for its scroll area.
fn with_more<R>(rows: &[R], shown: usize, label: &str, table: fn(&[R]) -> AnyView) -> AnyView {
    let (first, others) = rows.split_at(shown.min(rows.len()));
    let more = (!others.is_empty()).then(|| {
        let count = format::count(others.len() as u64);
        let name = format!("{label}, the rest");
        view! {
            <details class="more-rows">
                <summary>"Show "{count}" more"</summary>
                <div class="table-scroll" {..tab_stop()} role="group" aria-label=name>{table(others)}</div>
            </details>
        }
    });
    let name = format!("{label}, table");
    view! {
        <div class="table-scroll" {..tab_stop()} role="group" aria-label=name>{table(first)}</div>
        {more}
    }
    .into_any()
}

fn left_out(count: u32, words: &'static str) -> Option<AnyView> {
    (count > 0).then(|| text(format!("{} {words}", format::count(u64::from(count)))))
}

fn services(list: &Taken<UnitRow>) -> AnyView {
    if list.rows.is_empty() {
        return text("It has no services.".to_owned());
    }
    let rows = units_in_order(&list.rows);
    let failed = rows.iter().filter(|unit| is_failed(unit)).count();
    view! {
        {with_more(&rows, ROWS_SHOWN.max(failed), "Services", services_table)}
        {left_out(list.left_out, "more are not listed.")}
    }
    .into_any()
}

fn services_table(rows: &[&UnitRow]) -> AnyView {
    let rows: Vec<_> = rows
        .iter()
        .map(|unit| {
            let restarts = unit
                .restarts
                .map_or_else(|| format::UNKNOWN.to_owned(), |n| format::count(u64::from(n)));
            let title = unit.name.clone();
            view! {
                <tr>
                    <th scope="row"><span class="mono" title=title><bdi>{unit_name(unit).to_owned()}</bdi></span>
                        {unit.description.clone().map(|words| view! { <span class="of list-detail"><bdi>{words}</bdi></span> })}</th>
                    <td><StatusBadge status=unit_status(unit) text=unit_state(unit) /></td>
                    <td class="number">{restarts}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <table class="list-table services-table">
            <thead><tr><th scope="col">"Service"</th><th scope="col">"State"</th><th scope="col" class="number">"Restarts"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn processes(list: &Taken<ProcessRow>) -> AnyView {
    if list.rows.is_empty() {
        return text("The agent sees no process.".to_owned());
    }
    let rows = processes_in_order(&list.rows);
    with_more(&rows, ROWS_SHOWN, "Processes", processes_table)
}

fn processes_table(rows: &[&ProcessRow]) -> AnyView {
    let rows: Vec<_> = rows
        .iter()
        .map(|process| {
            view! {
                <tr>
                    <th scope="row" class="mono"><bdi>{process.name.clone()}</bdi></th>
                    <td class="number">{process.pid}</td>
                    <td class="number">{format::percent(process.cpu_used_ratio)}</td>
                    <td class="number">{format::bytes(process.rss_bytes as f64)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <table class="list-table processes-table">
            <thead><tr><th scope="col">"Process"</th><th scope="col" class="number">"PID"</th><th scope="col" class="number" title="100 % is one whole core">"CPU"</th><th scope="col" class="number" title="resident">"Memory"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn listening(list: &Taken<ListenerRow>, tcp_states: &[(String, u32)]) -> AnyView {
    let ports = open_ports(&list.rows);
    let table = if ports.is_empty() {
        text("Nothing listens on TCP.".to_owned())
    } else {
        with_more(&ports, ROWS_SHOWN, "Listening", ports_table)
    };
    let connections =
        connection_words(tcp_states).map(|words| text(format!("TCP connections: {words}.")));
    view! { {table}{left_out(list.left_out, "more are not listed.")}{connections} }.into_any()
}

fn ports_table(rows: &[OpenPort<'_>]) -> AnyView {
    let rows: Vec<_> = rows
        .iter()
        .map(|open| {
            let addresses: Vec<_> = open
                .addresses
                .iter()
                .map(|address| view! { <li><bdi>{(*address).to_owned()}</bdi></li> })
                .collect();
            view! {
                <tr>
                    <th scope="row" class="mono">{open.port}</th>
                    <td>{open.reach}</td>
                    <td class="mono"><ul class="list-addresses">{addresses}</ul></td>
                </tr>
            }
        })
        .collect();
    view! {
        <table class="list-table ports-table">
            <thead><tr><th scope="col">"TCP port"</th><th scope="col">"Open on"</th><th scope="col">"Addresses"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn certificates_table(list: &Taken<CertificateRow>, now_ms: i64) -> AnyView {
    let mut sorted: Vec<&CertificateRow> = list.rows.iter().collect();
    sorted.sort_by_key(|certificate| (certificate.not_after_ms, certificate.port));
    let rows: Vec<_> = sorted
        .into_iter()
        .map(|certificate| {
            let (status, words) = validity(now_ms, certificate.not_after_ms);
            let until = format_utc(Timestamp(certificate.not_after_ms));
            let subject = match certificate.subject.as_str() {
                "" => "no name".into_any(),
                name => view! { <bdi>{name.to_owned()}</bdi> }.into_any(),
            };
            let issuer = Some(certificate.issuer.clone()).filter(|name| !name.is_empty());
            let issuer = issuer
                .map(|name| view! { <span class="of list-detail">"by "<bdi>{name}</bdi></span> });
            view! {
                <tr>
                    <th scope="row">{subject}{issuer}</th>
                    <td class="number mono">{certificate.port}</td>
                    <td title=until><StatusBadge status text=words /></td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="table-scroll" {..tab_stop()} role="group" aria-label="Certificates, table">
            <table class="list-table certificates-table">
                <thead><tr><th scope="col">"Subject"</th><th scope="col" class="number">"Port"</th><th scope="col">"Valid"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"><script>alert(1)</script>";

    #[test]
    fn what_a_host_lists_never_becomes_markup() {
        let hostile = || HOSTILE.to_owned();
        let (at_ms, left_out) = (5, 1);
        let lists = NodeSections {
            now_ms: 10,
            lists: domain::fleet::Sections {
                processes: Some(Taken {
                    at_ms,
                    left_out,
                    rows: vec![ProcessRow {
                        pid: 1,
                        name: hostile(),
                        cpu_used_ratio: 0.5,
                        rss_bytes: 1,
                    }],
                }),
                units: Some(Taken {
                    at_ms,
                    left_out,
                    rows: vec![UnitRow {
                        name: hostile(),
                        active: hostile(),
                        sub: hostile(),
                        restarts: None,
                        description: Some(hostile()),
                    }],
                }),
                listeners: Some(Taken {
                    at_ms,
                    left_out,
                    rows: vec![ListenerRow {
                        address: hostile(),
                        port: 22,
                    }],
                }),
                tcp_states: vec![(hostile(), 1)],
                certificates: Some(Taken {
                    at_ms,
                    left_out,
                    rows: vec![CertificateRow {
                        port: 443,
                        subject: hostile(),
                        issuer: hostile(),
                        not_after_ms: 9,
                    }],
                }),
            },
            outcomes: Vec::new(),
        };
        let html = Owner::new().with(|| panels(&lists).to_html());
        assert_eq!(html.matches("&lt;script").count(), 9, "{html}");
        assert!(
            !html.contains("<script") && !html.contains("\"\">"),
            "{html}"
        );
    }
}
