//! What cells are coloured by, where that is not their status.

use std::collections::BTreeMap;

use app::format;
use app::topology::view::Color;

use super::super::model::Model;
use super::super::source::NodeAt;
use super::shown;
use crate::fleet::clusters::summary::is_seen;

/// Where the steps of a share begin, from the second.
const SHARES: [f64; 6] = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9];
/// Where the steps of an age begin, in intervals, from the second. Beyond three a node is silent.
const AGES: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 10.0, 100.0];
/// So many versions have a colour of their own.
const VERSIONS: usize = 6;

/// The colours of one map.
pub(super) struct Paint {
    color: Color,
    now_ms: i64,
    /// The most frequent versions, most frequent first.
    versions: Vec<String>,
    has_others: bool,
}

impl Paint {
    /// For all that is shown.
    pub fn new(color: Color, model: &Model, now_ms: i64) -> Self {
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        if color == Color::Version {
            for version in shown(model).filter_map(version) {
                *counted.entry(version).or_default() += 1;
            }
        }
        let mut versions: Vec<(String, usize)> = counted.into_iter().collect();
        versions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let has_others = versions.len() > VERSIONS;
        versions.truncate(VERSIONS);
        Self {
            color,
            now_ms,
            versions: versions.into_iter().map(|(version, _)| version).collect(),
            has_others,
        }
    }

    /// What the colours mean, from the first.
    pub fn scale(&self) -> Vec<String> {
        let steps = |starts: [f64; 6], first: &str, words: fn(f64) -> String| {
            let rest = starts.map(|start| format!("from {}", words(start)));
            std::iter::once(first.to_owned()).chain(rest).collect()
        };
        match self.color {
            Color::Status => Vec::new(),
            Color::Cpu | Color::Memory | Color::Disk => steps(SHARES, "below 10 %", |share| {
                format!("{:.0} %", share * 100.0)
            }),
            Color::Age => steps(AGES, "within its interval", |count| {
                format!("{count} intervals")
            }),
            Color::Version => {
                let others = self.has_others.then(|| "all others".to_owned());
                self.versions.iter().cloned().chain(others).collect()
            }
        }
    }

    /// Colour and words of a node; no colour where nothing is known, or where what is known is old.
    pub fn of(&self, node: &NodeAt) -> (Option<u8>, Option<String>) {
        let row = &node.row;
        let share = |what: &str, value: Option<f64>| match value.filter(|_| is_seen(row)) {
            Some(value) => {
                let words = format!("{what} {}", format::percent(value));
                (Some(step(SHARES, value)), Some(words))
            }
            None => (None, Some(format!("{what} not known"))),
        };
        match self.color {
            Color::Status => (None, None),
            Color::Cpu => share("CPU", row.now.cpu_used_ratio),
            Color::Memory => share("memory", row.now.memory_used_ratio),
            Color::Disk => share("fullest disk", row.now.disk_used_ratio),
            Color::Version => match version(node) {
                Some(version) => {
                    let place = self.versions.iter().position(|known| *known == version);
                    let tint = place.unwrap_or(VERSIONS) as u8 + 1;
                    (Some(tint), Some(version))
                }
                None => (None, Some("version not known".to_owned())),
            },
            Color::Age => match row.last_report_at_ms {
                Some(at_ms) => {
                    let age_ms = self.now_ms.saturating_sub(at_ms).max(0);
                    let intervals = age_ms as f64 / 1000.0 / f64::from(row.interval_s.max(1));
                    let tint = step(AGES, intervals);
                    let words = self.scale().get(usize::from(tint) - 1).cloned();
                    (
                        Some(tint),
                        words.map(|words| format!("last report {words}")),
                    )
                }
                None => (None, Some("never reported".to_owned())),
            },
        }
    }
}

/// 1 to 7.
fn step(starts: [f64; 6], value: f64) -> u8 {
    1 + starts.iter().filter(|start| value >= **start).count() as u8
}

fn version(node: &NodeAt) -> Option<String> {
    let (product, version) = (node.row.product.as_ref()?, node.row.version.as_ref()?);
    Some(format!("{product} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_the_step_it_begins() {
        for (share, wanted) in [(0.0, 1), (0.09, 1), (0.1, 2), (0.69, 4), (0.9, 7), (1.3, 7)] {
            assert_eq!(step(SHARES, share), wanted, "{share}");
        }
    }
}
