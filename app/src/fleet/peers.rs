//! Who calls a cluster or a node, and whom it calls.

use domain::fleet::Status;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ui::{Panel, StatusMark, tab_stop};

/// Both directions, faults first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Peers {
    /// Who opens connections to it.
    pub used_by: Vec<Peer>,
    /// To whom it opens them.
    pub depends_on: Vec<Peer>,
}

/// One peer at one port, in words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, or its address where it is outside.
    pub name: String,
    /// Its page, or its list.
    pub href: Option<String>,
    /// How its connections do, where some fail.
    pub trouble: Option<Status>,
    /// Port, connections, rate, state, last seen.
    pub cells: Vec<String>,
}

/// Two tables.
pub fn peers(peers: &Peers) -> AnyView {
    [
        (
            "Used by",
            "used-by",
            &peers.used_by,
            "Nobody was seen calling it.",
        ),
        (
            "Depends on",
            "depends-on",
            &peers.depends_on,
            "It was not seen calling anybody.",
        ),
    ]
    .map(|(title, id, rows, none)| table(title, id, rows, none))
    .into_any()
}

fn table(title: &'static str, id: &'static str, rows: &[Peer], none: &'static str) -> AnyView {
    if rows.is_empty() {
        return view! { <Panel title id><p class="panel-text">{none}</p></Panel> }.into_any();
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|peer| {
            let cells: Vec<_> = peer
                .cells
                .iter()
                .map(|cell| view! { <td>{cell.clone()}</td> })
                .collect();
            let mark = peer.trouble.map(|status| view! { <StatusMark status /> });
            view! { <tr><th scope="row">{mark}<a class="node-link" href=peer.href.clone()><bdi>{peer.name.clone()}</bdi></a></th>{cells}</tr> }
        })
        .collect();
    view! {
        <Panel title id>
            <div class="table-scroll" {..tab_stop()} role="group" aria-label=title>
                <table class="peers-table">
                    <thead><tr><th scope="col">"Name"</th><th scope="col">"Port"</th><th scope="col">"Connections"</th><th scope="col">"Rate"</th><th scope="col">"State"</th><th scope="col">"Last seen"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}
