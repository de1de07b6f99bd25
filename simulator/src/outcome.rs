//! What a run came to, and why one could not begin.

use serde::Serialize;

/// Why a fleet could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server does not take the token, or these identities.
    #[error("{0}")]
    Refused(String),
    /// Another server than the token's answers.
    #[error("{0}")]
    WrongServer(String),
    /// Nobody answers, or no operations center.
    #[error("{0}")]
    Unreachable(String),
    /// This machine: files, randomness.
    #[error("{0}")]
    Local(String),
}

impl StartError {
    /// Exit code of the command.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Local(_) => 1,
            StartError::Usage(_) => 2,
            StartError::Refused(_) => 3,
            StartError::WrongServer(_) => 4,
            StartError::Unreachable(_) => 5,
        }
    }
}

/// The figures of a run, as printed with `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Identities.
    pub agents: u32,
    /// Records measured and numbered, each counted once however often it was sent.
    pub reports_sent: u64,
    /// Records whose acknowledgement was proved.
    pub reports_acked: u64,
    /// Sent minus acknowledged.
    pub reports_lost: u64,
    /// From sending a report to its proved acknowledgement, half of them; null without any.
    pub latency_p50_ms: Option<f64>,
    /// The same, 99 of 100 of them.
    pub latency_p99_ms: Option<f64>,
}

impl Summary {
    /// Exit code of the command.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.reports_lost > 0)
    }

    /// One JSON document.
    pub fn to_json(&self) -> String {
        // Numbers and nulls always have a text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Two columns for people.
    pub fn to_table(&self) -> String {
        let ms = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms} ms"));
        [
            ("agents", self.agents.to_string()),
            ("reports sent", self.reports_sent.to_string()),
            ("reports acknowledged", self.reports_acked.to_string()),
            ("reports lost", self.reports_lost.to_string()),
            ("latency, half within", ms(self.latency_p50_ms)),
            ("latency, 99 % within", ms(self.latency_p99_ms)),
        ]
        .map(|(name, value)| format!("{name:<22}{value}"))
        .join("\n")
    }
}

/// Records `first_seq..=last_seq` of one epoch, all acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedRange {
    /// Epoch.
    pub epoch: u32,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
}

/// What became of one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOutcome {
    /// Its id.
    pub host_id: String,
    /// Its host's node.
    pub node_id: String,
    /// Every record whose acknowledgement was proved, in the order of their numbers.
    pub acked: Vec<AckedRange>,
    /// Records that still wait.
    pub waiting: usize,
}

impl AgentOutcome {
    /// (epoch, seq) of every acknowledged record.
    pub fn acked_records(&self) -> impl Iterator<Item = (u32, u64)> {
        self.acked
            .iter()
            .flat_map(|range| (range.first_seq..=range.last_seq).map(|seq| (range.epoch, seq)))
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The figures.
    pub summary: Summary,
    /// By identity, in the fleet's order.
    pub agents: Vec<AgentOutcome>,
    /// What went wrong on the way and how often, in words; a server's restart shows here although nothing was lost.
    pub problems: Vec<(String, u64)>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// See [`Summary::reports_sent`].
    pub sent: u64,
    /// See [`Summary::reports_acked`].
    pub acked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_exactly_the_fields_of_the_contract() {
        let summary = Summary {
            agents: 2,
            reports_sent: 10,
            reports_acked: 9,
            reports_lost: 1,
            latency_p50_ms: Some(1.25),
            latency_p99_ms: None,
        };
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&summary.to_json()).unwrap(),
            serde_json::json!({
                "agents": 2, "reports_sent": 10, "reports_acked": 9, "reports_lost": 1,
                "latency_p50_ms": 1.25, "latency_p99_ms": null,
            })
        );
        assert_eq!(summary.exit_code(), 1);
        assert!(summary.to_table().contains("reports lost          1"));
    }
}
