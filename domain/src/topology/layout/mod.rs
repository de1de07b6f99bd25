//! Where the map draws each cluster: layers from left to right, along the direction in which connections are opened.
//!
//! Boxes that have a stored position stay there; new ones are slotted in beside those they talk to. Without stored
//! positions the whole map is laid out: cycles are broken by marked back edges, a box stands right of all that call it,
//! crossings are reduced by medians, and boxes stand level with their neighbours. Edges go around boxes, through the room
//! that they leave. Only whole numbers, so that the same
//! input gives the same bytes on every machine. Why not a crate: `docs/adr/0007-topology-layout.md`.

mod free;
mod label;
mod lane;
mod order;
mod place;
mod rank;
mod route;

pub use label::{LABEL_HEIGHT, halfway, labels};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Side of a cell.
pub const CELL: i32 = 20;
/// From one cell to the next.
pub const PITCH: i32 = 24;
/// Height of a box above its cells.
pub const HEADER: i32 = 32;
/// Between the frame of a box and what is in it.
pub const PADDING: i32 = 8;
/// A box is never narrower: its name wants room.
pub const WIDTH_MIN: i32 = 176;
/// Columns of cells in a box.
const COLUMNS_MAX: u32 = 40;
/// Between the layers, for edges.
pub const LAYER_GAP: i32 = 96;
/// Between boxes of a layer.
pub const BOX_GAP: i32 = 24;
/// Boxes without edges stand in rows about that wide.
const ROW_WIDTH: i32 = 1_200;

/// Upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// To the right.
    pub x: i32,
    /// Down.
    pub y: i32,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxIn {
    /// Its slug.
    pub key: String,
    /// Where its kind usually stands, such as 0 for clients and 4 for databases; decides which edge of a cycle is the
    /// one that goes back.
    pub tier: Option<u8>,
    /// Cells drawn in it.
    pub cells: u32,
    /// Where it stands already. Of a box that stood without edges and has some now, its place says nothing: leave it out.
    pub position: Option<Position>,
    /// Somebody put it there.
    pub is_pinned: bool,
}

/// Connections between two clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcIn {
    /// Key of the box where they are opened.
    pub from: String,
    /// Key of the box where they are accepted.
    pub to: String,
}

/// A cluster as drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxOut {
    /// Its slug.
    pub key: String,
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
    /// Cells in a row.
    pub columns: u32,
}

impl BoxOut {
    /// Upper left corner of a cell.
    pub fn cell(&self, index: u32) -> Position {
        let columns = self.columns.max(1);
        Position {
            x: self.x + PADDING + (index % columns) as i32 * PITCH,
            y: self.y + HEADER + (index / columns) as i32 * PITCH,
        }
    }

    fn right(&self) -> i32 {
        self.x + self.width
    }

    fn bottom(&self) -> i32 {
        self.y + self.height
    }

    fn middle(&self) -> i32 {
        self.y + self.height / 2
    }

    /// Do they overlap, or stand closer than boxes of one layer may?
    fn is_near(&self, other: &BoxOut) -> bool {
        self.x < other.right() + BOX_GAP
            && other.x < self.right() + BOX_GAP
            && self.y < other.bottom() + BOX_GAP
            && other.y < self.bottom() + BOX_GAP
    }
}

/// Connections as drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcOut {
    /// Key of the box where they are opened.
    pub from: String,
    /// Key of the box where they are accepted.
    pub to: String,
    /// Goes from right to left, or up or down.
    pub is_back: bool,
    /// Cubic curves, one after the other: the start, then of each its two controls and its end. Each is level at both ends,
    /// and goes around all boxes.
    pub curve: Vec<Position>,
}

/// The map.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    /// By key.
    pub boxes: Vec<BoxOut>,
    /// By from and to, each pair once.
    pub arcs: Vec<ArcOut>,
    /// Leftmost point.
    pub left: i32,
    /// Topmost point.
    pub top: i32,
    /// From the leftmost to the rightmost point.
    pub width: i32,
    /// From the topmost to the lowest point.
    pub height: i32,
    /// No stored place was kept: where boxes stand now is where they belong.
    pub is_anew: bool,
}

/// Lays the map out. The order of the input does not matter; of boxes with one key the first counts, and edges that
/// begin or end nowhere, or where they began, are left out.
pub fn layout(boxes: &[BoxIn], arcs: &[ArcIn]) -> Layout {
    let graph = Graph::new(boxes, arcs);
    let (placed, is_anew) = placed(&graph);
    Layout {
        is_anew,
        ..route::draw(&graph, placed)
    }
}

/// Where boxes stand in this layout, and whether none of their places was kept, without the edges between them.
pub fn places(boxes: &[BoxIn], arcs: &[ArcIn]) -> (Vec<BoxOut>, bool) {
    placed(&Graph::new(boxes, arcs))
}

fn placed(graph: &Graph<'_>) -> (Vec<BoxOut>, bool) {
    let ranks = rank::rank(graph);
    if graph.has_stood() {
        (place::slot_in(graph, &ranks), false)
    } else {
        let layers = order::layers(graph, &ranks);
        (place::place(graph, &layers), true)
    }
}

/// The input, sorted, by position in it.
struct Graph<'a> {
    boxes: Vec<&'a BoxIn>,
    /// (from, to), sorted, each once, no loops.
    arcs: Vec<(usize, usize)>,
    callers: Vec<Vec<usize>>,
    called: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(boxes: &'a [BoxIn], arcs: &[ArcIn]) -> Self {
        let mut by_key: BTreeMap<&str, &BoxIn> = BTreeMap::new();
        for one in boxes {
            by_key.entry(&one.key).or_insert(one);
        }
        let index: BTreeMap<&str, usize> =
            by_key.keys().enumerate().map(|(i, k)| (*k, i)).collect();
        let mut pairs: Vec<(usize, usize)> = arcs
            .iter()
            .filter_map(|arc| Some((*index.get(arc.from.as_str())?, *index.get(arc.to.as_str())?)))
            .filter(|(from, to)| from != to)
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut callers = vec![Vec::new(); by_key.len()];
        let mut called = vec![Vec::new(); by_key.len()];
        for &(from, to) in &pairs {
            push(&mut called, from, to);
            push(&mut callers, to, from);
        }
        Self {
            boxes: by_key.into_values().collect(),
            arcs: pairs,
            callers,
            called,
        }
    }

    fn len(&self) -> usize {
        self.boxes.len()
    }

    fn callers(&self, of: usize) -> &[usize] {
        self.callers.get(of).map_or(&[], Vec::as_slice)
    }

    fn called(&self, by: usize) -> &[usize] {
        self.called.get(by).map_or(&[], Vec::as_slice)
    }

    /// Is there a map already? The places of boxes without edges make none as soon as there are edges: they stand in
    /// rows then, below a map that is laid out for the first time.
    fn has_stood(&self) -> bool {
        self.boxes.iter().enumerate().any(|(one, b)| {
            b.position.is_some() && (b.is_pinned || self.arcs.is_empty() || !self.is_alone(one))
        })
    }

    fn is_alone(&self, one: usize) -> bool {
        self.callers(one).is_empty() && self.called(one).is_empty()
    }

    /// A box of its size, not yet anywhere.
    fn sized(&self, one: usize) -> BoxOut {
        let (key, cells) = self
            .boxes
            .get(one)
            .map_or((String::new(), 0), |b| (b.key.clone(), b.cells));
        let columns = columns(cells);
        let rows = cells.div_ceil(columns).max(1);
        let inner = columns as i32 * PITCH - (PITCH - CELL);
        BoxOut {
            key,
            x: 0,
            y: 0,
            width: WIDTH_MIN.max(inner + 2 * PADDING),
            height: HEADER + rows as i32 * PITCH - (PITCH - CELL) + PADDING,
            columns,
        }
    }
}

fn push(lists: &mut [Vec<usize>], at: usize, value: usize) {
    if let Some(list) = lists.get_mut(at) {
        list.push(value);
    }
}

/// Cells in a row: a box about two and a half times as wide as high, and at least what its name needs.
fn columns(cells: u32) -> u32 {
    let fit = ((WIDTH_MIN - 2 * PADDING + (PITCH - CELL)) / PITCH) as u32;
    let wide = (u64::from(cells) * 5 / 2).isqrt() as u32;
    wide.clamp(fit, COLUMNS_MAX)
}
