//! What the map shows: plain data, made by the server, the same on both sides of hydration.

use domain::fleet::Status;
use domain::topology::EdgeState;
use serde::{Deserialize, Serialize};

use crate::fleet::view::StatusCounts;

/// Which of the three views of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Boxes and edges.
    #[default]
    Graph,
    /// Every node, no edges.
    Cells,
    /// Edges and nodes as tables.
    Table,
}

/// Whom a focus reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Who calls and who is called.
    #[default]
    Both,
    /// Only who calls: what depends on it.
    Callers,
}

/// What cells are coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// Shape and colour of the status.
    #[default]
    Status,
    /// Processor: seven steps.
    Cpu,
    /// Memory: seven steps.
    Memory,
    /// The fullest filesystem: seven steps.
    Disk,
    /// Product and version: the six most frequent, and all others.
    Version,
    /// Time since the last report, in intervals: seven steps.
    Age,
}

/// What clusters are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Each by itself, where that is not too much.
    #[default]
    Auto,
    /// Their systems.
    System,
    /// What their systems are for.
    Environment,
    /// The value that most of their nodes have for this tag.
    Tag(String),
}

/// What `/topology` was asked to show; all of it comes from the URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TopologyQuery {
    /// Graph, cells or table.
    pub view: View,
    /// Only this system; empty for all.
    pub system: String,
    /// Slug of the cluster in focus; empty for none.
    pub focus: String,
    /// How many edges away from the focus still counts, 1 to 3.
    pub depth: u8,
    /// In which direction.
    pub reach: Reach,
    /// Only clusters with problems, and those they talk to.
    pub only_problems: bool,
    /// Dims what does not match.
    pub find: String,
    /// Takes away what matches; words.
    pub hide: String,
    /// Percent of natural size; 0 fits the page.
    pub zoom: u16,
    /// What cells are coloured by.
    pub color: Color,
    /// What clusters are grouped by.
    pub group: Group,
    /// Only clusters of this group; empty for all.
    pub within: String,
    /// As it was then; `None` for now.
    pub at_ms: Option<i64>,
    /// For a wall: where nodes would be too small to see, clusters without them.
    pub plain: bool,
    /// What of the URL was not understood, such as `view=3d`.
    pub strange: Vec<String>,
}

/// The map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopologyPage {
    /// Server's wall clock when this was made.
    pub now_ms: i64,
    /// What was asked.
    pub query: TopologyQuery,
    /// All systems, by name.
    pub systems: Vec<String>,
    /// Tags that clusters can be grouped by.
    pub tags: Vec<String>,
    /// What the colours of cells mean, in their order; empty for the status.
    pub scale: Vec<String>,
    /// What is shown is the past, and what of it is not known.
    pub past: Option<String>,
    /// Nodes that are shown, by status.
    pub counts: StatusCounts,
    /// In reading order: from left to right, then down.
    pub boxes: Vec<MapBox>,
    /// Neutral ones first, so that faults are drawn above.
    pub edges: Vec<MapEdge>,
    /// Their widths tell what goes over them, else how many connections they are.
    pub is_width_rate: bool,
    /// What the drawing covers.
    pub area: Area,
    /// What is hidden, folded or was not understood, in words.
    pub notes: Vec<String>,
    /// Hosts that tell their connections.
    pub hosts_telling: u32,
    /// All hosts.
    pub hosts: u32,
    /// The cluster in focus.
    pub focus: Option<FocusPanel>,
    /// Edges as a table; filled for that view only.
    pub edge_rows: Vec<EdgeRow>,
    /// Nodes as a table; filled for that view only.
    pub node_rows: Vec<NodeLine>,
    /// Whoever asks may move boxes.
    pub may_arrange: bool,
    /// The map was tidied, and may be as it was.
    pub may_undo: bool,
}

/// What the drawing covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Leftmost point.
    pub left: i32,
    /// Topmost point.
    pub top: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxKind {
    /// A cluster.
    Cluster,
    /// All clusters of a group, such as a system.
    Group,
    /// Peers outside of the fleet.
    External,
    /// A cluster that had nodes a day ago and has none now.
    Ghost,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapBox {
    /// Slug of the cluster, `ext:…`, or name of the group.
    pub key: String,
    /// What it stands for.
    pub kind: BoxKind,
    /// As written in it.
    pub label: String,
    /// Its system.
    pub system: String,
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
    /// What its nodes add up to: the worst that is not masked, capped while enough are available.
    pub status: Status,
    /// Its nodes by status.
    pub counts: StatusCounts,
    /// What it mostly does.
    pub glyph: Glyph,
    /// Nodes that are not OK.
    pub problems: u32,
    /// Nodes.
    pub total: u32,
    /// The status and counts in words.
    pub summary: String,
    /// Boxes that call it.
    pub used_by: u32,
    /// Boxes that it calls.
    pub depends_on: u32,
    /// Not what is looked for.
    pub is_dimmed: bool,
    /// In focus.
    pub is_focus: bool,
    /// Somebody put it there.
    pub is_pinned: bool,
    /// Nodes that are not drawn, in words.
    pub more: Option<String>,
    /// Where those words begin.
    pub more_at: (i32, i32),
    /// Its nodes are drawn as one bar, by status.
    pub has_bar: bool,
    /// Its nodes, by name.
    pub cells: Vec<MapCell>,
}

/// What a cluster mostly does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Glyph {
    /// Nothing is known of it but its hosts.
    #[default]
    Hosts,
    /// Passes requests on.
    Edge,
    /// Answers them.
    App,
    /// Carries messages, or keeps them at hand.
    Broker,
    /// Keeps data.
    Database,
    /// Outside of the fleet.
    Outside,
}

/// A node as a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapCell {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Status.
    pub status: Status,
    /// Its colour, from 1, where cells are not coloured by status; `None`: it is not known.
    pub tint: Option<u8>,
    /// What that colour stands for, in words.
    pub value: Option<String>,
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// Not what is looked for.
    pub is_dimmed: bool,
}

/// Connections between two boxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapEdge {
    /// Key of the box where they are opened.
    pub from: String,
    /// Key of the box where they are accepted.
    pub to: String,
    /// From, to, ports, connections and rate in words.
    pub label: String,
    /// Ports, connections and rate, short enough to stand between two boxes.
    pub short: String,
    /// What is drawn, as a path says it.
    pub path: String,
    /// The middle of what a fault's sign or the whole words may cover.
    pub middle: (i32, i32),
    /// The middle of `short`; `None` where that has no room.
    pub short_at: Option<(i32, i32)>,
    /// 1 to 5.
    pub width_step: u8,
    /// Seen, stale or declared.
    pub state: EdgeState,
    /// How bad its failures are.
    pub trouble: Option<Status>,
    /// It touches the focus: its label stands on the map.
    pub is_selected: bool,
    /// Goes from right to left.
    pub is_back: bool,
    /// Not what is looked for.
    pub is_dimmed: bool,
}

/// The cluster in focus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FocusPanel {
    /// Its slug.
    pub cluster: String,
    /// Its system.
    pub system: String,
    /// What its nodes add up to.
    pub status: Status,
    /// Status and counts in words.
    pub summary: String,
    /// Connections that others open to it; `None` when none are seen.
    pub accepted: Option<u32>,
    /// Connections that it opens.
    pub opened: Option<u32>,
    /// Its nodes, worst first; of many the first.
    pub cards: Vec<NodeCard>,
    /// So many more nodes it has.
    pub cards_more: u32,
    /// Other clusters of the fleet, for a form.
    pub others: Vec<String>,
    /// Who calls it.
    pub used_by: Vec<Neighbour>,
    /// Whom it calls.
    pub depends_on: Vec<Neighbour>,
    /// Clusters that need it, however far away.
    pub dependants: u32,
    /// Somebody put it where it stands.
    pub is_pinned: bool,
}

/// A node of the cluster in focus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCard {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Status.
    pub status: Status,
    /// Why it is so, else the value that is nearest to its limit.
    pub words: String,
}

/// A neighbour of the cluster in focus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Slug, or the peer outside.
    pub name: String,
    /// It is a cluster that can be put in focus.
    pub is_cluster: bool,
    /// Its status, when it is a cluster.
    pub status: Option<Status>,
    /// Port, connections and rate in words.
    pub words: String,
    /// How bad its failures are.
    pub trouble: Option<Status>,
    /// Seen, stale or declared.
    pub state: EdgeState,
    /// Ports at which somebody declared it.
    pub declared: Vec<u16>,
}

/// An edge in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// Slug, or the peer outside.
    pub from: String,
    /// `from` is a cluster.
    pub from_cluster: bool,
    /// Slug, or the peer outside.
    pub to: String,
    /// `to` is a cluster.
    pub to_cluster: bool,
    /// Somebody declared it.
    pub is_declared: bool,
    /// Where connections are accepted.
    pub port: u16,
    /// Connections; `None` when none are seen now.
    pub connections: Option<u32>,
    /// Of them without an answer or with retransmissions.
    pub failing: u32,
    /// Bytes a second over them, both ways together; `None` where it is not known.
    pub bytes_per_s: Option<u64>,
    /// Seen, stale or declared.
    pub state: EdgeState,
    /// How bad its failures are.
    pub trouble: Option<Status>,
    /// First sight.
    pub first_seen_at_ms: Option<i64>,
    /// Last sight.
    pub last_seen_at_ms: Option<i64>,
}

/// A node in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// Public id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its cluster.
    pub cluster: String,
    /// `host`, or the pack's name.
    pub kind: String,
    /// Role in the cluster.
    pub role: Option<String>,
    /// Status.
    pub status: Status,
    /// What its colour stands for, where cells are not coloured by status.
    pub value: Option<String>,
}
