//! Servers found on a host: what they are, whether they run, and which cluster they belong to.
//!
//! A pack on the host finds a server; the server's own configuration may name a cluster. Neither decides: an operator or
//! the enrollment token does ([`place`]). Invariant: a server that is not accepted never counts in a roll-up.

use serde::{Deserialize, Serialize};

use super::{Liveness, Status, status_of};

/// Whether a server's process is there, as its agent sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It runs.
    Running,
    /// Its service was stopped in good order.
    Stopped,
    /// Its service failed.
    Failed,
    /// It was found before and has no process now.
    Gone,
}

/// What a health probe last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// What was asked.
    pub url: String,
    /// Answered as it should?
    pub is_up: bool,
    /// HTTP status, when there was an answer.
    pub code: Option<u16>,
    /// Why it is not up, in a word: `refused`, `timeout`, `status`, `body`.
    pub reason: Option<String>,
}

/// A server as its agent tells it, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Tells it apart on its host and stays over restarts; also the instance of its samples.
    pub key: String,
    /// Pack that found it; the node's kind.
    pub pack: String,
    /// For people.
    pub name: String,
    /// Such as "Apache Tomcat".
    pub product: Option<String>,
    /// Version of the product.
    pub version: Option<String>,
    /// Folder it runs from.
    pub home: Option<String>,
    /// Service that it is the main process of.
    pub unit: Option<String>,
    /// Added to all its ports (Carbon).
    pub port_offset: Option<u32>,
    /// Main process while it runs.
    pub pid: Option<u32>,
    /// When that process began, by the host's clock.
    pub started_at_ms: Option<i64>,
    /// Where it listens, ascending.
    pub ports: Vec<u16>,
    /// Cluster that its configuration names; a suggestion.
    pub cluster: Option<String>,
    /// Role that its configuration names; a suggestion.
    pub role: Option<String>,
    /// Sub-domain of its cluster (Carbon).
    pub sub_domain: Option<String>,
    /// Where its own console is; only `http` and `https`.
    pub console_url: Option<String>,
    /// Whether its process is there.
    pub state: ServerState,
    /// What its health probe said; `None` without a probe.
    pub probe: Option<ProbeResult>,
    /// How often its service was restarted by itself.
    pub restarts: Option<u32>,
}

/// What was decided about a server that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// It counts.
    Accepted,
    /// It waits for a decision and does not count.
    New,
    /// Somebody said that it is of no interest.
    Ignored,
}

impl Admission {
    /// As stored and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Admission::Accepted => "accepted",
            Admission::New => "new",
            Admission::Ignored => "ignored",
        }
    }

    /// As [`Admission::as_str`] writes it.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Admission::Accepted, Admission::New, Admission::Ignored]
            .into_iter()
            .find(|admission| admission.as_str() == text)
    }
}

/// Where a server that was just found goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Slug of its cluster.
    pub cluster: String,
    /// Role in it.
    pub role: Option<String>,
    /// Does it count at once?
    pub admission: Admission,
}

/// Places a server that was found: the token's cluster counts, a suggestion only where the token allows it.
///
/// A server that names another cluster than its token's waits in the inbox, so that no host can declare itself into
/// somebody else's budget.
pub fn place(
    token_cluster: &str,
    token_role: Option<&str>,
    allows_suggestions: bool,
    suggested_cluster: Option<&str>,
    suggested_role: Option<&str>,
) -> Placement {
    let differs = suggested_cluster.is_some_and(|cluster| cluster != token_cluster);
    let cluster = match suggested_cluster {
        Some(cluster) if allows_suggestions => cluster,
        _ => token_cluster,
    };
    let role = token_role.or(suggested_role.filter(|_| allows_suggestions || !differs));
    Placement {
        cluster: cluster.to_owned(),
        role: role.map(str::to_owned),
        admission: if differs && !allows_suggestions {
            Admission::New
        } else {
            Admission::Accepted
        },
    }
}

/// Whether a server is seen: its host's silence counts first, because nothing newer is known.
pub fn server_liveness(host: Liveness, state: ServerState) -> Liveness {
    match host {
        Liveness::Live | Liveness::Late => match state {
            ServerState::Running => host,
            ServerState::Stopped => Liveness::Stopped,
            ServerState::Failed | ServerState::Gone => Liveness::Missing,
        },
        Liveness::NoData
        | Liveness::Stopped
        | Liveness::ExpectedDown
        | Liveness::Missing
        | Liveness::PendingReview => host,
    }
}

/// How a server is, and why, where it is not simply fine.
pub fn server_status(host: Liveness, server: &ServerFacts) -> (Status, Option<ServerTrouble>) {
    let is_host_seen = matches!(host, Liveness::Live | Liveness::Late);
    if !is_host_seen {
        return (status_of(host), Some(ServerTrouble::HostNotSeen(host)));
    }
    match server.state {
        ServerState::Failed => (Status::Critical, Some(ServerTrouble::Failed)),
        ServerState::Gone => (Status::Critical, Some(ServerTrouble::Gone)),
        ServerState::Stopped => (Status::Unknown, Some(ServerTrouble::Stopped)),
        ServerState::Running => match &server.probe {
            Some(probe) if !probe.is_up => {
                (Status::Critical, Some(ServerTrouble::Probe(probe.clone())))
            }
            Some(_) | None => (Status::Ok, None),
        },
    }
}

/// Why a server is not simply fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTrouble {
    /// Its host is not seen; nothing newer is known.
    HostNotSeen(Liveness),
    /// Its service failed.
    Failed,
    /// Its process is gone.
    Gone,
    /// Its service was stopped in good order.
    Stopped,
    /// Its health probe is not answered as it should.
    Probe(ProbeResult),
}

impl ServerTrouble {
    /// In words, for a page.
    pub fn sentence(&self) -> String {
        match self {
            ServerTrouble::HostNotSeen(Liveness::NoData) => {
                "Its host is silent; how the server is cannot be told.".to_owned()
            }
            ServerTrouble::HostNotSeen(liveness) => {
                format!("Its host: {}.", liveness.label().to_lowercase())
            }
            ServerTrouble::Failed => "Its service failed.".to_owned(),
            ServerTrouble::Gone => "Its process is gone.".to_owned(),
            ServerTrouble::Stopped => "Its service was stopped.".to_owned(),
            ServerTrouble::Probe(probe) => match (probe.code, probe.reason.as_deref()) {
                (Some(code), Some("body")) => {
                    format!("Its health probe answers {code}, but not what it should.")
                }
                (Some(code), _) => format!("Its health probe answers {code}."),
                (None, Some("refused")) => "Its health probe is refused.".to_owned(),
                (None, Some("timeout")) => "Its health probe gets no answer in time.".to_owned(),
                (None, _) => "Its health probe gets no answer.".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_moves_nothing_unless_the_token_allows_it() {
        let case = |allows, suggested: Option<&str>| {
            let placed = place("web", None, allows, suggested, Some("worker"));
            (placed.cluster, placed.role, placed.admission)
        };
        let worker = Some("worker".to_owned());
        for (allows, suggested, cluster, role, admission) in [
            (false, None, "web", worker.clone(), Admission::Accepted),
            (
                false,
                Some("web"),
                "web",
                worker.clone(),
                Admission::Accepted,
            ),
            (false, Some("prod-db"), "web", None, Admission::New),
            (
                true,
                Some("app"),
                "app",
                worker.clone(),
                Admission::Accepted,
            ),
            (true, None, "web", worker, Admission::Accepted),
        ] {
            assert_eq!(
                case(allows, suggested),
                (cluster.to_owned(), role, admission),
                "{allows} {suggested:?}"
            );
        }
        let placed = place("web", Some("manager"), true, Some("app"), Some("worker"));
        assert_eq!(
            placed.role.as_deref(),
            Some("manager"),
            "the token's role counts"
        );
    }

    #[test]
    fn a_silent_host_hides_how_its_servers_are() {
        let mut server = ServerFacts {
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
            state: ServerState::Gone,
            probe: None,
            restarts: None,
        };
        let case = |host, server: &ServerFacts| server_status(host, server).0;
        assert_eq!(case(Liveness::Live, &server), Status::Critical);
        assert_eq!(case(Liveness::NoData, &server), Status::Unknown);
        server.state = ServerState::Running;
        assert_eq!(case(Liveness::Late, &server), Status::Ok);
        server.probe = Some(ProbeResult {
            url: String::new(),
            is_up: false,
            code: Some(503),
            reason: Some("status".to_owned()),
        });
        let (status, why) = server_status(Liveness::Live, &server);
        assert_eq!(status, Status::Critical);
        assert_eq!(why.unwrap().sentence(), "Its health probe answers 503.");
        assert_eq!(
            server_liveness(Liveness::Live, ServerState::Stopped),
            Liveness::Stopped
        );
        assert_eq!(
            server_liveness(Liveness::NoData, ServerState::Stopped),
            Liveness::NoData
        );
    }
}
