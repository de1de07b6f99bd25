//! The map as tables.

use app::topology::view::{EdgeRow, NodeLine};
use domain::fleet::Status;
use domain::topology::trouble;

use super::super::model::{Model, is_outside, name_of};
use super::super::service::Known;
use super::paint::Paint;
use super::shown;

/// Rows of each table.
const ROWS_MAX: usize = 200;

/// Each edge.
pub(super) fn edges(model: &Model, known: &Known, notes: &mut Vec<String>) -> Vec<EdgeRow> {
    let mut rows: Vec<EdgeRow> = model
        .edges
        .iter()
        .map(|edge| EdgeRow {
            from: name_of(&edge.from).to_owned(),
            from_cluster: !is_outside(&edge.from),
            to: name_of(&edge.to).to_owned(),
            to_cluster: !is_outside(&edge.to),
            is_declared: known
                .declared
                .contains(&(edge.from.clone(), edge.to.clone(), edge.port)),
            port: edge.port,
            connections: edge.connections,
            failing: edge.failing,
            bytes_per_s: edge.bytes_per_s,
            state: edge.state,
            trouble: trouble(edge.connections, edge.failing),
            first_seen_at_ms: edge.first_seen_at_ms,
            last_seen_at_ms: edge.last_seen_at_ms,
        })
        .collect();
    // Faults first, then in the order of names.
    rows.sort_by_key(|row| row.trouble.unwrap_or(Status::Ok));
    if rows.len() > ROWS_MAX {
        notes.push(format!("{ROWS_MAX} of {} edges are listed.", rows.len()));
        rows.truncate(ROWS_MAX);
    }
    rows
}

/// Each node.
pub(super) fn nodes(model: &Model, paint: &Paint, notes: &mut Vec<String>) -> Vec<NodeLine> {
    let mut rows: Vec<NodeLine> = shown(model)
        .map(|node| NodeLine {
            id: node.row.id.clone(),
            name: node.row.name.clone(),
            cluster: node.row.cluster.clone(),
            kind: node.row.kind.clone(),
            role: node.row.role.clone(),
            status: node.row.status,
            value: paint.of(node).1,
        })
        .collect();
    rows.sort_by(|a, b| (a.status, &a.cluster, &a.name).cmp(&(b.status, &b.cluster, &b.name)));
    if rows.len() > ROWS_MAX {
        notes.push(format!(
            "{ROWS_MAX} of {} nodes are listed, worst first; the list of nodes has all.",
            rows.len()
        ));
        rows.truncate(ROWS_MAX);
    }
    rows
}

/// Says which clusters the drawing remembers.
pub(super) fn ghosts(ghosts: &[String], notes: &mut Vec<String>) {
    /// More are too many to name.
    const NAMED_MAX: usize = 5;
    let more = ghosts.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = ghosts.iter().take(NAMED_MAX).cloned().collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    if !named.is_empty() {
        notes.push(format!(
            "Without nodes for less than a day: {}.",
            named.join(", ")
        ));
    }
}
