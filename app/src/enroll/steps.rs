//! What the steps of adding a node say: pure, so that they can be tested without a page.

use super::view::{CreatedToken, EnrolledNode, TokenStatus};
use crate::format;

/// After this long without a report the page says what to look at.
pub const HINTS_AFTER_MS: i64 = 90_000;

impl CreatedToken {
    /// What to run on the machine, token included.
    pub fn command(&self) -> String {
        self.command_with(&self.token)
    }

    /// The same with the secret covered.
    pub fn masked_command(&self) -> String {
        self.command_with(&mask(&self.token))
    }

    fn command_with(&self, token: &str) -> String {
        let insecure = if self.insecure_http {
            " --insecure-http"
        } else {
            ""
        };
        let url = &self.server_url;
        match &self.agent_sha256 {
            Some(digest) => format!(
                "curl -fsSo oc-agent {url}/install/oc-agent && echo '{digest}  oc-agent' | sha256sum -c && chmod +x oc-agent && sudo ./oc-agent install --server {url} --token {token}{insecure}"
            ),
            None => format!("sudo oc-agent install --server {url} --token {token}{insecure}"),
        }
    }
}

/// The recognisable beginning, then dots.
fn mask(token: &str) -> String {
    let shown: String = token
        .split_inclusive('_')
        .next()
        .filter(|prefix| prefix.ends_with('_'))
        .unwrap_or_default()
        .to_owned();
    format!("{shown}••••••••••••")
}

/// How the wait for a first report is going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Nothing yet; for so long.
    Waiting {
        /// Milliseconds since the token was made.
        for_ms: i64,
    },
    /// Somebody enrolled, but has not reported.
    Enrolled {
        /// Who.
        node: EnrolledNode,
        /// Milliseconds since the token was made.
        for_ms: i64,
    },
    /// There it is.
    Reported(Vec<EnrolledNode>),
    /// It can no longer happen with this token.
    Over(&'static str),
}

impl TokenStatus {
    /// Could another node still use it, but for the clock?
    pub fn still_works(&self) -> bool {
        !self.revoked && self.used < self.uses
    }

    /// Judges the wait at `now_ms`.
    pub fn wait(&self, now_ms: i64) -> Wait {
        let reported: Vec<EnrolledNode> = self
            .nodes
            .iter()
            .filter(|node| node.reported)
            .cloned()
            .collect();
        let for_ms = now_ms.saturating_sub(self.created_at_ms).max(0);
        if !reported.is_empty() {
            Wait::Reported(reported)
        } else if let Some(node) = self.nodes.first() {
            Wait::Enrolled {
                node: node.clone(),
                for_ms,
            }
        } else if self.revoked {
            Wait::Over("The token was revoked before anything used it.")
        } else if now_ms >= self.expires_at_ms {
            Wait::Over("The token expired before anything used it.")
        } else {
            Wait::Waiting { for_ms }
        }
    }
}

impl EnrolledNode {
    /// `(Debian GNU/Linux 13, 8 cores)`, as far as it was told.
    pub fn about(&self) -> Option<String> {
        let cores = self
            .cpu_count
            .map(|cores| format::plural(u64::from(cores), "core", "cores"));
        let parts: Vec<String> = [self.os.clone(), cores].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("({})", parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(nodes: Vec<EnrolledNode>) -> TokenStatus {
        TokenStatus {
            id: "t1".into(),
            system: "default".into(),
            cluster: "local".into(),
            created_by: "admin".into(),
            created_at_ms: 1_000,
            expires_at_ms: 601_000,
            uses: 1,
            used: nodes.len() as u32,
            revoked: false,
            review: false,
            nodes,
            now_ms: 1_000,
        }
    }

    fn node(reported: bool) -> EnrolledNode {
        EnrolledNode {
            id: "n1".into(),
            name: "web-1".into(),
            os: Some("Debian 13".into()),
            cpu_count: Some(8),
            reported,
        }
    }

    #[test]
    fn waiting_ends_with_a_report_or_with_the_token() {
        assert_eq!(
            status(vec![]).wait(91_000),
            Wait::Waiting { for_ms: 90_000 }
        );
        assert_eq!(
            status(vec![node(false)]).wait(2_000),
            Wait::Enrolled {
                node: node(false),
                for_ms: 1_000
            }
        );
        assert_eq!(
            status(vec![node(false), node(true)]).wait(700_000),
            Wait::Reported(vec![node(true)])
        );
        assert!(matches!(status(vec![]).wait(601_000), Wait::Over(_)));
        assert!(matches!(
            TokenStatus {
                revoked: true,
                ..status(vec![])
            }
            .wait(2_000),
            Wait::Over(_)
        ));
        assert_eq!(node(true).about().as_deref(), Some("(Debian 13, 8 cores)"));
        assert_eq!(
            EnrolledNode {
                os: None,
                cpu_count: None,
                ..node(true)
            }
            .about(),
            None
        );
    }

    #[test]
    fn the_command_is_whole_and_its_masked_form_keeps_the_secret() {
        let created = CreatedToken {
            id: "t1".into(),
            token: "oce_SECRET".into(),
            server_url: "http://10.0.0.1:7700".into(),
            insecure_http: true,
            expires_at_ms: 0,
            agent_sha256: None,
        };
        let install = "install --server http://10.0.0.1:7700 --token oce_SECRET --insecure-http";
        assert_eq!(created.command(), format!("sudo oc-agent {install}"));
        let offered = CreatedToken {
            agent_sha256: Some("ab12".into()),
            ..created.clone()
        };
        assert_eq!(
            offered.command(),
            format!(
                "curl -fsSo oc-agent http://10.0.0.1:7700/install/oc-agent && echo 'ab12  oc-agent' | sha256sum -c && chmod +x oc-agent && sudo ./oc-agent {install}"
            )
        );
        assert!(
            created.masked_command().contains("--token oce_•")
                && !created.masked_command().contains("SECRET")
        );
        assert_eq!(mask("SECRET"), "••••••••••••");
    }
}
