//! Sentences about nodes: pure, so that they can be tested without a page.

use domain::fleet::{Collector, CollectorOutcome, Liveness, Outcome, Status};

use super::view::{NodeRow, Overview, StatusCounts};
use crate::format;

impl StatusCounts {
    /// Nodes in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Nodes of one status.
    pub fn of(&self, status: Status) -> u32 {
        self.0
            .iter()
            .find(|(of, _)| *of == status)
            .map_or(0, |(_, count)| *count)
    }

    /// The worst there is.
    pub fn worst(&self) -> Status {
        self.0
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(status, _)| *status)
            .min()
            .unwrap_or(Status::Ok)
    }

    /// "All 40 nodes are OK", when they are.
    pub fn all_well(&self) -> Option<String> {
        let total = self.total();
        match (self.worst(), total) {
            (Status::Ok, 1) => Some("The one node is OK".to_owned()),
            (Status::Ok, 2) => Some("Both nodes are OK".to_owned()),
            (Status::Ok, _) => Some(format!("All {} nodes are OK", format::count(total))),
            _ => None,
        }
    }

    /// The headline as one plain sentence: "2 critical, 1 no data of 14 nodes".
    pub fn sentence(&self) -> String {
        if self.total() == 0 {
            return "No nodes yet".to_owned();
        }
        self.all_well().unwrap_or_else(|| {
            let parts: Vec<String> = self
                .0
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(status, count)| {
                    let number = format::count(u64::from(*count));
                    format!("{number} {}", status_in_sentence(*status))
                })
                .collect();
            let of = format::plural(self.total(), "node", "nodes");
            format!("{} of {of}", parts.join(", "))
        })
    }
}

impl Overview {
    /// The headline as one plain sentence, with what no status tells.
    pub fn sentence(&self) -> String {
        let full = self.full.iter().map(|(words, _)| words.as_str());
        let parts: Vec<&str> = full.collect();
        let counts = self.counts.sentence();
        [&[counts.as_str()], parts.as_slice()].concat().join(", ")
    }
}

/// A status in the middle of a sentence: "2 critical", "1 no data".
pub fn status_in_sentence(status: Status) -> &'static str {
    match status {
        Status::Critical => "critical",
        Status::Unknown => "no data",
        Status::Warning => "warning",
        Status::Pending => "in progress",
        Status::Maintenance => "in maintenance",
        Status::Ok => "OK",
    }
}

/// What the badge of a node says: liveness where it says more than the status does.
pub fn badge_text(row: &NodeRow) -> &'static str {
    badge_words(row.status, row.liveness)
}

/// As [`badge_text`].
pub fn badge_words(status: Status, liveness: Liveness) -> &'static str {
    match (status, liveness) {
        (Status::Ok, Liveness::Late) => "Late",
        (Status::Unknown, Liveness::Stopped | Liveness::Missing)
        | (Status::Pending, Liveness::PendingReview) => liveness.label(),
        (status, _) => status.label(),
    }
}

/// Can what is shown of this node be taken as what is?
pub fn is_current(row: &NodeRow) -> bool {
    matches!(row.liveness, Liveness::Live | Liveness::Late)
}

/// What a collector looks at.
pub fn collector_label(collector: Collector) -> &'static str {
    match collector {
        Collector::Cpu => "Processors",
        Collector::Memory => "Memory",
        Collector::Load => "Load",
        Collector::Pressure => "Pressure",
        Collector::Filesystem => "Filesystems",
        Collector::Disk => "Disks",
        Collector::Network => "Network",
        Collector::Uptime => "Uptime",
        Collector::Processes => "Processes",
        Collector::Facts => "Facts about the host",
        Collector::Spool => "Records that wait on disk",
        Collector::Sockets => "TCP sockets",
        Collector::Temperature => "Temperatures",
        Collector::TopProcesses => "Busiest processes",
        Collector::Units => "Services",
        Collector::Listeners => "Where it listens",
        Collector::Servers => "Servers found by product packs",
        Collector::Connections => "TCP connections",
        Collector::Probes => "Health probes of servers",
    }
}

/// How a collector's run ended: (key for the style sheet, words).
pub fn outcome_words(outcome: &CollectorOutcome) -> (&'static str, String) {
    let reason = |reason: &str, otherwise: &str| {
        if reason.is_empty() {
            otherwise.to_owned()
        } else {
            reason.to_owned()
        }
    };
    match &outcome.outcome {
        Outcome::Ok => ("ok", "measured".to_owned()),
        Outcome::Partial(what) => ("ok", format!("measured; {what}")),
        Outcome::Absent(why) => (
            "absent",
            format!("not on this host: {}", reason(why, "no reason given")),
        ),
        Outcome::Failed(why) => (
            "failed",
            format!("failed: {}", reason(why, "no reason given")),
        ),
        Outcome::Off => ("off", "switched off in agent.toml".to_owned()),
    }
}

/// How far the host's clock is off, when that is worth a word: more than five seconds.
pub fn skew_words(skew_ms: Option<i64>) -> Option<String> {
    let skew = skew_ms.filter(|skew| skew.unsigned_abs() > 5_000)?;
    let span =
        format::duration_ms(i64::try_from(skew.unsigned_abs()).unwrap_or(i64::MAX) / 1000 * 1000);
    Some(if skew > 0 {
        format!("Its clock is {span} ahead of the server's.")
    } else {
        format!("Its clock is {span} behind the server's.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_news_is_one_sentence() {
        let counts = |pairs: &[(Status, u32)]| StatusCounts(pairs.to_vec());
        assert_eq!(
            counts(&[(Status::Ok, 1)]).all_well().as_deref(),
            Some("The one node is OK")
        );
        assert_eq!(
            counts(&[(Status::Ok, 2)]).all_well().as_deref(),
            Some("Both nodes are OK")
        );
        assert_eq!(
            counts(&[(Status::Ok, 40)]).all_well().as_deref(),
            Some("All 40 nodes are OK")
        );
        assert_eq!(
            counts(&[(Status::Unknown, 1), (Status::Ok, 39)]).all_well(),
            None
        );
        assert_eq!(
            counts(&[(Status::Critical, 2), (Status::Ok, 12)]).sentence(),
            "2 critical, 12 OK of 14 nodes"
        );
        assert_eq!(counts(&[(Status::Ok, 1)]).sentence(), "The one node is OK");
        assert_eq!(counts(&[]).sentence(), "No nodes yet");
        assert_eq!(
            counts(&[(Status::Warning, 1), (Status::Critical, 0)]).worst(),
            Status::Warning
        );
    }

    #[test]
    fn what_is_absent_says_why() {
        let outcome = |outcome| {
            outcome_words(&CollectorOutcome {
                collector: Collector::Pressure,
                duration_us: 12,
                outcome,
            })
        };
        assert_eq!(
            outcome(Outcome::Absent("this kernel has no PSI".into())).1,
            "not on this host: this kernel has no PSI"
        );
        assert_eq!(
            outcome(Outcome::Failed(String::new())).1,
            "failed: no reason given"
        );
        assert_eq!(outcome(Outcome::Off).0, "off");
        let partial = Outcome::Partial("9936 filesystems beyond 64 are left out".into());
        assert_eq!(
            outcome(partial).1,
            "measured; 9936 filesystems beyond 64 are left out"
        );
    }

    #[test]
    fn a_clock_is_mentioned_only_when_it_is_off() {
        assert_eq!(skew_words(None), None);
        assert_eq!(skew_words(Some(-5_000)), None);
        assert_eq!(
            skew_words(Some(3_600_000))
                .map(|t| t.replace(format::THIN, " "))
                .as_deref(),
            Some("Its clock is 1 h ahead of the server's.")
        );
        assert_eq!(
            skew_words(Some(-61_500))
                .map(|t| t.replace(format::THIN, " "))
                .as_deref(),
            Some("Its clock is 1 min 1 s behind the server's.")
        );
    }
}
