//! Since when a node is as it is: the first question about every problem.
//!
//! A host's silence begins with its last report; what its agent tells of a server begins when it was told first, however
//! often it is told again.

use super::{Liveness, ServerFacts, Status, server_status};

/// What a host's state is dated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostDates {
    /// Do we still see it?
    pub liveness: Liveness,
    /// When it was enrolled.
    pub enrolled_at_ms: i64,
    /// When its last report was accepted.
    pub last_report_at_ms: Option<i64>,
    /// When two machines were found to use its identity; `None` while that is not so, and where nobody knows when.
    pub quarantined_at_ms: Option<i64>,
}

/// Since when a host is not simply fine; `None` where it is.
pub fn host_since(host: HostDates) -> Option<i64> {
    let silent = match host.liveness {
        Liveness::Live | Liveness::Late | Liveness::ExpectedDown => None,
        Liveness::NoData | Liveness::Stopped => host.last_report_at_ms,
        Liveness::Missing | Liveness::PendingReview => Some(host.enrolled_at_ms),
    };
    host.quarantined_at_ms.or(silent)
}

/// How a server is by itself, as its agent tells it.
pub fn own_status(server: &ServerFacts) -> Status {
    server_status(Liveness::Live, server).0
}

/// Since when a server is as its agent now tells it. `before` is what it told before, and since when that was so.
pub fn own_since(
    before: Option<(&ServerFacts, Option<i64>)>,
    after: &ServerFacts,
    now_ms: i64,
) -> Option<i64> {
    match before {
        Some((facts, since_ms)) if own_status(facts) == own_status(after) => since_ms,
        Some(_) | None => Some(now_ms),
    }
}

/// Since when a server is not simply fine: its host's silence counts first, because nothing newer is known.
pub fn server_since(
    host: HostDates,
    server: &ServerFacts,
    own_since_ms: Option<i64>,
) -> Option<i64> {
    let host = HostDates {
        quarantined_at_ms: None,
        ..host
    };
    host_since(host).or(own_since_ms.filter(|_| own_status(server) != Status::Ok))
}

/// Since when a cluster has had less than it needs: so many of its `members` it can spare, and the next that was lost made
/// it too few. `lost` says of each that is not available since when, `None` where nobody knows; then nobody knows this either.
pub fn below_since(
    members: u32,
    needed: u32,
    lost: impl IntoIterator<Item = Option<i64>>,
) -> Option<i64> {
    let spare = usize::try_from(members.checked_sub(needed)?).ok()?;
    let mut lost: Vec<i64> = lost.into_iter().collect::<Option<_>>()?;
    lost.sort_unstable();
    lost.get(spare).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::ServerState;

    fn host(liveness: Liveness) -> HostDates {
        HostDates {
            liveness,
            enrolled_at_ms: 1,
            last_report_at_ms: Some(50),
            quarantined_at_ms: None,
        }
    }

    fn server(state: ServerState) -> ServerFacts {
        ServerFacts {
            key: "tomcat:/srv/t".to_owned(),
            pack: "tomcat".to_owned(),
            name: "t".to_owned(),
            product: None,
            version: None,
            home: None,
            unit: None,
            port_offset: None,
            pid: None,
            started_at_ms: None,
            ports: Vec::new(),
            cluster: None,
            role: None,
            sub_domain: None,
            console_url: None,
            state,
            probe: None,
            restarts: None,
        }
    }

    #[test]
    fn silence_begins_with_the_last_report_and_what_never_came_with_the_enrollment() {
        for (liveness, since) in [
            (Liveness::Live, None),
            (Liveness::Late, None),
            (Liveness::NoData, Some(50)),
            (Liveness::Stopped, Some(50)),
            (Liveness::Missing, Some(1)),
            (Liveness::PendingReview, Some(1)),
        ] {
            assert_eq!(host_since(host(liveness)), since, "{liveness:?}");
        }
        let cloned = HostDates {
            quarantined_at_ms: Some(40),
            ..host(Liveness::Live)
        };
        assert_eq!(host_since(cloned), Some(40));
    }

    #[test]
    fn a_cluster_is_too_small_since_it_lost_more_than_it_can_spare() {
        for (members, needed, lost, since) in [
            (3, 2, vec![], None),
            (3, 2, vec![Some(7)], None),
            (3, 2, vec![Some(9), Some(7)], Some(9)),
            (3, 2, vec![Some(9), Some(7), Some(8)], Some(8)),
            (3, 3, vec![Some(9), Some(7)], Some(7)),
            (3, 2, vec![Some(9), None], None),
            // It asks for more than there ever were.
            (2, 3, vec![Some(9)], None),
        ] {
            assert_eq!(
                below_since(members, needed, lost.clone()),
                since,
                "{lost:?}"
            );
        }
    }

    #[test]
    fn what_is_told_again_keeps_its_beginning() {
        let (runs, failed, gone) = (
            server(ServerState::Running),
            server(ServerState::Failed),
            server(ServerState::Gone),
        );
        assert_eq!(own_since(None, &runs, 7), Some(7));
        assert_eq!(own_since(Some((&runs, Some(7))), &failed, 20), Some(20));
        assert_eq!(own_since(Some((&failed, Some(20))), &gone, 30), Some(20));
        assert_eq!(own_since(Some((&failed, None)), &failed, 30), None);
        assert_eq!(own_since(Some((&gone, Some(20))), &runs, 40), Some(40));
    }

    #[test]
    fn a_server_is_dated_by_itself_while_its_host_is_seen() {
        let (failed, runs) = (server(ServerState::Failed), server(ServerState::Running));
        let since = |liveness, facts| server_since(host(liveness), facts, Some(20));
        assert_eq!(since(Liveness::Live, &failed), Some(20));
        assert_eq!(since(Liveness::Live, &runs), None);
        assert_eq!(since(Liveness::NoData, &failed), Some(50));
    }
}
