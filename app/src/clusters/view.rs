//! What the clusters' pages show: plain data, made by the server, the same on both sides of hydration.

use domain::fleet::silence::{self, Scope};
use domain::fleet::{ClusterForm, ClusterKind, Liveness, RollUp, Status};
use serde::{Deserialize, Serialize};

use crate::fleet::peers::Peers;
use crate::fleet::view::{Change, Chart, Chip, ClusterCell, EventRow, FilterProblem};

/// A cluster in a list, on the overview, and at the head of its page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterSummary {
    /// Its system.
    pub system: String,
    /// What that system is for, such as "prod".
    pub environment: Option<String>,
    /// Its slug, unique in the installation.
    pub slug: String,
    /// How its nodes stand in for one another.
    pub kind: ClusterKind,
    /// Free labels.
    #[serde(default)]
    pub tags: std::collections::BTreeMap<String, String>,
    /// Status and the counts behind it, of the nodes that count.
    pub rollup: RollUp,
    /// The same in words.
    pub reason: String,
    /// Since when it has had less than it needs.
    #[serde(default)]
    pub below_since_ms: Option<i64>,
    /// Its nodes by name; none where they are too many to be told apart.
    pub cells: Vec<ClusterCell>,
    /// What runs there, the most common first.
    pub versions: Vec<VersionCount>,
    /// Mean over nodes that report.
    pub cpu_used_ratio: Option<f64>,
    /// Mean over nodes that report.
    pub memory_used_ratio: Option<f64>,
}

/// So many nodes run this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCount {
    /// Such as "Apache Tomcat".
    pub product: String,
    /// `None` where it is not known.
    pub version: Option<String>,
    /// Nodes.
    pub nodes: u32,
}

/// Nodes that fell silent together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRow {
    /// Where.
    pub scope: Scope,
    /// How many.
    pub silent: u32,
    /// Of so many.
    pub of: u32,
    /// Last report of the first of them.
    pub since_ms: i64,
}

impl SilenceRow {
    /// In words, on the reader's clock.
    pub fn sentence(&self) -> String {
        let at = crate::preferences::time_of_day(self.since_ms);
        silence::sentence(&self.scope, self.silent as usize, self.of, &at)
    }

    /// Where its nodes are listed.
    pub fn url(&self) -> String {
        match &self.scope {
            Scope::Fleet => "/nodes?status=unknown".to_owned(),
            Scope::Cluster(slug) => crate::url::with_query(
                "/nodes",
                &[("q", slug), ("status", Status::Unknown.as_str())],
            ),
        }
    }
}

/// What `/clusters` was asked to show; all of it comes from the URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClustersQuery {
    /// A filter in the language of all lists.
    pub q: String,
    /// Only this status.
    pub status: Option<Status>,
    /// Column, `-` before it for descending.
    pub sort: String,
}

/// The list of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClustersPage {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// Clusters by status, without the filter, for the pills.
    pub counts: crate::fleet::view::StatusCounts,
    /// Those that match.
    pub rows: Vec<ClusterSummary>,
    /// Without any filter.
    pub total: u32,
    /// The filter's terms, each with the filter that is left without it.
    pub chips: Vec<Chip>,
    /// Why the filter is none; the list is then shown unfiltered.
    pub filter_error: Option<FilterProblem>,
    /// What of the query was not understood, in words.
    pub notes: Vec<String>,
}

/// A cluster's page, without its charts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterDetail {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// As in the list.
    pub summary: ClusterSummary,
    /// Other clusters, to go to.
    pub siblings: Vec<String>,
    /// What was declared, as the form shows it.
    pub settings: ClusterForm,
    /// The same as the form carries it along, so that the server sees what somebody had before them; of its own making.
    pub settings_seen: String,
    /// Its notes as markup that may stand in a page; written by the server alone.
    pub notes_html: String,
    /// The console of its manager, or of whichever node has one, as (name of the node, address).
    #[serde(default)]
    pub console: Option<(String, String)>,
    /// Whoever asks may change the settings.
    pub may_change: bool,
    /// The four signals.
    pub signals: Signals,
    /// Nodes by role, in the declared order.
    pub roles: Vec<RoleGroup>,
    /// Nodes, worst first in each role, at most [`MEMBERS_MAX`].
    pub members: Vec<Member>,
    /// All nodes, those that do not count included.
    pub nodes: u32,
    /// Nodes that fell silent together.
    pub silences: Vec<SilenceRow>,
    /// The last things that happened.
    pub events: Vec<Change>,
    /// Clusters and peers outside that call it or are called by it.
    #[serde(default)]
    pub peers: Peers,
}

/// Nodes that a cluster's page lists; all of them are in the list of nodes.
pub const MEMBERS_MAX: usize = 150;

/// What a cluster does now. Values are `None` where unknown: null is never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// Traffic: TCP connections of all nodes that report.
    pub connections: Option<f64>,
    /// Errors: packets of its hosts lost to errors or dropped.
    pub lost_per_s: Option<f64>,
    /// Latency: the median over nodes of how long their health probe took.
    pub probe_ms: Option<f64>,
    /// The slowest of them.
    pub slowest: Option<NamedValue>,
    /// Saturation: the fullest resource, as (what, share).
    pub saturation: Option<(String, NamedValue)>,
}

/// A value and the node it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedValue {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// In the unit of its place.
    pub value: f64,
}

/// Nodes of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleGroup {
    /// `None`: without a role.
    pub role: Option<String>,
    /// Nodes by status, worst first.
    pub counts: Vec<(Status, u32)>,
    /// By name; none where they are too many to be told apart.
    pub cells: Vec<ClusterCell>,
}

/// A node in its cluster's table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Name of its host's node, when that is another.
    pub host_name: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Product and version.
    pub product: Option<String>,
    /// Does it count in the roll-up?
    pub counts: bool,
    /// Worst of what is known.
    pub status: Status,
    /// Whether it reports.
    pub liveness: Liveness,
    /// Why, in words.
    pub reason: Option<String>,
    /// 0..=1
    pub cpu_used_ratio: Option<f64>,
    /// 0..=1
    pub memory_used_ratio: Option<f64>,
    /// TCP connections.
    pub connections: Option<f64>,
    /// Server's wall clock at the last accepted report.
    pub last_report_at_ms: Option<i64>,
    /// First address of its host that is not loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Sub-domain of the cluster (Carbon).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_domain: Option<String>,
    /// Where its own console is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_url: Option<String>,
    /// Seconds since it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<f64>,
    /// Memory of its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Of it, what programs can still get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<f64>,
    /// Threads of a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<f64>,
}

/// A cluster's charts for one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterCharts {
    /// Start of the window.
    pub from_ms: i64,
    /// End of the window.
    pub to_ms: i64,
    /// The window in words.
    pub label: String,
    /// What was not understood, and what is not shown.
    pub notes: Vec<String>,
    /// Median with its band and named outliers.
    pub charts: Vec<Chart>,
    /// By what nodes may be shown over time, as (key, title).
    pub metrics: Vec<(String, String)>,
    /// Key of the one that is shown.
    pub metric: String,
    /// Nodes over time; `None` when nothing was measured.
    pub heatmap: Option<Heatmap>,
    /// What happened in the cluster in the window, newest first.
    pub events: Vec<EventRow>,
}

/// Steps of a heatmap's ramp.
pub const RAMP_STEPS: usize = 5;

/// Nodes over time, one value a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heatmap {
    /// Such as "Processor".
    pub title: String,
    /// One sentence for those who do not see it.
    pub summary: String,
    /// Width in cells.
    pub columns: u32,
    /// Greatest first.
    pub rows: Vec<HeatRow>,
    /// Nodes that have no row.
    pub left_out: u32,
    /// The cells of each step of the ramp, as one path in units of cells; lowest first, [`RAMP_STEPS`] of them.
    pub paths: Vec<String>,
    /// What each step stands for, such as "20 % to 40 %".
    pub steps: Vec<String>,
    /// Position 0..=1 from the left, and text.
    pub x_ticks: Vec<(f64, String)>,
}

/// A node in a heatmap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatRow {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its greatest value, as text.
    pub greatest: String,
}
