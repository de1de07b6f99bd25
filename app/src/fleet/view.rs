//! What the fleet's pages show: plain data, made by the server, the same on both sides of hydration.

use domain::fleet::{Admission, CollectorOutcome, Facts, Liveness, Sections, ServerFacts, Status};
use domain::metric::{Gap, Metric};
use serde::{Deserialize, Serialize};

use crate::clusters::view::{
    ClusterDetail, ClusterSummary, ClustersPage, ClustersQuery, SilenceRow,
};
use crate::events::view::EventsQuery;
use crate::fleet::peers::Peers;
use crate::topology::view::{TopologyPage, TopologyQuery};

/// One node in a list, and the head of its page. Values are `None` where unknown: null is never zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Public id (`n…`).
    pub id: String,
    /// Name given by a person, else the host name.
    pub name: String,
    /// Kernel host name.
    pub hostname: String,
    /// `host`, or a product pack's name.
    pub kind: String,
    /// System slug.
    pub system: String,
    /// Cluster slug.
    pub cluster: String,
    /// Role in the cluster.
    pub role: Option<String>,
    /// Product found there, such as "Apache Tomcat".
    pub product: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Sub-domain of its cluster (Carbon).
    pub sub_domain: Option<String>,
    /// Name of the node of its host; its own name for a host.
    pub host_name: String,
    /// First address of its host that is not loopback.
    pub address: Option<String>,
    /// Where its own console is.
    pub console_url: Option<String>,
    /// Free labels.
    pub tags: std::collections::BTreeMap<String, String>,
    /// Does it count in its cluster's roll-up? A host with servers of its own does not.
    pub counts: bool,
    /// Worst of what is known.
    pub status: Status,
    /// Whether it reports.
    pub liveness: Liveness,
    /// Why status and liveness are what they are, in words; `None` when all is well.
    pub reason: Option<String>,
    /// Server's wall clock at the last accepted report.
    pub last_report_at_ms: Option<i64>,
    /// Since when it is not fine, by the server's wall clock; for the server alone.
    #[serde(skip)]
    pub since_ms: Option<i64>,
    /// Seconds between reports as configured.
    pub interval_s: u32,
    /// Latest values.
    pub now: Headline,
}

/// A node's latest values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// 0..=1 of all processors.
    pub cpu_used_ratio: Option<f64>,
    /// 0..=1
    pub memory_used_ratio: Option<f64>,
    /// Fullest filesystem: 0..=1
    pub disk_used_ratio: Option<f64>,
    /// Where the fullest filesystem is mounted.
    pub disk_mount_point: Option<String>,
    /// Sum over interfaces but loopback.
    pub network_receive_bytes_per_s: Option<f64>,
    /// Sum over interfaces but loopback.
    pub network_transmit_bytes_per_s: Option<f64>,
    /// One minute.
    pub load1: Option<f64>,
    /// Processors online, to read the load by.
    pub cpu_count: Option<u32>,
    /// Seconds since boot, or since the server's process began.
    pub uptime_s: Option<f64>,
    /// Memory installed in the host.
    pub memory_total_bytes: Option<u64>,
    /// Memory of the host that programs can still get.
    pub memory_available_bytes: Option<f64>,
    /// Resident memory of a server's processes.
    pub memory_used_bytes: Option<f64>,
    /// Threads of a server.
    pub threads: Option<f64>,
    /// Open files of a server.
    pub open_files: Option<f64>,
    /// How long a server's health probe took.
    pub probe_ms: Option<f64>,
    /// TCP connections: of a server, or of the host.
    pub connections: Option<f64>,
}

/// Nodes by status, worst first; statuses without nodes are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusCounts(pub Vec<(Status, u32)>);

/// The overview.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// The one system that is shown; of all of them when there is none.
    pub of: Option<SystemRow>,
    /// All nodes that count, by status.
    pub counts: StatusCounts,
    /// What is nearly full although no status tells it, such as "disk above 95 % on 1 host", each with the filter that
    /// lists it.
    #[serde(default)]
    pub full: Vec<(String, String)>,
    /// What is wrong, one line a finding, worst first, at most 20.
    pub attention: Vec<Attention>,
    /// Findings beyond those 20.
    pub attention_more: u32,
    /// Systems, when there are several.
    pub systems: Vec<SystemRow>,
    /// Clusters that have nodes, worst first.
    pub clusters: Vec<ClusterSummary>,
    /// The five fullest filesystems, highest memory and processor use.
    pub capacity: Capacity,
    /// The last things that happened.
    pub events: Vec<Change>,
}

/// One finding under "needs attention".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// Many nodes fell silent together: one line for all of them.
    Silence(SilenceRow),
    /// A cluster that does not have what it needs.
    Cluster {
        /// Its slug.
        slug: String,
        /// How it is.
        status: Status,
        /// Why.
        reason: String,
    },
    /// A node.
    Node(AttentionRow),
}

/// A node under "needs attention".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionRow {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Cluster slug.
    pub cluster: String,
    /// Worst of what is known.
    pub status: Status,
    /// Whether it reports.
    pub liveness: Liveness,
    /// Why.
    pub reason: Option<String>,
    /// Since when, by the server's wall clock.
    pub since_ms: Option<i64>,
}

/// A system on the overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRow {
    /// Its slug.
    pub slug: String,
    /// What it is for, such as "prod".
    pub environment: Option<String>,
    /// Worst of its clusters that is not masked.
    pub status: Status,
    /// Why, in words.
    pub reason: String,
}

/// A node as one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterCell {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Status.
    pub status: Status,
}

/// Where the fleet is nearest to its limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Fullest filesystems first.
    pub disks: Vec<CapacityRow>,
    /// Highest memory use first.
    pub memory: Vec<CapacityRow>,
    /// Highest processor use first.
    pub cpu: Vec<CapacityRow>,
}

/// One line of [`Capacity`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapacityRow {
    /// Public id of the node.
    pub id: String,
    /// Name of the node.
    pub name: String,
    /// Mount point, for disks.
    pub instance: String,
    /// 0..=1
    pub ratio: f64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Sequence number in the log.
    pub seq: i64,
    /// Server's wall clock.
    pub at_ms: i64,
    /// Who: a user's name, a host's, `server`, `command line`.
    pub actor: String,
    /// Node of the host whose agent it was, where it still is one.
    #[serde(default)]
    pub actor_node_id: Option<String>,
    /// What, past tense, such as "node enrolled".
    pub verb: String,
    /// To what, in words.
    pub subject: String,
    /// Node to link to.
    pub node_id: Option<String>,
}

/// A line under "what changed": one thing that happened, or many of one kind that followed each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The newest.
    pub event: EventRow,
    /// How many.
    pub count: u32,
    /// There may be more, older ones.
    pub is_cut: bool,
    /// When the first of them happened.
    pub first_at_ms: i64,
    /// To how many different things.
    pub objects: u32,
    /// All of them were done by the same.
    pub is_of_one_actor: bool,
}

/// What `/nodes` was asked to show; all of it comes from the URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodesQuery {
    /// In the filter language of `domain::filter`.
    pub q: String,
    /// Keys of columns, `-` before one for descending, the first counts most: `-cpu,name`.
    pub sort: String,
    /// Rows a page: 25, 100 or 500.
    pub per: u32,
    /// Page, from 1.
    pub page: u32,
    /// Keys of columns; empty: those of `view`.
    #[serde(default)]
    pub cols: String,
    /// Key of a set of columns; `all`: everything, whatever the reader's default view says.
    #[serde(default)]
    pub view: String,
}

/// A page of the nodes list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodesPage {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// What is shown: the URL's query, or the reader's default view where the URL says nothing.
    pub query: NodesQuery,
    /// All nodes by status, without the filter.
    pub counts: StatusCounts,
    /// This page's rows.
    pub rows: Vec<NodeRow>,
    /// Rows that match on all pages.
    pub matching: u32,
    /// Of those that match, hosts whose servers count in their place.
    #[serde(default)]
    pub uncounted: u32,
    /// Rows without any filter.
    pub total: u32,
    /// What of the query was not understood, in words.
    pub notes: Vec<String>,
    /// The filter's terms, each with the filter that is left without it.
    pub chips: Vec<Chip>,
    /// Why the filter is none; the list is then shown unfiltered.
    pub filter_error: Option<FilterProblem>,
    /// Filters at hand, with what they would show.
    pub pills: Vec<Pill>,
    /// Menus that write the filter.
    pub facets: Vec<Facet>,
    /// Of each number column that is shown, over all rows that match.
    pub totals: Vec<Total>,
    /// Processor use of the last half hour by node, oldest first, in percent, a value a minute; only where it is shown.
    pub recent_cpu: std::collections::BTreeMap<String, Vec<Option<u8>>>,
    /// Views that the reader may choose; not in what comes over the live line.
    pub views: Vec<SavedView>,
    /// In the browser: rows changed places while somebody was in the table, and kept theirs.
    #[serde(default)]
    pub order_kept: bool,
}

/// One term of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chip {
    /// As in the filter.
    pub text: String,
    /// The filter without it.
    pub without: String,
}

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterProblem {
    /// The text in front of what is not understood.
    pub before: String,
    /// What is not understood; may be empty.
    pub token: String,
    /// The text behind.
    pub after: String,
    /// The whole text without the term.
    pub without: String,
    /// What is wrong, and the way out.
    pub message: String,
}

/// A filter at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pill {
    /// What it shows.
    pub label: String,
    /// Whose mark it wears.
    pub status: Option<Status>,
    /// Nodes of the whole fleet that it would show.
    pub count: u32,
    /// The filter it writes.
    pub q: String,
    /// Is it what is shown?
    pub is_on: bool,
}

/// A menu of one property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facet {
    /// Its key in the filter.
    pub key: String,
    /// Heading.
    pub label: String,
    /// Its values, the most frequent first.
    pub options: Vec<FacetOption>,
    /// Values beyond those.
    pub more: u32,
}

/// One value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetOption {
    /// The value.
    pub value: String,
    /// Nodes that have it, among those the rest of the filter lets through.
    pub count: u32,
    /// The filter with it, or without it where it is on.
    pub q: String,
    /// Does the filter ask for it?
    pub is_on: bool,
}

/// A column's numbers in three.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Key of the column.
    pub column: String,
    /// Half are at most this.
    pub median: f64,
    /// Of a hundred, 95 are at most this.
    pub p95: f64,
    /// Greatest.
    pub max: f64,
    /// Rows with a number.
    pub count: u32,
}

/// What became of a change of many nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkReport {
    /// What was to be done, in words.
    pub title: String,
    /// The list it came from.
    pub back: NodesQuery,
    /// The form's button, to try again.
    pub action: String,
    /// The form's field.
    pub tag: String,
    /// The form's field.
    pub cluster: String,
    /// Each node, what failed first.
    pub rows: Vec<BulkRow>,
}

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRow {
    /// Public id; empty where there is no such node.
    pub id: String,
    /// Name.
    pub name: String,
    /// How it ended.
    pub outcome: BulkOutcome,
    /// What was done, or why not.
    pub words: String,
}

/// How a change of one node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BulkOutcome {
    /// It was not done.
    Failed,
    /// It was.
    Done,
    /// There was nothing to do.
    Unchanged,
}

/// A list's URL with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedView {
    /// Public id.
    pub id: String,
    /// Given by a person.
    pub name: String,
    /// What it shows.
    pub query: NodesQuery,
    /// For everybody?
    pub is_shared: bool,
    /// Is it what the reader sees when nothing is said?
    pub is_default: bool,
    /// May the reader delete it?
    pub may_delete: bool,
}

/// A node's page, without its charts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeDetail {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// The row as in the list.
    pub row: NodeRow,
    /// Facts as last told; `None` until they were.
    pub facts: Option<Facts>,
    /// Each collector's last run.
    pub collectors: Vec<CollectorOutcome>,
    /// Latest value of every series.
    pub latest: Vec<LatestValue>,
    /// Wall clock of the host minus the server's.
    pub clock_skew_ms: Option<i64>,
    /// When it was enrolled.
    pub enrolled_at_ms: i64,
    /// The server, when the node is one.
    pub server: Option<ServerFacts>,
    /// What was decided about the server.
    pub admission: Option<Admission>,
    /// Node of its host; its own id for a host.
    pub host_node_id: String,
    /// Servers found on a host.
    pub servers: Vec<NodeRow>,
    /// Name that a person gave.
    pub given_name: Option<String>,
    /// What people wrote down about it, in Markdown.
    pub notes: String,
    /// The same as markup that may stand in a page; written by the server alone.
    pub notes_html: String,
    /// Changes with its tags and notes.
    pub labels_version: String,
    /// Whoever asks may say where it belongs.
    pub may_arrange: bool,
    /// It waits for review, and whoever asks may say yes.
    pub may_approve: bool,
    /// The last things that happened to it.
    pub events: Vec<Change>,
    /// Who calls it, and whom it calls.
    #[serde(default)]
    pub peers: Peers,
}

/// What was found and waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbox {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// Servers that wait, and hosts that ask for review, oldest first.
    pub waiting: Vec<InboxItem>,
    /// Servers that somebody ignores.
    pub ignored: Vec<InboxItem>,
    /// Whoever asks may decide.
    pub may_arrange: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxItem {
    /// As in lists.
    pub row: NodeRow,
    /// When it was found or enrolled.
    pub found_at_ms: i64,
    /// Cluster that its own configuration names.
    pub suggested_cluster: Option<String>,
    /// Somebody said that it is of no interest.
    pub is_ignored: bool,
}

/// What a node's host told in lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSections {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// The lists, each with its time; `None` for what was never told.
    pub lists: Sections,
    /// Last runs of the collectors that read them: why one is missing.
    pub outcomes: Vec<CollectorOutcome>,
}

/// Latest value of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatestValue {
    /// Which metric.
    pub metric: Metric,
    /// Mount point, device or interface; empty for none.
    pub instance: String,
    /// In the metric's unit.
    pub value: f64,
}

/// The window that charts show; from `range=1h` or `from=…Z&to=…Z`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeQuery {
    /// `15m`, `1h`, `6h`, `24h`, `7d` …; empty: `1h`.
    pub range: String,
    /// Absolute, ISO 8601 or ms; wins over `range` together with `to`.
    pub from: String,
    /// Absolute, exclusive.
    pub to: String,
    /// `1d` or `7d`: the same window so much earlier is drawn behind.
    #[serde(default)]
    pub vs: String,
    /// What a cluster's nodes are shown over time by: the key of one of its charts; empty: the processor.
    #[serde(default)]
    pub metric: String,
    /// Networks in bytes; of the reader's preferences, not of the URL.
    #[serde(default)]
    pub network_bytes: bool,
    /// Minutes east of UTC that axes are written by; of the reader's preferences.
    #[serde(default)]
    pub zone_minutes: i32,
}

/// All charts of a node for one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChartSet {
    /// Start of the window.
    pub from_ms: i64,
    /// End of the window.
    pub to_ms: i64,
    /// The window in words, such as "last hour".
    pub label: String,
    /// What of the query was not understood, in words.
    pub notes: Vec<String>,
    /// In reading order.
    pub charts: Vec<Chart>,
    /// What happened to the node in the window, newest first.
    pub events: Vec<EventRow>,
}

/// One chart, drawn by the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Stable key, such as `cpu`; also the fragment id.
    pub key: String,
    /// Heading, such as "Processor".
    pub title: String,
    /// Unit as on the axis, such as "%" or "MiB/s".
    pub unit: String,
    /// One sentence for screen readers: now, least, greatest, gaps.
    pub summary: String,
    /// Lines in drawing order with their legend; `None` latest means unknown now.
    pub series: Vec<ChartSeries>,
    /// Marks only: the inside of an `<svg viewBox="0 0 2000 800" preserveAspectRatio="none">`. Written by the server
    /// from numbers alone; never contains text that came from a host.
    pub marks: String,
    /// Position 0..=1 from the top, and text.
    pub y_ticks: Vec<(f64, String)>,
    /// Position 0..=1 from the left, and text.
    pub x_ticks: Vec<(f64, String)>,
    /// Gaps that are drawn as hatched bands.
    pub gaps: Vec<Gap>,
    /// Seconds from point to point.
    pub step_s: u32,
    /// Nothing was ever measured here, and why (for example no swap).
    pub absent: Option<String>,
}

/// A line in a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChartSeries {
    /// Legend, such as "user" or a mount point.
    pub label: String,
    /// 1..=6: `--series-N` and its dash pattern.
    pub color: u8,
    /// Latest value as text with unit.
    pub latest: Option<String>,
    /// Least and greatest in the window, as text.
    pub range: Option<(String, String)>,
}

/// What a page follows live.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "topic")]
pub enum LiveTopic {
    /// One node's page: its host then reports every second.
    Node {
        /// Public id.
        id: String,
    },
    /// The overview.
    Overview {
        /// Of this system alone.
        #[serde(default)]
        system: Option<String>,
    },
    /// The list, as it is shown.
    Nodes {
        /// The page's query.
        query: NodesQuery,
    },
    /// The list of clusters, as it is shown.
    Clusters {
        /// The page's query.
        query: ClustersQuery,
    },
    /// One cluster's page.
    Cluster {
        /// Its slug.
        slug: String,
    },
    /// How much happened since the list of events was made.
    Events {
        /// The page's query.
        query: EventsQuery,
        /// Number of the last event that the page knows of.
        after_seq: i64,
    },
    /// The map, as it is shown.
    Topology {
        /// The page's query.
        query: TopologyQuery,
    },
}

/// From the page to the server over the live connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LiveRequest {
    /// Follow this (instead of what was followed before).
    Follow {
        /// What.
        topic: LiveTopic,
    },
    /// Still here; the server answers with a heartbeat.
    Ping,
}

/// The data of what a page follows. Its name comes first: a tag that might stand behind what it tags would have to be read
/// by code of its own for every page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveUpdate {
    /// For [`LiveTopic::Node`].
    Node(Box<NodeDetail>),
    /// For [`LiveTopic::Overview`].
    Overview(Box<Overview>),
    /// For [`LiveTopic::Nodes`].
    Nodes(Box<NodesPage>),
    /// For [`LiveTopic::Clusters`].
    Clusters(Box<ClustersPage>),
    /// For [`LiveTopic::Cluster`].
    Cluster(Box<ClusterDetail>),
    /// For [`LiveTopic::Events`]: so many that match came after.
    NewEvents(u32),
    /// For [`LiveTopic::Topology`].
    Topology(Box<TopologyPage>),
}
