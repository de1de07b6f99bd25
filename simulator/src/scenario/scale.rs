//! The same estate with another number of hosts.

use super::{Cluster, Incident, Role, SCALED_NODES_MAX, Scenario};

/// It cannot have so many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScaleError(String);

impl Scenario {
    /// This estate with `nodes` hosts: each cluster in proportion, each with one at least.
    ///
    /// With fewer hosts than clusters only the first clusters are there. Where a cluster would grow beyond both its own
    /// size and [`SCALED_NODES_MAX`], the whole estate is there several times (`app`, `app-2` …).
    ///
    /// # Errors
    /// Without hosts, or when a name would become too long.
    pub fn scaled(&self, nodes: u32) -> Result<Self, ScaleError> {
        if nodes == 0 {
            return Err(ScaleError(
                "0 hosts: a scenario needs one at least".to_owned(),
            ));
        }
        if nodes == self.nodes() {
            return Ok(self.clone());
        }
        let kept = self.first_clusters(nodes);
        let sizes: Vec<u32> = kept.clusters.iter().map(Cluster::nodes).collect();
        let copies = if nodes <= kept.nodes() {
            1
        } else {
            let grown = share(&sizes, nodes).into_iter().zip(&sizes);
            // Two less: what does not divide evenly may add one or two to a copy.
            let copies =
                grown.map(|(after, before)| after.div_ceil((*before).max(SCALED_NODES_MAX - 2)));
            copies.max().unwrap_or(1)
        };
        let mut whole = Scenario {
            clusters: Vec::new(),
            dependencies: Vec::new(),
            clients: Vec::new(),
            services: Vec::new(),
            incidents: Vec::new(),
            ..kept.clone()
        };
        for (copy, nodes) in (1u32..).zip(share(&vec![1; copies as usize], nodes)) {
            whole.add(kept.resized(nodes), copy)?;
        }
        Ok(whole)
    }

    /// Only as many clusters as there are hosts, with what belongs to them.
    fn first_clusters(&self, nodes: u32) -> Self {
        let is_kept = |cluster: usize| cluster < nodes as usize;
        let mut kept = self.clone();
        kept.clusters.truncate(nodes as usize);
        kept.dependencies
            .retain(|d| is_kept(d.from.cluster) && is_kept(d.to.cluster));
        kept.clients.retain(|clients| is_kept(clients.to));
        kept.services.retain(|service| is_kept(service.from));
        kept.incidents
            .retain(|incident| incident.cluster.is_none_or(is_kept));
        kept
    }

    fn resized(&self, nodes: u32) -> Self {
        let before: Vec<u32> = self.clusters.iter().map(Cluster::nodes).collect();
        let after = share(&before, nodes);
        let mut resized = self.clone();
        for (cluster, size) in resized.clusters.iter_mut().zip(&after) {
            resize_roles(&mut cluster.roles, *size);
        }
        for incident in &mut resized.incidents {
            let sizes = incident
                .cluster
                .and_then(|at| Some((*before.get(at)?, *after.get(at)?)));
            if let Some((before, after)) = sizes {
                let scaled = (u64::from(incident.nodes) * u64::from(after) + u64::from(before) / 2)
                    / u64::from(before.max(1));
                incident.nodes = u32::try_from(scaled).unwrap_or(after).clamp(1, after);
            }
        }
        resized
    }

    /// Puts a copy beside what is there already.
    fn add(&mut self, copy: Self, number: u32) -> Result<(), ScaleError> {
        let first = self.clusters.len();
        for mut cluster in copy.clusters {
            if number > 1 {
                cluster.slug = format!("{}-{number}", cluster.slug);
            }
            if !domain::text::is_slug(&cluster.slug) {
                return Err(ScaleError(format!(
                    "with so many hosts a cluster would be called `{}`, which is longer than 63 characters; give it a shorter slug",
                    cluster.slug
                )));
            }
            if self.clusters.iter().any(|c| c.slug == cluster.slug) {
                return Err(ScaleError(format!(
                    "with so many hosts a second cluster would be called `{}`; give one of them another slug",
                    cluster.slug
                )));
            }
            self.clusters.push(cluster);
        }
        for mut dependency in copy.dependencies {
            dependency.from.cluster += first;
            dependency.to.cluster += first;
            self.dependencies.push(dependency);
        }
        for mut clients in copy.clients {
            clients.to += first;
            self.clients.push(clients);
        }
        for mut service in copy.services {
            service.from += first;
            self.services.push(service);
        }
        for incident in copy.incidents {
            match incident.cluster {
                Some(cluster) => self.incidents.push(Incident {
                    cluster: Some(cluster + first),
                    ..incident
                }),
                // A partition concerns everybody already.
                None if number == 1 => self.incidents.push(incident),
                None => {}
            }
        }
        Ok(())
    }
}

/// Roles in proportion; with fewer hosts than roles, the first ones.
fn resize_roles(roles: &mut Vec<Role>, nodes: u32) {
    roles.truncate(nodes.max(1) as usize);
    let before: Vec<u32> = roles.iter().map(|role| role.nodes).collect();
    for (role, nodes) in roles.iter_mut().zip(share(&before, nodes)) {
        role.nodes = nodes;
    }
}

/// Divides `total` in the proportion of `weights`, each getting one at least where there are enough (largest remainder).
fn share(weights: &[u32], total: u32) -> Vec<u32> {
    let count = u32::try_from(weights.len()).unwrap_or(u32::MAX);
    let spare = u64::from(total.saturating_sub(count));
    // One for each first; the rest by what its weight claims beyond that.
    let claim = |weight: u32| {
        let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let fair = u64::from(weight) * u64::from(total) * 1_000 / sum.max(1);
        fair.saturating_sub(1_000)
    };
    let claims: Vec<u64> = weights.iter().map(|weight| claim(*weight)).collect();
    let sum = claims.iter().sum::<u64>().max(1);
    let mut shares: Vec<u64> = claims.iter().map(|c| 1 + c * spare / sum).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(claims.get(*at).map_or(0, |c| c * spare % sum)));
    let left = u64::from(total).saturating_sub(shares.iter().sum());
    for at in order.into_iter().cycle().take(left as usize) {
        if let Some(share) = shares.get_mut(at) {
            *share += 1;
        }
    }
    shares
        .into_iter()
        .map(|share| u32::try_from(share).unwrap_or(u32::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_sum_to_the_whole_and_leave_nobody_out(weights in prop::collection::vec(1u32..2_000, 1..20), more in 0u32..20_000) {
            let total = weights.len() as u32 + more;
            let shares = share(&weights, total);
            prop_assert_eq!(shares.iter().sum::<u32>(), total);
            prop_assert!(shares.iter().all(|share| *share >= 1));
        }

        #[test]
        fn any_number_of_hosts_is_there_exactly(nodes in 1u32..25_000) {
            let demo = Scenario::demo().unwrap();
            let scaled = demo.scaled(nodes).unwrap();
            prop_assert_eq!(scaled.nodes(), nodes);
            for cluster in &scaled.clusters {
                prop_assert!(cluster.nodes() >= 1 && cluster.nodes() <= SCALED_NODES_MAX);
                prop_assert!(cluster.roles.iter().all(|role| role.nodes >= 1));
            }
            for incident in &scaled.incidents {
                let size = incident.cluster.map(|at| scaled.clusters[at].nodes());
                prop_assert!(size.is_none_or(|size| (1..=size).contains(&incident.nodes)));
            }
        }
    }

    #[test]
    fn the_demo_grows_in_proportion_and_then_in_copies() {
        let demo = Scenario::demo().unwrap();
        let slugs = |nodes| {
            let scaled = demo.scaled(nodes).unwrap();
            let sizes = scaled.clusters.iter().map(|c| (c.slug.clone(), c.nodes()));
            sizes.collect::<Vec<_>>()
        };
        let names = |nodes| {
            let named = slugs(nodes).into_iter().map(|(slug, _)| slug);
            named.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(demo.nodes(), 60);
        assert_eq!(names(3), "edge app db");
        assert_eq!(names(6), "edge app db mq cache batch");
        assert_eq!(
            slugs(120)[1],
            ("app".to_owned(), 28),
            "twice as many each: {:?}",
            slugs(120)
        );
        assert_eq!(slugs(1_000).len(), 3 * 6);
        assert!(names(1_000).ends_with("edge-3 app-3 db-3 mq-3 cache-3 batch-3"));
        assert_eq!(demo.scaled(60).unwrap(), demo);
    }
}
