//! What a node's page shows when the node is a server, and the servers on a host's page.

use domain::fleet::{Admission, ServerFacts, ServerState};
use leptos::prelude::*;

use super::parts::{node_badge, node_link};
use super::view::{NodeDetail, NodeRow};
use super::words::is_current;
use crate::ui::{CopyButton, Instant, Meter, Panel, tab_stop};
use crate::{format, url};

/// One line: what this server is, where it runs, where its own console is.
pub fn identity(node: &NodeDetail, server: &ServerFacts, now_ms: i64) -> AnyView {
    let product = server.product.clone().map(|product| match &server.version {
        Some(version) => format!("{product} {version}"),
        None => product,
    });
    let role = node.row.role.clone().map(|role| format!("role {role}"));
    let sub_domain = server
        .sub_domain
        .clone()
        .map(|sub_domain| format!("sub-domain {sub_domain}"));
    let offset = server
        .port_offset
        .filter(|offset| *offset > 0)
        .map(|offset| format!("port offset {offset}"));
    let pid = server.pid.map(|pid| format!("process {pid}"));
    let restarts = server
        .restarts
        .filter(|restarts| *restarts > 0)
        .map(|restarts| {
            format!(
                "restarted by itself {}",
                format::plural(u64::from(restarts), "time", "times")
            )
        });
    let parts: Vec<_> = [product, role, sub_domain, offset, pid, restarts]
        .into_iter()
        .flatten()
        .map(|part| view! { <li><bdi>{part}</bdi></li> })
        .collect();
    let started = server
        .started_at_ms
        .map(|at_ms| view! { <li>"started "<Instant at_ms now_ms /></li> });
    let copied = [("home", &server.home), ("unit", &server.unit)].map(|(what, text)| {
        text.clone().map(|text| {
            view! { <li>{what}" "<code><bdi>{text.clone()}</bdi></code><CopyButton text=text what=what /></li> }
        })
    });
    let console = server.console_url.clone().map(|console| {
        view! { <li><a href=console rel="external noreferrer" target="_blank">"Its own console"</a></li> }
    });
    view! {
        <ul class="identity" aria-label="About this node">
            <li>"on "{node_link(&node.host_node_id, &node.row.host_name)}</li>
            {parts}
            {started}
            {copied}
            {console}
        </ul>
    }
    .into_any()
}

/// How it does now.
pub fn values(node: &NodeDetail, server: &ServerFacts) -> AnyView {
    let now = &node.row.now;
    let number = |value: Option<f64>| {
        value.map_or_else(
            || format::UNKNOWN.to_owned(),
            |value| format::count(value.round() as u64),
        )
    };
    let memory = now
        .memory_used_bytes
        .map(|bytes| format!("{} resident", format::bytes(bytes)));
    let (probe, probe_note) = match (&server.probe, now.probe_ms) {
        (None, _) => ("none".to_owned(), Some("its pack asks nothing".to_owned())),
        (Some(probe), ms) => {
            let answered = ms.map_or_else(|| "no answer".to_owned(), format::millis);
            let code = probe
                .code
                .map_or_else(String::new, |code| format!("{code} · "));
            (answered, Some(format!("{code}{}", probe.url)))
        }
    };
    let ports: Vec<String> = server.ports.iter().take(8).map(u16::to_string).collect();
    let ports = (!ports.is_empty()).then(|| format!("listens at {}", ports.join(", ")));
    let items = [
        (
            "Processor",
            view! { <Meter ratio=now.cpu_used_ratio /> }.into_any(),
            vec![Some("of the whole machine".to_owned())],
        ),
        (
            "Memory",
            view! { <Meter ratio=now.memory_used_ratio limited=true /> }.into_any(),
            vec![memory],
        ),
        (
            "Health probe",
            view! { <span class="value-number">{probe}</span> }.into_any(),
            vec![probe_note],
        ),
        (
            "Connections",
            view! { <span class="value-number">{number(now.connections)}</span> }.into_any(),
            vec![ports],
        ),
        (
            "Threads",
            view! { <span class="value-number">{number(now.threads)}</span> }.into_any(),
            vec![Some(format!("{} open files", number(now.open_files)))],
        ),
    ];
    let items: Vec<_> = items
        .into_iter()
        .map(|(name, value, notes)| {
            let notes: Vec<_> = notes
                .into_iter()
                .flatten()
                .map(|note| view! { <li><bdi>{note}</bdi></li> })
                .collect();
            view! { <div class="value"><dt>{name}</dt><dd>{value}<ul class="value-notes">{notes}</ul></dd></div> }
        })
        .collect();
    let is_known = is_current(&node.row) && server.state == ServerState::Running;
    view! { <dl class="values" data-current=is_known.then_some("")>{items}</dl> }.into_any()
}

/// The servers on a host, as a table.
pub fn on_host(node: &NodeDetail) -> AnyView {
    if node.servers.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = node.servers.iter().map(server_row).collect();
    view! {
        <Panel title="Servers on this host" id="servers">
            <div class="table-scroll" {..tab_stop()} role="group" aria-label="Servers on this host, table">
                <table class="facts-table">
                    <thead><tr><th scope="col">"Status"</th><th scope="col">"Server"</th><th scope="col">"Product"</th><th scope="col">"Cluster"</th><th scope="col" class="number">"CPU"</th><th scope="col" class="number">"Memory"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}

fn server_row(row: &NodeRow) -> AnyView {
    let product = match (&row.product, &row.version) {
        (Some(product), Some(version)) => format!("{product} {version}"),
        (Some(product), None) => product.clone(),
        (None, _) => row.kind.clone(),
    };
    let percent =
        |ratio: Option<f64>| ratio.map_or_else(|| format::UNKNOWN.to_owned(), format::percent);
    let memory = row
        .now
        .memory_used_bytes
        .map_or_else(|| format::UNKNOWN.to_owned(), format::bytes);
    view! {
        <tr>
            <td>{node_badge(row)}</td>
            <th scope="row">{node_link(&row.id, &row.name)}</th>
            <td><bdi>{product}</bdi></td>
            <td><a href=url::with_query("/nodes", &[("q", &row.cluster)])><bdi>{row.cluster.clone()}</bdi></a></td>
            <td class="number">{percent(row.now.cpu_used_ratio)}</td>
            <td class="number">{memory}</td>
        </tr>
    }
    .into_any()
}

/// Whether a server that was found counts: plain forms, where somebody may say so.
pub fn admission(node: &NodeDetail) -> AnyView {
    let Some(admission) = node.admission.filter(|_| node.may_arrange) else {
        return ().into_any();
    };
    let post = |what: &str| format!("/nodes/{}/{what}", node.row.id);
    let words = match admission {
        Admission::New => {
            "This server was found, and does not count in a cluster until somebody accepts it."
        }
        Admission::Ignored => {
            "Somebody said that this server is of no interest. It is in no list and counts nowhere."
        }
        Admission::Accepted => return ().into_any(),
    };
    let ignore = (admission == Admission::New).then(|| {
        view! { <form method="post" action=post("ignore")><button class="button" type="submit">"Ignore"</button></form> }
    });
    view! {
        <div class="approval">
            <p>{words}</p>
            <form method="post" action=post("accept")>
                <button class="button button-primary" type="submit">"Accept into "<bdi>{node.row.cluster.clone()}</bdi></button>
            </form>
            {ignore}
        </div>
    }
    .into_any()
}
