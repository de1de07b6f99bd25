//! Sentences about boxes and edges: pure, so that they can be tested without a page.

use domain::fleet::Status;
use domain::topology::EdgeState;

use super::view::{BoxKind, MapBox, MapCell, TopologyPage};
use crate::format;

/// "app-eu, Warning, 1 critical, 13 OK of 14 nodes, used by 1, depends on 2"
pub fn box_name(one: &MapBox) -> String {
    let status = match one.kind {
        BoxKind::Cluster | BoxKind::Group => format!("{}, ", one.status.label()),
        BoxKind::External | BoxKind::Ghost => String::new(),
    };
    format!(
        "{}, {status}{}, used by {}, depends on {}",
        one.label, one.summary, one.used_by, one.depends_on
    )
}

/// "app-eu-07: Warning, CPU 95 %"
pub fn cell_name(cell: &MapCell) -> String {
    let status = cell.status.label();
    match &cell.value {
        Some(value) => format!("{}: {status}, {value}", cell.name),
        None => format!("{}: {status}", cell.name),
    }
}

/// What stands at the right end of a box's head: "1/14" where something is wrong.
pub fn box_count(one: &MapBox) -> String {
    match (one.kind, one.problems) {
        (BoxKind::External | BoxKind::Ghost, _) => String::new(),
        (_, 0) => format::count(u64::from(one.total)),
        (_, problems) => format!("{problems}/{}", one.total),
    }
}

/// Shortened in its middle to what fits into `width` with letters that wide; names differ at their ends.
pub fn fit(text: &str, width: i32, letter: i32) -> String {
    let room = usize::try_from(width / letter).unwrap_or(0).max(4);
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= room {
        return text.to_owned();
    }
    let tail = (room - 1) / 2;
    let head = room - 1 - tail;
    let start: String = letters.iter().take(head).collect();
    let end: String = letters.iter().skip(letters.len() - tail).collect();
    format!("{start}…{end}")
}

/// The state of an edge.
pub fn state_label(state: EdgeState) -> &'static str {
    match state {
        EdgeState::New => "New",
        EdgeState::Seen => "Seen now",
        EdgeState::Stale => "Not seen now",
        EdgeState::Declared => "Declared, never seen",
    }
}

/// How bad failures are.
pub fn trouble_label(trouble: Option<Status>) -> Option<&'static str> {
    match trouble? {
        Status::Critical => Some("Failing"),
        _ => Some("Some fail"),
    }
}

/// What the drawing as a whole shows, for those who do not see it.
pub fn summary(page: &TopologyPage) -> String {
    let clusters = page
        .boxes
        .iter()
        .filter(|one| matches!(one.kind, BoxKind::Cluster | BoxKind::Group))
        .count();
    let failing = page
        .edges
        .iter()
        .filter(|edge| edge.trouble.is_some())
        .count();
    let edges = format::plural(page.edges.len() as u64, "dependency", "dependencies");
    let boxes = format::plural(clusters as u64, "box", "boxes");
    let mut text = format!("{boxes}, {edges}");
    if failing > 0 {
        text.push_str(&format!(", {failing} of them with failing connections"));
    }
    text.push_str(". The table view has the same as text.");
    text
}

/// Why there are no edges, where there are none.
pub fn no_edges(page: &TopologyPage) -> Option<String> {
    // Within a group there may be many.
    let is_grouped = page.boxes.iter().any(|one| one.kind == BoxKind::Group);
    if !page.edges.is_empty() || page.boxes.is_empty() || is_grouped {
        return None;
    }
    Some(match page.hosts_telling {
        0 => "No host has told its connections yet: agents look at them once a minute, where their settings allow it.".to_owned(),
        _ => "No connections between clusters have been seen. One appears when it was seen twice, a minute apart.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::view::StatusCounts;
    use crate::topology::view::Glyph;

    fn one() -> MapBox {
        MapBox {
            key: "app-eu".to_owned(),
            kind: BoxKind::Cluster,
            label: "app-eu".to_owned(),
            system: "shop".to_owned(),
            x: 0,
            y: 0,
            width: 0,
            height: 0,
            status: Status::Warning,
            counts: StatusCounts::default(),
            glyph: Glyph::App,
            problems: 1,
            total: 14,
            summary: "1 critical, 13 OK of 14 nodes".to_owned(),
            used_by: 1,
            depends_on: 2,
            is_dimmed: false,
            is_focus: false,
            is_pinned: false,
            more: None,
            more_at: (0, 0),
            has_bar: false,
            cells: Vec::new(),
        }
    }

    #[test]
    fn a_box_says_what_it_shows() {
        assert_eq!(
            box_name(&one()),
            "app-eu, Warning, 1 critical, 13 OK of 14 nodes, used by 1, depends on 2"
        );
        assert_eq!(box_count(&one()), "1/14");
        let well = MapBox {
            problems: 0,
            ..one()
        };
        assert_eq!(box_count(&well), "14");
        let outside = MapBox {
            kind: BoxKind::External,
            summary: "outside of the fleet".to_owned(),
            ..one()
        };
        assert_eq!(
            box_name(&outside),
            "app-eu, outside of the fleet, used by 1, depends on 2"
        );
        assert_eq!(box_count(&outside), "");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(fit("app-eu", 100, 7), "app-eu");
        assert_eq!(fit("payments-europe-west-001", 84, 7), "paymen…t-001");
        assert_eq!(fit("ääääääää", 28, 7), "ää…ä");
        assert_eq!(fit("abcdefgh", -5, 7), "ab…h");
    }
}
