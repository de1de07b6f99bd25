//! What a node has: filesystems, interfaces, collectors. Tables of one line each, with what is known now.

use domain::fleet::{CollectorOutcome, Facts, FilesystemFact, InterfaceFact};
use domain::metric::Metric;
use leptos::prelude::*;

use super::view::NodeDetail;
use super::words::{collector_label, outcome_words};
use crate::format;
use crate::preferences::network_rate;
use crate::ui::{CopyButton, Meter, Panel, tab_stop};

impl NodeDetail {
    /// Latest value of a series.
    pub fn latest_of(&self, metric: Metric, instance: &str) -> Option<f64> {
        self.latest
            .iter()
            .find(|value| value.metric == metric && value.instance == instance)
            .map(|value| value.value)
    }
}

fn or_unknown(value: Option<f64>, format: fn(f64) -> String) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), format)
}

/// Filesystems, fullest first.
pub fn filesystems(node: &NodeDetail, facts: &Facts) -> AnyView {
    if facts.filesystems.is_empty() {
        return ().into_any();
    }
    let used = |fs: &FilesystemFact| node.latest_of(Metric::FilesystemUsedRatio, &fs.mount_point);
    let mut sorted: Vec<&FilesystemFact> = facts.filesystems.iter().collect();
    sorted.sort_by(|a, b| used(b).unwrap_or(-1.0).total_cmp(&used(a).unwrap_or(-1.0)));
    let rows: Vec<_> = sorted.into_iter().map(|fs| filesystem(node, fs)).collect();
    view! {
        <Panel title="Filesystems" id="filesystems">
            <div class="table-scroll" {..tab_stop()} role="group" aria-label="Filesystems, table">
                <table class="facts-table">
                    <thead><tr><th scope="col">"Mounted at"</th><th scope="col">"Used"</th><th scope="col" class="number">"Free"</th><th scope="col" class="number">"Size"</th><th scope="col" class="number">"Inodes"</th><th scope="col">"Device"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}

fn filesystem(node: &NodeDetail, fs: &FilesystemFact) -> AnyView {
    let of = |metric| node.latest_of(metric, &fs.mount_point);
    view! {
        <tr>
            <th scope="row" class="mono"><bdi>{fs.mount_point.clone()}</bdi></th>
            <td><Meter ratio=of(Metric::FilesystemUsedRatio) limited=true /></td>
            <td class="number">{or_unknown(of(Metric::FilesystemFreeBytes), format::bytes)}</td>
            <td class="number">{format::bytes(fs.size_bytes as f64)}</td>
            <td class="number">{or_unknown(of(Metric::FilesystemInodesUsedRatio), format::percent)}</td>
            <td class="mono of"><bdi>{fs.device.clone()}</bdi>" · "<bdi>{fs.kind.clone()}</bdi>{fs.read_only.then_some(" · read-only")}</td>
        </tr>
    }
    .into_any()
}

/// Interfaces as the host names them.
pub fn interfaces(node: &NodeDetail, facts: &Facts) -> AnyView {
    if facts.interfaces.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = facts
        .interfaces
        .iter()
        .map(|interface| interface_row(node, interface))
        .collect();
    view! {
        <Panel title="Network interfaces" id="interfaces">
            <div class="table-scroll" {..tab_stop()} role="group" aria-label="Network interfaces, table">
                <table class="facts-table">
                    <thead><tr><th scope="col">"Interface"</th><th scope="col" class="number">"Received"</th><th scope="col" class="number">"Sent"</th><th scope="col" class="number">"Errors"</th><th scope="col" class="number">"Dropped"</th><th scope="col">"Addresses"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}

fn interface_row(node: &NodeDetail, interface: &InterfaceFact) -> AnyView {
    let of = |metric| node.latest_of(metric, &interface.name);
    let speed = interface
        .speed_mbit
        .map(|mbit| format::bits_per_s(f64::from(mbit) * 125_000.0));
    let addresses: Vec<_> = interface
        .addresses
        .iter()
        .map(|address| view! { <span class="address"><bdi>{address.clone()}</bdi><CopyButton text=address.clone() what="address" /></span> })
        .collect();
    view! {
        <tr>
            <th scope="row" class="mono"><bdi>{interface.name.clone()}</bdi>{speed.map(|speed| view! { <span class="of">{speed}</span> })}</th>
            <td class="number">{or_unknown(of(Metric::NetworkReceiveBytesPerS), network_rate)}</td>
            <td class="number">{or_unknown(of(Metric::NetworkTransmitBytesPerS), network_rate)}</td>
            <td class="number">{or_unknown(of(Metric::NetworkErrorsPerS), format::per_s)}</td>
            <td class="number">{or_unknown(of(Metric::NetworkDropsPerS), format::per_s)}</td>
            <td class="mono">{addresses}</td>
        </tr>
    }
    .into_any()
}

/// What was asked of the host, how long that took and how it ended.
pub fn collectors(outcomes: &[CollectorOutcome]) -> AnyView {
    if outcomes.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = outcomes.iter().map(collector).collect();
    view! { <Panel title="Collectors" id="collectors"><ul class="collectors">{rows}</ul></Panel> }
        .into_any()
}

fn collector(outcome: &CollectorOutcome) -> AnyView {
    let (state, words) = outcome_words(outcome);
    view! {
        <li class="collector" data-state=state>
            <span class="collector-name">{collector_label(outcome.collector)}</span>
            <span class="collector-outcome"><bdi>{words}</bdi></span>
            <span class="collector-duration">{format::duration_us(outcome.duration_us)}</span>
        </li>
    }
    .into_any()
}
