//! A figure: what was measured, of us and of a peer, and the goal it is held against.

use serde_json::{Value, json};

/// How a kind of figure is written.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    pub name: &'static str,
    pub decimals: usize,
}

pub const MS: Unit = Unit {
    name: "ms",
    decimals: 2,
};
pub const KIB: Unit = Unit {
    name: "KiB",
    decimals: 0,
};
pub const BYTES: Unit = Unit {
    name: "B",
    decimals: 0,
};
pub const MB: Unit = Unit {
    name: "MB",
    decimals: 2,
};

/// What a figure should be at most.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    None,
    AtMost(f64),
    /// One so-many-th of the peer's in the same run.
    PartOfPeer(f64),
}

/// Samples of one thing. The figure is their median.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The goal's number in the list of goals.
    pub id: &'static str,
    pub what: &'static str,
    pub unit: Unit,
    pub ours: Vec<f64>,
    /// Empty where the peer is not installed or has nothing alike.
    pub peers: Vec<f64>,
    pub goal: Goal,
}

/// The middle one, or the mean of the two in the middle; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = sorted.get(sorted.len() / 2 - 1)?;
    Some((lower + upper) / 2.0)
}

impl Figure {
    /// How many times ours the peer's is.
    fn peers_over_ours(&self) -> Option<f64> {
        let ours = median(&self.ours).filter(|ours| *ours > 0.0)?;
        Some(median(&self.peers)? / ours)
    }

    /// `None` where there is no goal, or nothing to hold against it.
    fn is_reached(&self) -> Option<bool> {
        match self.goal {
            Goal::None => None,
            Goal::AtMost(limit) => Some(median(&self.ours)? <= limit),
            Goal::PartOfPeer(part) => Some(self.peers_over_ours()? >= part),
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::None => String::new(),
            Goal::AtMost(limit) => format!("≤ {limit} {}", self.unit.name),
            Goal::PartOfPeer(part) => format!("≤ 1/{part}"),
        }
    }

    fn value_text(&self, value: Option<f64>) -> String {
        value.map_or_else(
            || "–".to_owned(),
            |value| format!("{value:.*} {}", self.unit.decimals, self.unit.name),
        )
    }

    fn row(&self) -> [String; COLUMNS] {
        let ratio = match self.peers_over_ours() {
            None => "–".to_owned(),
            Some(ratio) if ratio >= 1.0 => format!("1/{ratio:.1}"),
            Some(ratio) => format!("{:.1}", 1.0 / ratio),
        };
        let reached = match self.is_reached() {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        [
            self.id.to_owned(),
            self.what.to_owned(),
            self.value_text(median(&self.ours)),
            self.value_text(median(&self.peers)),
            ratio,
            self.goal_text(),
            reached.to_owned(),
        ]
    }

    pub fn json(&self) -> Value {
        let goal = match self.goal {
            Goal::None => Value::Null,
            Goal::AtMost(limit) => json!({ "at_most": limit }),
            Goal::PartOfPeer(part) => json!({ "peers_over_ours_at_least": part }),
        };
        json!({
            "id": self.id,
            "what": self.what,
            "unit": self.unit.name,
            "ours": median(&self.ours),
            "ours_samples": self.ours,
            "peers": median(&self.peers),
            "peers_samples": self.peers,
            "peers_over_ours": self.peers_over_ours(),
            "goal": goal,
            "goal_reached": self.is_reached(),
        })
    }
}

const COLUMNS: usize = 7;

/// A Markdown table whose columns also line up as plain text.
pub fn table(figures: &[Figure], peer: &str) -> String {
    let mut rows: Vec<[String; COLUMNS]> =
        vec![["#", "what", "ours", peer, "ratio", "goal", "reached"].map(str::to_owned)];
    rows.extend(figures.iter().map(Figure::row));
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // Values to the right, words to the left.
    let is_right = [false, false, true, true, true, false, false];
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for ((cell, width), is_right) in row.iter().zip(widths).zip(is_right) {
            let gap = " ".repeat(width - cell.chars().count());
            let (left, right) = if is_right {
                (gap.as_str(), "")
            } else {
                ("", gap.as_str())
            };
            text.push_str(&format!("| {left}{cell}{right} "));
        }
        text.push_str("|\n");
        if at == 0 {
            for (width, is_right) in widths.into_iter().zip(is_right) {
                let dashes = "-".repeat(width + 1);
                text.push_str(&format!("|{dashes}{}", if is_right { ":" } else { "-" }));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: &[f64], peers: &[f64], goal: Goal) -> Figure {
        Figure {
            id: "P1",
            what: "CPU per 10 s",
            unit: MS,
            ours: ours.to_vec(),
            peers: peers.to_vec(),
            goal,
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn a_goal_is_held_against_the_same_run() {
        let cases = [
            (figure(&[1.0], &[20.0], Goal::PartOfPeer(20.0)), Some(true)),
            (figure(&[1.1], &[20.0], Goal::PartOfPeer(20.0)), Some(false)),
            (figure(&[1.0], &[], Goal::PartOfPeer(20.0)), None),
            (figure(&[0.0], &[20.0], Goal::PartOfPeer(20.0)), None),
            (figure(&[600.0], &[], Goal::AtMost(600.0)), Some(true)),
            (figure(&[600.5], &[], Goal::AtMost(600.0)), Some(false)),
            (figure(&[], &[], Goal::AtMost(600.0)), None),
            (figure(&[1.0], &[1.0], Goal::None), None),
        ];
        for (figure, expected) in cases {
            assert_eq!(figure.is_reached(), expected, "{figure:?}");
        }
    }

    #[test]
    fn the_table_lines_up_and_says_what_is_missing() {
        let figures = [
            figure(&[0.5], &[10.0], Goal::PartOfPeer(20.0)),
            figure(&[12.0], &[], Goal::AtMost(3.0)),
        ];
        let expected = "
| #  | what         |     ours |   peer 1 |  ratio | goal   | reached |
|----|--------------|---------:|---------:|-------:|--------|---------|
| P1 | CPU per 10 s |  0.50 ms | 10.00 ms | 1/20.0 | ≤ 1/20 | yes     |
| P1 | CPU per 10 s | 12.00 ms |        – |      – | ≤ 3 ms | no      |
";
        assert_eq!(format!("\n{}", table(&figures, "peer 1")), expected);
    }

    #[test]
    fn a_document_keeps_the_samples() {
        let document = figure(&[1.0, 2.0, 9.0], &[40.0], Goal::PartOfPeer(20.0)).json();
        assert_eq!(document["ours"], 2.0);
        assert_eq!(document["ours_samples"], json!([1.0, 2.0, 9.0]));
        assert_eq!(document["peers_over_ours"], 20.0);
        assert_eq!(document["goal_reached"], true);
        assert_eq!(figure(&[], &[], Goal::None).json()["ours"], Value::Null);
    }
}
