//! Nodes and clusters by a few letters, for the console's search.

use std::collections::BTreeMap;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::view::NodeRow;
use app::search::api::SearchPort;
use app::search::view::{Hit, HitKind};
use app::url;
use domain::access::Action;

use super::service::{matches_text, rows};
use crate::web::console::Console;

/// Of each kind.
const NODES_MAX: usize = 12;
const CLUSTERS_MAX: usize = 6;

#[async_trait::async_trait]
impl SearchPort for Console {
    async fn search(&self, who: &Operator, q: &str) -> Result<Vec<Hit>, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(hits(rows(self.ops()), q))
    }
}

/// Names that begin with what was typed come first, then problems, then by name.
fn hits(rows: Vec<NodeRow>, q: &str) -> Vec<Hit> {
    let typed = q.trim().to_lowercase();
    let is_start = |name: &str| !typed.is_empty() && name.to_lowercase().starts_with(&typed);
    let mut clusters: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in &rows {
        *clusters
            .entry((row.system.clone(), row.cluster.clone()))
            .or_default() += 1;
    }
    let mut clusters: Vec<_> = clusters
        .into_iter()
        .filter(|((system, cluster), _)| {
            let text = format!("{system} {cluster}").to_lowercase();
            typed.split_whitespace().all(|word| text.contains(word))
        })
        .collect();
    clusters.sort_by_key(|((_, cluster), _)| !is_start(cluster));
    let mut nodes: Vec<NodeRow> = rows
        .into_iter()
        .filter(|row| matches_text(row, &typed))
        .collect();
    nodes.sort_by(|a, b| {
        (!is_start(&a.name), a.status, &a.name).cmp(&(!is_start(&b.name), b.status, &b.name))
    });
    let nodes = nodes.into_iter().take(NODES_MAX).map(|row| Hit {
        kind: HitKind::Node,
        detail: format!("{} · {}", row.cluster, row.status.label()),
        href: url::node(&row.id),
        label: row.name,
    });
    let clusters = clusters
        .into_iter()
        .take(CLUSTERS_MAX)
        .map(|((system, cluster), count)| Hit {
            kind: HitKind::Cluster,
            detail: format!(
                "{system} · {}",
                app::format::plural(count as u64, "node", "nodes")
            ),
            href: url::cluster(&cluster),
            label: cluster,
        });
    nodes.chain(clusters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::fleet::{Liveness, Status};

    fn row(name: &str, cluster: &str, status: Status) -> NodeRow {
        NodeRow {
            id: format!("n{name}"),
            name: name.to_owned(),
            hostname: name.to_owned(),
            kind: "host".to_owned(),
            system: "shop".to_owned(),
            cluster: cluster.to_owned(),
            role: None,
            product: None,
            version: None,
            sub_domain: None,
            host_name: name.to_owned(),
            address: None,
            console_url: None,
            tags: std::collections::BTreeMap::new(),
            counts: true,
            status,
            liveness: Liveness::Live,
            reason: None,
            last_report_at_ms: None,
            interval_s: 10,
            now: app::fleet::view::Headline::default(),
        }
    }

    #[test]
    fn what_begins_so_comes_first_then_what_is_wrong() {
        let rows = || {
            vec![
                row("web-db", "web", Status::Ok),
                row("web-1", "web", Status::Critical),
                row("db-1", "db", Status::Ok),
            ]
        };
        let labels =
            |q: &str| -> Vec<String> { hits(rows(), q).into_iter().map(|hit| hit.label).collect() };
        assert_eq!(labels("db"), ["db-1", "web-db", "db"]);
        assert_eq!(labels(""), ["web-1", "db-1", "web-db", "db", "web"]);
        assert_eq!(labels("shop web"), ["web-1", "web-db", "web"]);
        assert!(labels("nothing").is_empty());
    }
}
