//! What changed about a server between two looks, so that the log tells it once and in order.
//!
//! Pure: called by the server's ingest for each list of servers that is news.

use super::{ServerFacts, ServerState};

/// Something that happened to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerChange {
    /// It was found for the first time.
    Appeared,
    /// It runs again.
    Started,
    /// It runs, with another process than before.
    Restarted,
    /// Its service was stopped in good order.
    Stopped,
    /// Its service failed.
    Failed,
    /// Its process is gone.
    Gone,
    /// Another version of its product.
    VersionChanged {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Its health probe is no longer answered as it should.
    ProbeFailing {
        /// Why, in a sentence.
        why: String,
    },
    /// Its health probe is answered again.
    ProbeAnswered,
}

impl ServerChange {
    /// Verbs of what a server that is not fine begins to be so with.
    pub const TROUBLES: [&'static str; 5] = [
        "server appeared",
        "server stopped",
        "server failed",
        "server vanished",
        "health probe failed",
    ];

    /// As in the log, past tense.
    pub fn verb(&self) -> &'static str {
        match self {
            ServerChange::Appeared => "server appeared",
            ServerChange::Started => "server started",
            ServerChange::Restarted => "server restarted",
            ServerChange::Stopped => "server stopped",
            ServerChange::Failed => "server failed",
            ServerChange::Gone => "server vanished",
            ServerChange::VersionChanged { .. } => "version changed",
            ServerChange::ProbeFailing { .. } => "health probe failed",
            ServerChange::ProbeAnswered => "health probe answered",
        }
    }

    /// More, for whoever asks.
    pub fn detail(&self) -> String {
        match self {
            ServerChange::VersionChanged { from, to } => format!("{from} → {to}"),
            ServerChange::ProbeFailing { why } => why.clone(),
            ServerChange::Appeared
            | ServerChange::Started
            | ServerChange::Restarted
            | ServerChange::Stopped
            | ServerChange::Failed
            | ServerChange::Gone
            | ServerChange::ProbeAnswered => String::new(),
        }
    }
}

/// What happened between two looks at one server; `None` for one that was never seen.
///
/// A restart is another process (id or beginning) while it runs, so that one between two looks is told too.
pub fn server_changes(before: Option<&ServerFacts>, after: &ServerFacts) -> Vec<ServerChange> {
    let Some(before) = before else {
        return vec![ServerChange::Appeared];
    };
    let mut changes = Vec::new();
    match (before.state, after.state) {
        (ServerState::Running, ServerState::Running) => {
            let same = (before.pid, before.started_at_ms) == (after.pid, after.started_at_ms);
            if !same && before.pid.is_some() && after.pid.is_some() {
                changes.push(ServerChange::Restarted);
            }
        }
        (_, ServerState::Running) => changes.push(ServerChange::Started),
        (old, new) if old == new => {}
        (_, ServerState::Stopped) => changes.push(ServerChange::Stopped),
        (_, ServerState::Failed) => changes.push(ServerChange::Failed),
        (_, ServerState::Gone) => changes.push(ServerChange::Gone),
    }
    if let (Some(from), Some(to)) = (&before.version, &after.version)
        && from != to
    {
        changes.push(ServerChange::VersionChanged {
            from: from.clone(),
            to: to.clone(),
        });
    }
    let is_up = |server: &ServerFacts| server.probe.as_ref().map(|probe| probe.is_up);
    if after.state == ServerState::Running {
        match (is_up(before), is_up(after)) {
            (Some(true) | None, Some(false)) => {
                let trouble = after.probe.clone().map(super::ServerTrouble::Probe);
                let why = trouble.map_or_else(String::new, |trouble| trouble.sentence());
                changes.push(ServerChange::ProbeFailing { why });
            }
            (Some(false), Some(true)) => changes.push(ServerChange::ProbeAnswered),
            (Some(true) | None, Some(true)) | (Some(false), Some(false)) | (_, None) => {}
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::ProbeResult;

    fn server(state: ServerState, pid: u32, version: &str, up: Option<bool>) -> ServerFacts {
        ServerFacts {
            key: "tomcat:/srv/t".to_owned(),
            pack: "tomcat".to_owned(),
            name: "t".to_owned(),
            product: None,
            version: Some(version.to_owned()),
            home: None,
            unit: None,
            port_offset: None,
            pid: (state == ServerState::Running).then_some(pid),
            started_at_ms: None,
            ports: Vec::new(),
            cluster: None,
            role: None,
            sub_domain: None,
            console_url: None,
            state,
            probe: up.map(|is_up| ProbeResult {
                url: String::new(),
                is_up,
                code: Some(if is_up { 200 } else { 503 }),
                reason: None,
            }),
            restarts: None,
        }
    }

    #[test]
    fn each_change_is_told_once() {
        use ServerState::{Failed, Gone, Running, Stopped};
        let verbs = |before: Option<&ServerFacts>, after: &ServerFacts| -> Vec<&'static str> {
            server_changes(before, after)
                .iter()
                .map(ServerChange::verb)
                .collect()
        };
        let runs = server(Running, 7, "10.1", Some(true));
        assert_eq!(verbs(None, &runs), ["server appeared"]);
        assert_eq!(verbs(Some(&runs), &runs), [""; 0]);
        for (after, told) in [
            (
                server(Running, 8, "10.1", Some(true)),
                vec!["server restarted"],
            ),
            (
                server(Running, 8, "10.2", Some(false)),
                vec!["server restarted", "version changed", "health probe failed"],
            ),
            (server(Gone, 7, "10.1", None), vec!["server vanished"]),
            (
                server(Stopped, 7, "10.1", Some(false)),
                vec!["server stopped"],
            ),
            (server(Failed, 7, "10.1", None), vec!["server failed"]),
        ] {
            assert_eq!(verbs(Some(&runs), &after), told);
        }
        let gone = server(Gone, 7, "10.1", None);
        assert_eq!(verbs(Some(&gone), &runs), ["server started"]);
        let ill = server(Running, 7, "10.1", Some(false));
        assert_eq!(verbs(Some(&ill), &runs), ["health probe answered"]);
        for worse in [&gone, &ill, &server(Stopped, 7, "10.1", None)] {
            for before in [None, Some(&runs)] {
                let told = verbs(before, worse);
                assert!(
                    told.iter()
                        .any(|verb| ServerChange::TROUBLES.contains(verb)),
                    "{told:?}"
                );
            }
        }
        assert_eq!(
            server_changes(Some(&runs), &ill)[0].detail(),
            "Its health probe answers 503."
        );
    }
}
