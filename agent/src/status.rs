//! `oc-agent status`: what the state folder tells, without asking anybody.

use serde::Serialize;

use crate::clock;
use crate::config::Config;
use crate::exit::Failure;
use crate::identity::StateFolder;
use crate::policy::Policy;
use crate::refusal::{self, LastRefusal};
use crate::spool;

/// Acknowledgements older than this many intervals (and at least this long) are a finding.
const LATE_INTERVALS: u64 = 4;
const LATE_MS_MIN: u64 = 60_000;

/// What is told, in the contract's own names.
#[derive(Debug, Serialize)]
pub struct Status {
    node_id: Option<String>,
    server: Option<String>,
    enrolled: bool,
    last_ack_at_ms: Option<i64>,
    spool_records: u64,
    policy: String,
    interval_s: u64,
    /// Why the server refused something last, if it ever did.
    last_refusal: Option<LastRefusal>,
    /// What a person should look at.
    #[serde(skip)]
    pub findings: Vec<String>,
}

/// Reads it.
///
/// # Errors
/// The state folder is damaged.
pub fn read(folder: &StateFolder, config: &Config, policy: &Policy) -> Result<Status, Failure> {
    let identity = folder.identity()?;
    let mut findings = Vec::new();
    let cursor = match folder.peek_cursor() {
        Ok(cursor) => cursor,
        Err(error) => {
            findings.push(error.to_string());
            None
        }
    };
    let last_ack_at_ms = cursor.and_then(|cursor| cursor.last_ack_at_ms);
    let is_running = folder.is_in_use();
    if identity.is_none() {
        findings.push("not enrolled: run `oc-agent enroll --server URL --token TOKEN`".to_owned());
    } else if !is_running {
        findings.push("not running: start `oc-agent run`".to_owned());
    } else {
        let late = late(last_ack_at_ms, config.interval_ms, clock::wall_ms());
        findings.extend(late.map(|what| format!("{what}; run `oc-agent doctor`")));
    }
    let last_refusal = refusal::read(&folder.refusal());
    let unresolved = last_refusal.as_ref();
    let unresolved = unresolved.filter(|last| last.is_unresolved(last_ack_at_ms));
    findings.extend(unresolved.map(|last| {
        format!(
            "the server refused and has taken nothing since: {}",
            last.sentence()
        )
    }));
    findings.extend(policy.finding.clone());
    let on_disk = cursor.map_or(Ok(0), |cursor| {
        spool::count(&folder.spool(), cursor.epoch, cursor.acked_seq)
    });
    let in_all = cursor.map_or(0, |cursor| u64::from(cursor.waiting));
    let spool_records = match on_disk {
        // A record is numbered just before it is written, so one more is nothing to say.
        Ok(on_disk) if is_running && in_all > on_disk + 1 => {
            findings.push(format!(
                "{} records wait in memory alone: the disk of {} takes none; run `oc-agent doctor`",
                in_all - on_disk,
                folder.path().display()
            ));
            in_all
        }
        Ok(on_disk) => on_disk,
        Err(error) => {
            findings.push(format!(
                "{} cannot be read: {error}",
                folder.spool().display()
            ));
            in_all
        }
    };
    Ok(Status {
        enrolled: identity.is_some(),
        server: config
            .server
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| identity.as_ref().map(|identity| identity.server.clone())),
        node_id: identity.map(|identity| identity.node_id),
        last_ack_at_ms,
        spool_records,
        policy: policy.text.clone(),
        interval_s: config.interval_ms / 1000,
        last_refusal,
        findings,
    })
}

/// What is wrong with the age of the last acknowledgement.
pub fn late(last_ack_at_ms: Option<i64>, interval_ms: u64, now_ms: i64) -> Option<String> {
    let Some(at_ms) = last_ack_at_ms else {
        return Some("the server has not acknowledged anything yet".to_owned());
    };
    let age_ms = u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0);
    (age_ms > (interval_ms * LATE_INTERVALS).max(LATE_MS_MIN))
        .then(|| format!("the last acknowledgement is {} s old", age_ms / 1000))
}

impl Status {
    /// As a table.
    pub fn table(&self) -> String {
        let none = || "–".to_owned();
        let rows = [
            ("node", self.node_id.clone().unwrap_or_else(none)),
            ("server", self.server.clone().unwrap_or_else(none)),
            (
                "enrolled",
                if self.enrolled { "yes" } else { "no" }.to_owned(),
            ),
            (
                "last acknowledged",
                self.last_ack_at_ms.map_or_else(none, |ms| {
                    domain::time::format_utc(domain::time::Timestamp(ms))
                }),
            ),
            ("records waiting", self.spool_records.to_string()),
            ("policy", self.policy.clone()),
            ("interval", format!("{} s", self.interval_s)),
            (
                "last refused",
                self.last_refusal
                    .as_ref()
                    .map_or_else(none, LastRefusal::sentence),
            ),
        ];
        rows.iter()
            .map(|(name, value)| format!("{name:<18} {value}\n"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_late_after_four_intervals_and_a_minute() {
        for (last_ms, interval_ms, is_late) in [
            (None, 10_000, true),
            (Some(940_000), 10_000, false),
            (Some(939_999), 10_000, true),
            (Some(760_000), 60_000, false),
            (Some(759_999), 60_000, true),
            // The clock was set back.
            (Some(2_000_000), 10_000, false),
        ] {
            let found = late(last_ms, interval_ms, 1_000_000);
            assert_eq!(found.is_some(), is_late, "{last_ms:?} {interval_ms}");
        }
    }
}
