//! What a host's lists say, in the order and words of its page: pure, so that it can be tested without one.
//!
//! Used by [`super::sections`]. What a host does not tell is said to be missing with its reason; nothing is guessed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use domain::fleet::{Collector, ListenerRow, Outcome, ProcessRow, Status, UnitRow};

use super::view::NodeSections;
use crate::format;

/// Services named in one sentence.
const NAMED_MAX: usize = 3;
/// A certificate with fewer days left is worth a warning.
const CERTIFICATE_SOON_DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;

/// Did it end in failure?
pub fn is_failed(unit: &UnitRow) -> bool {
    unit.active == "failed"
}

/// How a service is, as one of the six; what starts and stops is under way.
pub fn unit_status(unit: &UnitRow) -> Status {
    match unit.active.as_str() {
        "failed" => Status::Warning,
        "active" | "inactive" => Status::Ok,
        "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance" => {
            Status::Pending
        }
        _ => Status::Unknown,
    }
}

/// `active (running)`, as systemd itself writes it.
pub fn unit_state(unit: &UnitRow) -> String {
    if unit.sub.is_empty() || unit.sub == unit.active {
        unit.active.clone()
    } else {
        format!("{} ({})", unit.active, unit.sub)
    }
}

/// Its name without the ending that all of them have.
pub fn unit_name(unit: &UnitRow) -> &str {
    unit.name.strip_suffix(".service").unwrap_or(&unit.name)
}

/// Failed ones first, then those that restarted most; what does not run comes last.
pub fn units_in_order(rows: &[UnitRow]) -> Vec<&UnitRow> {
    let mut sorted: Vec<&UnitRow> = rows.iter().collect();
    sorted.sort_by_key(|unit| {
        (
            !is_failed(unit),
            Reverse(unit.restarts.unwrap_or(0)),
            unit.active == "inactive",
            unit.sub != "running",
            &unit.name,
        )
    });
    sorted
}

/// "2 services failed: a, b"; `None` when none did, or nothing is known.
pub fn failed_words(lists: &NodeSections) -> Option<String> {
    let rows = &lists.lists.units.as_ref()?.rows;
    let mut names: Vec<&str> = rows
        .iter()
        .filter(|unit| is_failed(unit))
        .map(unit_name)
        .collect();
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let count = format::plural(names.len() as u64, "service", "services");
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let named = names.join(", ");
    Some(if more == 0 {
        format!("{count} failed: {named}")
    } else {
        format!("{count} failed: {named} and {more} more")
    })
}

/// Busiest first, and of those that are equally busy the largest.
pub fn processes_in_order(rows: &[ProcessRow]) -> Vec<&ProcessRow> {
    let mut sorted: Vec<&ProcessRow> = rows.iter().collect();
    sorted.sort_by(|a, b| {
        b.cpu_used_ratio
            .total_cmp(&a.cpu_used_ratio)
            .then_with(|| b.rss_bytes.cmp(&a.rss_bytes))
            .then_with(|| a.pid.cmp(&b.pid))
    });
    sorted
}

/// A port with the addresses on which it is open.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenPort<'a> {
    /// Port.
    pub port: u16,
    /// As told.
    pub addresses: Vec<&'a str>,
    /// From where it can be reached as far as the addresses say; firewalls are not known here.
    pub reach: &'static str,
}

/// By port.
pub fn open_ports(rows: &[ListenerRow]) -> Vec<OpenPort<'_>> {
    let mut by_port: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for row in rows {
        by_port.entry(row.port).or_default().push(&row.address);
    }
    by_port
        .into_iter()
        .map(|(port, addresses)| OpenPort {
            port,
            reach: reach(&addresses),
            addresses,
        })
        .collect()
}

fn reach(addresses: &[&str]) -> &'static str {
    let parsed: Vec<Option<std::net::IpAddr>> =
        addresses.iter().map(|text| text.parse().ok()).collect();
    let known = || parsed.iter().flatten();
    if known().any(std::net::IpAddr::is_unspecified) {
        "every address"
    } else if parsed
        .iter()
        .all(|ip| ip.is_some_and(|ip| ip.is_loopback()))
    {
        "this host only"
    } else {
        "these addresses"
    }
}

/// "12 established, 3 time wait"; `None` when there are none.
pub fn connection_words(states: &[(String, u32)]) -> Option<String> {
    let words: Vec<String> = states
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| {
            let state = state.replace('_', " ");
            format!("{} {state}", format::count(u64::from(*count)))
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// How a certificate is for its age, and how long it is valid.
pub fn validity(now_ms: i64, not_after_ms: i64) -> (Status, String) {
    let left_ms = not_after_ms.saturating_sub(now_ms);
    let days = left_ms.unsigned_abs() / DAY_MS.unsigned_abs();
    let words = format::plural(days, "day", "days");
    if left_ms <= 0 {
        let ago = if days == 0 {
            "today".to_owned()
        } else {
            format!("{words} ago")
        };
        (Status::Critical, format!("expired {ago}"))
    } else if left_ms < CERTIFICATE_SOON_DAYS * DAY_MS {
        (Status::Warning, format!("{words} left"))
    } else {
        (Status::Ok, format!("{words} left"))
    }
}

/// Why a list is missing, as a sentence.
pub fn missing_words(lists: &NodeSections, collector: Collector) -> String {
    match outcome(lists, collector) {
        None | Some(Outcome::Ok | Outcome::Partial(_)) => "Not reported yet.".to_owned(),
        Some(Outcome::Absent(why)) => format!("Not on this host: {}.", or_no_reason(why)),
        Some(Outcome::Failed(why)) => {
            format!("The agent could not read it: {}.", or_no_reason(why))
        }
        Some(Outcome::Off) => "Switched off in agent.toml.".to_owned(),
    }
}

/// What to add to a list that is there but is no longer kept up; `None` when it is.
pub fn outdated_words(lists: &NodeSections, collector: Collector) -> Option<String> {
    match outcome(lists, collector)? {
        Outcome::Ok | Outcome::Partial(_) => None,
        Outcome::Absent(why) => Some(format!("No longer told: {}.", or_no_reason(why))),
        Outcome::Failed(why) => Some(format!("Not read again since: {}.", or_no_reason(why))),
        Outcome::Off => Some("No longer told: switched off in agent.toml.".to_owned()),
    }
}

fn outcome(lists: &NodeSections, collector: Collector) -> Option<&Outcome> {
    lists
        .outcomes
        .iter()
        .find(|outcome| outcome.collector == collector)
        .map(|outcome| &outcome.outcome)
}

fn or_no_reason(why: &str) -> &str {
    let why = why.trim_end_matches('.');
    if why.is_empty() {
        "no reason given"
    } else {
        why
    }
}

#[cfg(test)]
mod tests {
    use domain::fleet::{CollectorOutcome, Sections, Taken};

    use super::*;

    fn unit(name: &str, active: &str, sub: &str, restarts: Option<u32>) -> UnitRow {
        UnitRow {
            name: format!("{name}.service"),
            active: active.to_owned(),
            sub: sub.to_owned(),
            restarts,
            description: None,
        }
    }

    fn told(units: Option<Vec<UnitRow>>, outcomes: &[(Collector, Outcome)]) -> NodeSections {
        NodeSections {
            now_ms: 0,
            lists: Sections {
                units: units.map(|rows| Taken {
                    at_ms: 0,
                    left_out: 0,
                    rows,
                }),
                ..Sections::default()
            },
            outcomes: outcomes
                .iter()
                .map(|(collector, outcome)| CollectorOutcome {
                    collector: *collector,
                    duration_us: 1,
                    outcome: outcome.clone(),
                })
                .collect(),
        }
    }

    #[test]
    fn services_that_need_somebody_come_first() {
        let rows = [
            unit("off", "inactive", "dead", Some(0)),
            unit("once", "active", "exited", Some(0)),
            unit("b", "active", "running", None),
            unit("flaps", "active", "running", Some(7)),
            unit("z", "failed", "failed", Some(0)),
            unit("y", "failed", "failed", Some(5)),
            unit("a", "active", "running", Some(0)),
        ];
        let names: Vec<_> = units_in_order(&rows).into_iter().map(unit_name).collect();
        assert_eq!(names, ["y", "z", "flaps", "a", "b", "once", "off"]);
    }

    #[test]
    fn a_service_says_its_state_as_systemd_does() {
        let failed = unit("x", "failed", "failed", None);
        assert_eq!(unit_state(&failed), "failed");
        assert_eq!(unit_status(&failed), Status::Warning);
        let waits = unit("x", "activating", "auto-restart", None);
        assert_eq!(unit_state(&waits), "activating (auto-restart)");
        assert_eq!(unit_status(&waits), Status::Pending);
        assert_eq!(unit_status(&unit("x", "", "", None)), Status::Unknown);
    }

    #[test]
    fn failed_services_are_counted_and_the_first_are_named() {
        assert_eq!(failed_words(&told(None, &[])), None);
        let fine = unit("ssh", "active", "running", Some(0));
        assert_eq!(failed_words(&told(Some(vec![fine.clone()]), &[])), None);
        let failed = |name| unit(name, "failed", "failed", None);
        assert_eq!(
            failed_words(&told(Some(vec![failed("web"), fine]), &[])).as_deref(),
            Some("1 service failed: web")
        );
        let many = ["e", "d", "c", "b", "a"].map(failed).to_vec();
        assert_eq!(
            failed_words(&told(Some(many), &[])).as_deref(),
            Some("5 services failed: a, b, c and 2 more")
        );
    }

    #[test]
    fn processes_are_ordered_by_processor_then_memory() {
        let process = |pid, cpu_used_ratio, rss_bytes| ProcessRow {
            pid,
            name: String::new(),
            cpu_used_ratio,
            rss_bytes,
        };
        let rows = [
            process(1, 0.0, 10),
            process(2, 0.0, 99),
            process(3, 1.5, 1),
            process(4, 0.2, 1),
        ];
        let pids: Vec<u32> = processes_in_order(&rows).iter().map(|p| p.pid).collect();
        assert_eq!(pids, [3, 4, 2, 1]);
    }

    #[test]
    fn a_port_says_from_where_it_is_reached() {
        let row = |address: &str, port| ListenerRow {
            address: address.to_owned(),
            port,
        };
        let rows = [
            row("::", 443),
            row("127.0.0.1", 5432),
            row("0.0.0.0", 443),
            row("::1", 5432),
            row("10.0.0.5", 22),
            row("nonsense", 23),
        ];
        let told: Vec<_> = open_ports(&rows)
            .into_iter()
            .map(|open| (open.port, open.addresses.len(), open.reach))
            .collect();
        assert_eq!(
            told,
            [
                (22, 1, "these addresses"),
                (23, 1, "these addresses"),
                (443, 2, "every address"),
                (5432, 2, "this host only")
            ]
        );
    }

    #[test]
    fn connections_are_counted_by_state() {
        assert_eq!(connection_words(&[]), None);
        let states = [("established".to_owned(), 12), ("time_wait".to_owned(), 3)];
        assert_eq!(
            connection_words(&states).as_deref(),
            Some("12 established, 3 time wait")
        );
    }

    #[test]
    fn a_certificate_counts_whole_days() {
        let words = |left_ms| validity(1_000, 1_000 + left_ms);
        assert_eq!(words(DAY_MS * 90).1, "90 days left");
        assert_eq!(words(DAY_MS * 14).0, Status::Ok);
        assert_eq!(
            words(DAY_MS * 14 - 1),
            (Status::Warning, "13 days left".to_owned())
        );
        assert_eq!(words(DAY_MS + 1).1, "1 day left");
        assert_eq!(words(0), (Status::Critical, "expired today".to_owned()));
        assert_eq!(words(-DAY_MS * 3).1, "expired 3 days ago");
    }

    #[test]
    fn a_missing_list_says_why() {
        let units = Collector::Units;
        for (outcome, words) in [
            (Outcome::Ok, "Not reported yet."),
            (
                Outcome::Absent("systemd does not run this host".into()),
                "Not on this host: systemd does not run this host.",
            ),
            (
                Outcome::Failed("permission denied".into()),
                "The agent could not read it: permission denied.",
            ),
            (Outcome::Off, "Switched off in agent.toml."),
        ] {
            assert_eq!(
                missing_words(&told(None, &[(units, outcome)]), units),
                words
            );
        }
        let others = told(None, &[(Collector::Listeners, Outcome::Off)]);
        assert_eq!(missing_words(&others, units), "Not reported yet.");
    }

    #[test]
    fn a_list_that_is_no_longer_read_says_so() {
        let units = Collector::Units;
        assert_eq!(
            outdated_words(&told(None, &[(units, Outcome::Ok)]), units),
            None
        );
        assert_eq!(
            outdated_words(
                &told(
                    None,
                    &[(units, Outcome::Failed("no answer in time".into()))]
                ),
                units
            )
            .as_deref(),
            Some("Not read again since: no answer in time.")
        );
    }
}
