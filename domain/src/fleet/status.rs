//! The one status that every page, list and cell shows (worst first).

use serde::{Deserialize, Serialize};

use super::Liveness;

/// How a node, cluster or system is. Ordered worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Action now.
    Critical,
    /// We cannot see; may hide a critical.
    Unknown,
    /// Action soon.
    Warning,
    /// Something is under way.
    Pending,
    /// Planned; muted.
    Maintenance,
    /// All is well.
    Ok,
}

impl Status {
    /// Every status, worst first.
    pub const ALL: [Status; 6] = [
        Status::Critical,
        Status::Unknown,
        Status::Warning,
        Status::Pending,
        Status::Maintenance,
        Status::Ok,
    ];

    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Critical => "critical",
            Status::Unknown => "unknown",
            Status::Warning => "warning",
            Status::Pending => "pending",
            Status::Maintenance => "maintenance",
            Status::Ok => "ok",
        }
    }

    /// As on a page.
    pub fn label(self) -> &'static str {
        match self {
            Status::Critical => "Critical",
            Status::Unknown => "No data",
            Status::Warning => "Warning",
            Status::Pending => "In progress",
            Status::Maintenance => "Maintenance",
            Status::Ok => "OK",
        }
    }
}

/// Status of a node for which nothing is known beyond whether it reports (alert rules come on top of this).
pub fn status_of(liveness: Liveness) -> Status {
    match liveness {
        Liveness::Live | Liveness::Late => Status::Ok,
        Liveness::NoData | Liveness::Stopped | Liveness::Missing => Status::Unknown,
        Liveness::ExpectedDown => Status::Maintenance,
        Liveness::PendingReview => Status::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_never_ok() {
        assert_eq!(status_of(Liveness::Live), Status::Ok);
        for silent in [Liveness::NoData, Liveness::Stopped, Liveness::Missing] {
            assert_eq!(status_of(silent), Status::Unknown);
        }
    }

    #[test]
    fn worst_sorts_first() {
        assert_eq!(Status::ALL.iter().min(), Some(&Status::Critical));
        assert!(
            Status::Unknown < Status::Warning,
            "what we cannot see may hide a critical"
        );
    }
}
