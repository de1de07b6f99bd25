//! A cluster as a filter sees it: the language of the list of nodes, asked of what its nodes add up to.
//!
//! What only a node has (role, address, age of the last report) no cluster has, so that such a term lets none through.

use app::clusters::view::ClusterSummary;
use domain::filter::{Condition, Field, Filter, Subject};
use domain::fleet::{Liveness, Status};
use domain::metric::Metric;

/// Does the filter let this cluster through?
pub fn lets_through(filter: &Filter, cluster: &ClusterSummary) -> bool {
    // Of a cluster without nodes nothing can be said, so it has no status that could be asked for.
    let has_status = |condition: &Condition| {
        cluster.rollup.status.is_some()
            || !matches!(condition, Condition::Status(_) | Condition::Liveness(_))
    };
    filter.terms.iter().all(|term| has_status(&term.condition)) && filter.matches(&Seen(cluster))
}

struct Seen<'a>(&'a ClusterSummary);

impl Subject for Seen<'_> {
    fn texts(&self, field: Field) -> impl Iterator<Item = &str> {
        let cluster = self.0;
        let one = match field {
            Field::Name | Field::Cluster | Field::Id => Some(cluster.slug.as_str()),
            Field::System => Some(cluster.system.as_str()),
            Field::Kind => Some(cluster.kind.as_str()),
            Field::Host
            | Field::Role
            | Field::Product
            | Field::Version
            | Field::SubDomain
            | Field::Address => None,
        };
        let runs = cluster.versions.iter();
        let many = runs.filter_map(move |run| match field {
            Field::Product => Some(run.product.as_str()),
            Field::Version => run.version.as_deref(),
            _ => None,
        });
        one.into_iter().chain(many)
    }

    fn status(&self) -> Status {
        self.0.rollup.status.unwrap_or(Status::Ok)
    }

    /// That of its worst nodes is not kept; that it has any is what can be said.
    fn liveness(&self) -> Liveness {
        Liveness::Live
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.0.tags.get(name).map(String::as_str)
    }

    fn tag_values(&self) -> impl Iterator<Item = &str> {
        let tags = self.0.tags.values().map(String::as_str);
        tags.chain(self.0.environment.as_deref())
    }

    fn any_value(&self, metric: Metric, fulfils: impl Fn(f64) -> bool) -> bool {
        let mean = match metric {
            Metric::CpuUsedRatio => self.0.cpu_used_ratio,
            Metric::MemoryUsedRatio => self.0.memory_used_ratio,
            _ => None,
        };
        mean.is_some_and(fulfils)
    }

    fn seen_s(&self) -> Option<f64> {
        None
    }
}
