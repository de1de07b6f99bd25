//! Nodes and clusters by a few letters, for the console's search.

use std::collections::BTreeMap;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::view::{NodeRow, NodesQuery};
use app::search::api::SearchPort;
use app::search::view::{Hit, HitKind};
use app::url;
use domain::access::Action;
use domain::filter::{Condition, Filter, TERMS_MAX, Term};
use domain::fleet::Status;

use super::list::Matcher;
use super::service::rows;
use crate::ops::Ops;
use crate::web::console::Console;

/// Of each kind.
const NODES_MAX: usize = 12;
const CLUSTERS_MAX: usize = 6;
/// Nodes with a problem that are offered before anything is typed.
const PROBLEMS_MAX: usize = 6;

#[async_trait::async_trait]
impl SearchPort for Console {
    async fn search(&self, who: &Operator, q: &str) -> Result<Vec<Hit>, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(search(self.ops(), q))
    }
}

/// What is typed is a filter as in lists, `#tier=edge` short for a tag; `>` asks for pages and actions alone, `?` for help.
fn search(ops: &Ops, q: &str) -> Vec<Hit> {
    let typed = q.trim();
    if typed.starts_with(['>', '?']) {
        return Vec::new();
    }
    let (filter, text) = filter_of(typed);
    let matcher = Matcher::new(ops, &filter);
    let rows = rows(ops);
    hits(rows, &filter, &text, |row| matcher.lets_through(row))
}

/// The filter and how it is written; text that is none is looked for as it stands.
fn filter_of(typed: &str) -> (Filter, String) {
    let text = match typed.strip_prefix('#') {
        Some("") => String::new(),
        Some(tag) => format!("tag:{tag}"),
        None => typed.to_owned(),
    };
    match text.parse::<Filter>() {
        Ok(filter) => (filter, text),
        Err(_) => {
            let words = typed.split_whitespace().take(TERMS_MAX);
            let terms = words
                .map(|word| Term {
                    is_negated: false,
                    condition: Condition::Text(word.to_owned()),
                })
                .collect();
            let filter = Filter { terms };
            let text = filter.to_string();
            (filter, text)
        }
    }
}

/// Clusters first, then nodes; names that begin with what was typed first, then problems, then by name. Where nothing was
/// typed: what has a problem, then clusters.
fn hits(
    rows: Vec<NodeRow>,
    filter: &Filter,
    text: &str,
    lets_through: impl Fn(&NodeRow) -> bool,
) -> Vec<Hit> {
    let first = filter.words().next().unwrap_or_default().to_lowercase();
    let is_start = |name: &str| !first.is_empty() && name.to_lowercase().starts_with(&first);
    let is_words = filter.words().count() == filter.terms.len();
    let mut clusters: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in &rows {
        *clusters
            .entry((row.system.clone(), row.cluster.clone()))
            .or_default() += 1;
    }
    // A cluster goes by its names alone: what else is asked for is asked of nodes.
    let mut clusters: Vec<_> = clusters
        .into_iter()
        .filter(|((system, cluster), _)| {
            let names = format!("{system} {cluster}").to_lowercase();
            is_words
                && filter
                    .words()
                    .all(|word| names.contains(&word.to_lowercase()))
        })
        .collect();
    clusters.sort_by_key(|((_, cluster), _)| !is_start(cluster));
    let mut nodes: Vec<NodeRow> = rows.into_iter().filter(lets_through).collect();
    nodes.sort_by(|a, b| {
        (!is_start(&a.name), a.status, &a.name).cmp(&(!is_start(&b.name), b.status, &b.name))
    });
    let more = nodes.len().saturating_sub(NODES_MAX);
    let more = (more > 0 && !filter.is_empty()).then(|| Hit {
        kind: HitKind::All,
        label: format!("All {} nodes for this", nodes.len()),
        detail: text.to_owned(),
        href: NodesQuery::of_filter(text.to_owned()).url(),
        status: None,
    });
    if filter.is_empty() {
        nodes.retain(|row| is_problem(row.status));
        nodes.truncate(PROBLEMS_MAX);
    }
    let nodes = nodes.into_iter().take(NODES_MAX).map(|row| Hit {
        kind: HitKind::Node,
        detail: match &row.reason {
            Some(reason) if is_problem(row.status) => format!("{} · {reason}", row.cluster),
            _ => format!("{} · {}", row.cluster, row.status.label()),
        },
        href: url::node(&row.id),
        label: row.name,
        status: is_problem(row.status).then_some(row.status),
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
            status: None,
        });
    if filter.is_empty() {
        return nodes.chain(clusters).collect();
    }
    clusters.chain(nodes).chain(more).collect()
}

/// Should somebody look at it?
fn is_problem(status: Status) -> bool {
    status <= Status::Warning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, cluster: &str, status: Status) -> NodeRow {
        NodeRow {
            id: format!("n{name}"),
            cluster: cluster.to_owned(),
            status,
            ..crate::fleet::list::tests::row(name)
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
        let labels = |q: &str| -> Vec<String> {
            let (filter, text) = filter_of(q);
            let lets_through = |row: &NodeRow| {
                let words = filter.words().all(|word| {
                    format!("{} {} {}", row.name, row.system, row.cluster).contains(word)
                });
                words && filter.words().count() == filter.terms.len()
            };
            let hits = hits(rows(), &filter, &text, lets_through);
            hits.into_iter().map(|hit| hit.label).collect()
        };
        assert_eq!(labels("db"), ["db", "db-1", "web-db"]);
        assert_eq!(labels(""), ["web-1", "db", "web"]);
        assert_eq!(labels("shop web"), ["web", "web-1", "web-db"]);
        assert!(labels("nothing").is_empty());
    }

    #[test]
    fn what_is_typed_is_a_filter_and_never_an_error() {
        for (typed, text) in [
            ("web cpu>80", "web cpu>80"),
            ("#tier=edge", "tag:tier=edge"),
            ("#tier", "tag:tier"),
            ("#", ""),
            ("http://x y", "\"http://x\" y"),
            ("cpu>", "\"cpu>\""),
        ] {
            assert_eq!(filter_of(typed).1, text, "{typed}");
        }
    }
}
