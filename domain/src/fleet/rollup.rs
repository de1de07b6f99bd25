//! How a cluster or a system is, from how its members are: one status, the counts behind it, and the reason in words.
//!
//! Called by the server for every page and the API. Invariants: the status is the worst of what is not masked, never an
//! average; a declared minimum that is met caps it at [`Status::Warning`] and one that is missed keeps it at least there;
//! members in maintenance are counted and shown, but raise nothing. It knows neither nodes nor hosts, only statuses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Status;

/// Most nodes a minimum may ask for: more than any cluster has.
pub const MIN_AVAILABLE_MAX: u32 = 100_000;

/// How many members must be available for the cluster to do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinAvailable {
    /// So many nodes, 1 to [`MIN_AVAILABLE_MAX`].
    Nodes(u32),
    /// So many of a hundred, 1 to 100, rounded up to whole nodes.
    Percent(u8),
}

/// A minimum that is not written as we read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{value}` is no minimum: write a number of nodes from 1 to 100000, such as 10, or a share from 1% to 100%, such as 50%"
)]
pub struct MinAvailableError {
    /// What was given, shortened to 64 characters.
    pub value: String,
}

impl MinAvailable {
    /// Nodes it asks for in a cluster of `members`.
    ///
    /// `⌈members × percent / 100⌉`, at least 1: of 14 nodes, 50 % are 7 and 51 % are 8.
    pub fn needed(self, members: u32) -> u32 {
        match self {
            MinAvailable::Nodes(nodes) => nodes,
            MinAvailable::Percent(percent) => {
                let needed = (u64::from(members) * u64::from(percent)).div_ceil(100);
                u32::try_from(needed).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl FromStr for MinAvailable {
    type Err = MinAvailableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MinAvailableError {
            value: text.chars().take(64).collect(),
        };
        let number = |digits: &str| -> Option<u32> {
            // `parse` alone would take a sign.
            digits
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| digits.parse().ok())?
        };
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(share) => number(share.trim_end())
                .and_then(|share| u8::try_from(share).ok())
                .filter(|share| (1..=100).contains(share))
                .map(MinAvailable::Percent),
            None => number(text)
                .filter(|nodes| (1..=MIN_AVAILABLE_MAX).contains(nodes))
                .map(MinAvailable::Nodes),
        }
        .ok_or_else(error)
    }
}

/// As [`MinAvailable::from_str`] reads it.
impl fmt::Display for MinAvailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MinAvailable::Nodes(nodes) => write!(f, "{nodes}"),
            MinAvailable::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A declared minimum, and how it is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimum {
    /// As declared.
    pub declared: MinAvailable,
    /// The same in nodes.
    pub needed: u32,
    /// Are so many available?
    pub is_met: bool,
}

/// What the members add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollUp {
    /// `None` without members: there is nothing to judge.
    pub status: Option<Status>,
    /// Members by status, worst first; statuses without members are left out.
    pub counts: Vec<(Status, u32)>,
    /// All members.
    pub members: u32,
    /// Members that do their work: OK or warning.
    pub available: u32,
    /// `None` where none is declared.
    pub minimum: Option<Minimum>,
}

/// Rolls up the statuses of all members that count.
pub fn roll_up(
    statuses: impl IntoIterator<Item = Status>,
    min_available: Option<MinAvailable>,
) -> RollUp {
    let mut by_status = [0u32; Status::ALL.len()];
    for status in statuses {
        for (slot, known) in by_status.iter_mut().zip(Status::ALL) {
            *slot += u32::from(known == status);
        }
    }
    let counts: Vec<(Status, u32)> = Status::ALL
        .into_iter()
        .zip(by_status)
        .filter(|(_, count)| *count > 0)
        .collect();
    let members: u32 = by_status.iter().sum();
    let available = counts
        .iter()
        .filter(|(status, _)| is_available(*status))
        .map(|(_, count)| count)
        .sum();
    let minimum = min_available.map(|declared| {
        let needed = declared.needed(members);
        Minimum {
            declared,
            needed,
            is_met: available >= needed,
        }
    });
    RollUp {
        status: worst_unmasked(&counts).map(|worst| bounded(worst, minimum)),
        counts,
        members,
        available,
        minimum,
    }
}

/// Does a member with this status do its work?
pub fn is_available(status: Status) -> bool {
    match status {
        Status::Ok | Status::Warning => true,
        Status::Critical | Status::Unknown | Status::Pending | Status::Maintenance => false,
    }
}

/// Maintenance counts only where there is nothing else.
fn worst_unmasked(counts: &[(Status, u32)]) -> Option<Status> {
    let statuses = || counts.iter().map(|(status, _)| *status);
    statuses()
        .filter(|status| *status != Status::Maintenance)
        .min()
        .or_else(|| statuses().min())
}

/// Met, a minimum is what members are kept in reserve for: their loss is no emergency. Missed, it is no quiet matter, even
/// when all that is wrong was planned.
fn bounded(worst: Status, minimum: Option<Minimum>) -> Status {
    match minimum {
        None => worst,
        Some(minimum) if minimum.is_met => worst.max(Status::Warning),
        Some(_) => worst.min(Status::Warning),
    }
}

impl RollUp {
    /// Is anything wrong that somebody should see?
    pub fn is_trouble(&self) -> bool {
        self.status.is_some_and(|status| status <= Status::Warning)
    }

    /// `1 critical · 2 no data of 14 · min 10 available: OK (11)`; `14 of 14 OK`; `no nodes`.
    pub fn reason(&self, members: &str) -> String {
        if self.members == 0 {
            return format!("no {members}");
        }
        let told: Vec<String> = self
            .counts
            .iter()
            .filter(|(status, _)| *status != Status::Ok)
            .map(|(status, count)| format!("{count} {}", status.label().to_lowercase()))
            .collect();
        let mut text = if told.is_empty() {
            format!("{0} of {0} OK", self.members)
        } else {
            format!("{} of {}", told.join(" · "), self.members)
        };
        if let Some(minimum) = self.minimum {
            text.push_str(&format!(" · {}", minimum.sentence(self.available)));
        }
        text
    }
}

impl Minimum {
    /// `min 10 available: OK (13)`; a share with the nodes it comes to.
    pub fn sentence(&self, available: u32) -> String {
        let declared = match self.declared {
            MinAvailable::Nodes(nodes) => nodes.to_string(),
            MinAvailable::Percent(percent) => format!("{percent} % = {}", self.needed),
        };
        let verdict = if self.is_met { "OK" } else { "not met" };
        format!("min {declared} available: {verdict} ({available})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use Status::{Critical, Maintenance, Ok as Fine, Pending, Unknown, Warning};

    fn of(list: &[(Status, usize)]) -> Vec<Status> {
        list.iter()
            .flat_map(|(status, count)| std::iter::repeat_n(*status, *count))
            .collect()
    }

    #[test]
    fn what_members_add_up_to() {
        let case = |list: &[(Status, usize)], min: Option<&str>| {
            let min = min.map(|text| text.parse().expect("a minimum"));
            let rolled = roll_up(of(list), min);
            (rolled.status, rolled.reason("nodes"))
        };
        for (list, min, status, reason) in [
            (vec![], None, None, "no nodes"),
            (vec![], Some("1"), None, "no nodes"),
            (vec![(Fine, 14)], None, Some(Fine), "14 of 14 OK"),
            (
                vec![(Critical, 1), (Fine, 13)],
                None,
                Some(Critical),
                "1 critical of 14",
            ),
            (
                vec![(Critical, 1), (Fine, 13)],
                Some("10"),
                Some(Warning),
                "1 critical of 14 · min 10 available: OK (13)",
            ),
            (
                vec![(Critical, 5), (Fine, 9)],
                Some("10"),
                Some(Critical),
                "5 critical of 14 · min 10 available: not met (9)",
            ),
            (
                vec![(Unknown, 1), (Fine, 13)],
                Some("50%"),
                Some(Warning),
                "1 no data of 14 · min 50 % = 7 available: OK (13)",
            ),
            (
                vec![(Critical, 2), (Unknown, 1), (Fine, 11)],
                None,
                Some(Critical),
                "2 critical · 1 no data of 14",
            ),
            (
                vec![(Warning, 3)],
                Some("3"),
                Some(Warning),
                "3 warning of 3 · min 3 available: OK (3)",
            ),
            (
                vec![(Maintenance, 1), (Fine, 2)],
                None,
                Some(Fine),
                "1 maintenance of 3",
            ),
            (
                vec![(Maintenance, 3)],
                None,
                Some(Maintenance),
                "3 maintenance of 3",
            ),
            (
                vec![(Maintenance, 2), (Pending, 1)],
                None,
                Some(Pending),
                "1 in progress · 2 maintenance of 3",
            ),
            (
                vec![(Maintenance, 2), (Fine, 1)],
                Some("2"),
                Some(Warning),
                "2 maintenance of 3 · min 2 available: not met (1)",
            ),
            (
                vec![(Fine, 2)],
                Some("3"),
                Some(Warning),
                "2 of 2 OK · min 3 available: not met (2)",
            ),
        ] {
            assert_eq!(
                case(&list, min),
                (status, reason.to_owned()),
                "{list:?} {min:?}"
            );
        }
    }

    #[test]
    fn minima_are_read_and_others_are_refused_by_name() {
        for (text, read) in [
            ("10", MinAvailable::Nodes(10)),
            (" 1 ", MinAvailable::Nodes(1)),
            ("100000", MinAvailable::Nodes(100_000)),
            ("50%", MinAvailable::Percent(50)),
            ("50 %", MinAvailable::Percent(50)),
            ("100%", MinAvailable::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(read), "{text}");
        }
        for bad in [
            "",
            " ",
            "0",
            "0%",
            "-1",
            "+5",
            "101%",
            "100001",
            "half",
            "1.5",
            "5 nodes",
            "%",
            "10%%",
            "99999999999",
            "٣",
        ] {
            let error = bad.parse::<MinAvailable>().expect_err(bad);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{bad}` is no minimum")),
                "{error}"
            );
        }
    }

    #[test]
    fn shares_are_rounded_up_to_whole_nodes() {
        for (percent, members, needed) in [
            (50, 14, 7),
            (51, 14, 8),
            (1, 14, 1),
            (100, 14, 14),
            (50, 0, 1),
            (100, u32::MAX, u32::MAX),
        ] {
            assert_eq!(
                MinAvailable::Percent(percent).needed(members),
                needed,
                "{percent} % of {members}"
            );
        }
    }

    fn any_minimum() -> impl Strategy<Value = MinAvailable> {
        prop_oneof![
            (1..=MIN_AVAILABLE_MAX).prop_map(MinAvailable::Nodes),
            (1u8..=100).prop_map(MinAvailable::Percent),
        ]
    }

    fn any_members() -> impl Strategy<Value = Vec<Status>> {
        proptest::collection::vec(proptest::sample::select(Status::ALL.to_vec()), 0..40)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minimum in any_minimum()) {
            prop_assert_eq!(minimum.to_string().parse(), Ok(minimum));
        }

        #[test]
        fn any_text_is_a_minimum_or_an_error(text in ".{0,80}") {
            if let Ok(minimum) = text.parse::<MinAvailable>() {
                prop_assert!(minimum.needed(10) >= 1);
            }
        }

        #[test]
        fn counts_are_complete_and_order_does_not_matter(members in any_members(), min in proptest::option::of(any_minimum())) {
            let rolled = roll_up(members.iter().copied(), min);
            let mut sorted = members.clone();
            sorted.sort();
            prop_assert_eq!(&roll_up(sorted, min), &rolled);
            prop_assert_eq!(rolled.counts.iter().map(|(_, count)| count).sum::<u32>() as usize, members.len());
            prop_assert_eq!(rolled.status.is_none(), members.is_empty());
        }

        #[test]
        fn a_minimum_bounds_and_nothing_else_changes(members in any_members(), min in any_minimum()) {
            let (plain, with) = (roll_up(members.iter().copied(), None), roll_up(members, Some(min)));
            prop_assert_eq!(plain.available, with.available);
            prop_assert_eq!(&plain.counts, &with.counts);
            if let (Some(plain), Some(with), Some(minimum)) = (plain.status, with.status, with.minimum) {
                if minimum.is_met {
                    prop_assert!(with >= Status::Warning && with >= plain);
                } else {
                    prop_assert!(with <= Status::Warning && with <= plain);
                }
            }
        }

        #[test]
        fn maintenance_raises_nothing(members in any_members(), more in 1usize..10) {
            let before = roll_up(members.iter().copied(), None).status;
            let after = roll_up(members.into_iter().chain(std::iter::repeat_n(Maintenance, more)), None).status;
            prop_assert_eq!(after, before.or(Some(Maintenance)));
        }
    }
}
