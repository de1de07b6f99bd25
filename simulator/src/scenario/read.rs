//! A scenario from its file. Every problem is found at once and says where it is, what is there and the way out.

use std::collections::{BTreeMap, BTreeSet};

use domain::text::{clean_label, is_slug};
use domain::time::parse_duration_ms;
use serde::Deserialize;

use super::{Clients, Cluster, Dependency, End, Incident, Pack, Role, Scenario, Service, Trouble};
use crate::AGENTS_MAX;

/// Clusters of one file.
const CLUSTERS_MAX: usize = 500;
/// Dependencies, clients, services, incidents of one file, each.
const LINES_MAX: usize = 2_000;
/// Ports of one cluster.
const PORTS_MAX: usize = 32;
/// Connections of one host under one dependency.
const CONNECTIONS_MAX: i64 = 2_000;
const PEERS_MAX: i64 = 500;

/// Every problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ScenarioError(pub Vec<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    system: Option<String>,
    zones: Option<Vec<String>>,
    look: Option<String>,
    #[serde(default)]
    clusters: Vec<ClusterTable>,
    #[serde(default)]
    dependencies: Vec<DependencyTable>,
    #[serde(default)]
    clients: Vec<ClientsTable>,
    #[serde(default)]
    services: Vec<ServiceTable>,
    #[serde(default)]
    incidents: Vec<IncidentTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterTable {
    slug: String,
    pack: String,
    product: Option<String>,
    unit: Option<String>,
    process: Option<String>,
    versions: Vec<String>,
    ports: Vec<i64>,
    nodes: Option<i64>,
    roles: Option<Vec<RoleTable>>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    name: String,
    nodes: i64,
    sub_domain: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DependencyTable {
    from: String,
    from_role: Option<String>,
    to: String,
    to_role: Option<String>,
    port: i64,
    connections: i64,
    renew: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsTable {
    to: String,
    port: i64,
    peers: i64,
    connections: i64,
    renew: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    from: String,
    address: String,
    port: i64,
    connections: i64,
    renew: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentTable {
    kind: String,
    cluster: Option<String>,
    nodes: Option<i64>,
    first: String,
    every: String,
    lasts: String,
}

/// Reads a scenario file.
///
/// # Errors
/// Every problem of it, each with its place, the value and the way out.
pub fn read(text: &str) -> Result<Scenario, ScenarioError> {
    let file: File =
        toml::from_str(text).map_err(|error| ScenarioError(vec![error.to_string()]))?;
    let mut reading = Reading::default();
    let scenario = reading.scenario(file);
    if reading.problems.is_empty() {
        Ok(scenario)
    } else {
        Err(ScenarioError(reading.problems))
    }
}

/// Problems so far, and clusters by name.
#[derive(Default)]
struct Reading {
    problems: Vec<String>,
    slugs: BTreeMap<String, usize>,
}

fn shown(text: &str) -> String {
    clean_label(&text.chars().take(80).collect::<String>())
}

impl Reading {
    fn wrong(&mut self, place: &str, why: impl std::fmt::Display) {
        self.problems.push(format!("{place}: {why}"));
    }

    fn number(&mut self, place: &str, value: i64, least: i64, most: i64) -> u32 {
        if !(least..=most).contains(&value) {
            self.wrong(place, format!("{value} is not from {least} to {most}"));
        }
        u32::try_from(value.clamp(least, most)).unwrap_or(0)
    }

    fn port(&mut self, place: &str, value: i64) -> u16 {
        u16::try_from(self.number(place, value, 1, 65_535)).unwrap_or(1)
    }

    fn span(&mut self, place: &str, text: &str) -> i64 {
        parse_duration_ms(text).unwrap_or_else(|error| {
            self.wrong(place, error);
            1_000
        })
    }

    fn renew(&mut self, place: &str, text: Option<&str>) -> i64 {
        text.map_or(600_000, |text| self.span(&format!("{place}.renew"), text))
    }

    fn slug(&mut self, place: &str, text: String) -> String {
        if !is_slug(&text) {
            let why = format!(
                "`{}` is not a name: use 1 to 63 of a-z, 0-9 and -, such as app-eu",
                shown(&text)
            );
            self.wrong(place, why);
        }
        text
    }

    fn label(&mut self, place: &str, text: Option<String>) -> Option<String> {
        if let Some(text) = &text
            && (text.is_empty() || clean_label(text) != *text || text.len() > 120)
        {
            let why = format!(
                "`{}` is no label: write 1 to 120 characters that can be seen",
                shown(text)
            );
            self.wrong(place, why);
        }
        text
    }

    fn bounded<T>(&mut self, place: &str, items: &[T], most: usize) {
        if items.len() > most {
            self.wrong(place, format!("{} are more than {most}", items.len()));
        }
    }

    fn scenario(&mut self, file: File) -> Scenario {
        let system = self.slug(
            "system",
            file.system.unwrap_or_else(|| "default".to_owned()),
        );
        let zones = file.zones.unwrap_or_else(|| vec!["a".to_owned()]);
        if zones.is_empty() {
            self.wrong("zones", "there is none; leave the line out, or name one");
        }
        let zones = zones.into_iter().map(|zone| self.slug("zones", zone));
        let zones = zones.collect();
        let look_ms = file.look.map_or(60_000, |text| self.span("look", &text));
        if file.clusters.is_empty() {
            self.wrong(
                "clusters",
                "there is none; begin with [[clusters]], slug, pack, versions, ports and nodes",
            );
        }
        self.bounded("clusters", &file.clusters, CLUSTERS_MAX);
        for (name, count) in [
            ("dependencies", file.dependencies.len()),
            ("clients", file.clients.len()),
            ("services", file.services.len()),
            ("incidents", file.incidents.len()),
        ] {
            if count > LINES_MAX {
                self.wrong(name, format!("{count} are more than {LINES_MAX}"));
            }
        }
        let clusters: Vec<Cluster> = (0..)
            .zip(file.clusters)
            .map(|(at, table)| self.cluster(at, table))
            .collect();
        let nodes: u64 = clusters.iter().map(|c| u64::from(c.nodes())).sum();
        if nodes > u64::from(AGENTS_MAX) {
            self.wrong(
                "clusters",
                format!("{nodes} hosts in all are more than {AGENTS_MAX}"),
            );
        }
        let dependencies = self.dependencies(&clusters, file.dependencies);
        let clients = (0..).zip(file.clients);
        let clients = clients.map(|(at, table)| self.clients(&clusters, at, &table));
        let clients: Vec<Clients> = clients.collect();
        let services = (0..).zip(file.services);
        let services = services.map(|(at, table)| self.service(at, &table));
        let services: Vec<Service> = services.collect();
        let incidents = (0..).zip(file.incidents);
        let incidents = incidents.map(|(at, table)| self.incident(&clusters, at, &table));
        let incidents = incidents.collect();
        Scenario {
            system,
            zones,
            look_ms: look_ms.unsigned_abs(),
            clusters,
            dependencies,
            clients,
            services,
            incidents,
        }
    }

    fn cluster(&mut self, at: usize, table: ClusterTable) -> Cluster {
        let place = format!("clusters[{at}] `{}`", shown(&table.slug));
        let slug = self.slug(&format!("clusters[{at}].slug"), table.slug);
        if self.slugs.insert(slug.clone(), at).is_some() {
            self.wrong(
                &place,
                "there is a cluster of this name before; choose another",
            );
        }
        let pack = Pack::ALL.into_iter().find(|p| p.as_str() == table.pack);
        if pack.is_none() {
            let names = Pack::ALL.map(Pack::as_str).join(", ");
            let why = format!("`{}` is not one of {names}", shown(&table.pack));
            self.wrong(&format!("{place}.pack"), why);
        }
        if pack == Some(Pack::Systemd) && table.unit.is_none() {
            let why =
                "the pack systemd needs the name of the service, such as unit = \"shop.service\"";
            self.wrong(&format!("{place}.unit"), why);
        }
        if table.versions.is_empty() {
            self.wrong(
                &format!("{place}.versions"),
                "there is none; name one, or more where there are deploys",
            );
        }
        let versions = table.versions.into_iter().map(Some);
        let versions = versions.filter_map(|text| self.label(&format!("{place}.versions"), text));
        let versions = versions.collect();
        if table.ports.is_empty() || table.ports.len() > PORTS_MAX {
            let why = format!("{} is not from 1 to {PORTS_MAX} ports", table.ports.len());
            self.wrong(&format!("{place}.ports"), why);
        }
        let ports = table.ports.into_iter();
        let ports: BTreeSet<u16> = ports
            .map(|port| self.port(&format!("{place}.ports"), port))
            .collect();
        let roles = self.roles(&place, table.nodes, table.roles);
        for (tag, value) in &table.tags {
            self.label(&format!("{place}.tags"), Some(tag.clone()));
            self.label(&format!("{place}.tags.{}", shown(tag)), Some(value.clone()));
        }
        Cluster {
            slug,
            pack: pack.unwrap_or(Pack::Systemd),
            product: self.label(&format!("{place}.product"), table.product),
            unit: self.label(&format!("{place}.unit"), table.unit),
            process: self.label(&format!("{place}.process"), table.process),
            versions,
            ports: ports.into_iter().collect(),
            roles,
            tags: table.tags,
        }
    }

    fn roles(
        &mut self,
        place: &str,
        nodes: Option<i64>,
        roles: Option<Vec<RoleTable>>,
    ) -> Vec<Role> {
        let most = i64::from(AGENTS_MAX);
        let Some(roles) = roles.filter(|roles| !roles.is_empty()) else {
            if nodes.is_none() {
                self.wrong(&format!("{place}.nodes"), "say how many, or give roles");
            }
            return vec![Role {
                name: String::new(),
                nodes: self.number(&format!("{place}.nodes"), nodes.unwrap_or(1), 1, most),
                sub_domain: None,
            }];
        };
        let mut read: Vec<Role> = Vec::new();
        for table in roles {
            let role_place = format!("{place}.roles `{}`", shown(&table.name));
            let name = self.slug(&role_place, table.name);
            if read.iter().any(|role| role.name == name) {
                self.wrong(&role_place, "this role is there twice; join them");
            }
            let sub_domain = self.label(&format!("{role_place}.sub_domain"), table.sub_domain);
            read.push(Role {
                nodes: self.number(&format!("{role_place}.nodes"), table.nodes, 1, most),
                name,
                sub_domain,
            });
        }
        let sum: i64 = read.iter().map(|role| i64::from(role.nodes)).sum();
        if let Some(nodes) = nodes.filter(|nodes| *nodes != sum) {
            let why = format!("{nodes} is not the {sum} of its roles; leave one of them out");
            self.wrong(&format!("{place}.nodes"), why);
        }
        read
    }

    fn known(&mut self, place: &str, slug: &str) -> usize {
        self.slugs.get(slug).copied().unwrap_or_else(|| {
            let names: Vec<&str> = self.slugs.keys().take(20).map(String::as_str).collect();
            let why = format!(
                "there is no cluster `{}`; there are {}",
                shown(slug),
                names.join(", ")
            );
            self.problems.push(format!("{place}: {why}"));
            0
        })
    }

    fn end(&mut self, place: &str, clusters: &[Cluster], slug: &str, role: Option<String>) -> End {
        let cluster = self.known(place, slug);
        let roles = clusters.get(cluster).map_or(&[][..], |c| &c.roles);
        if let Some(role) = &role
            && !roles.iter().any(|known| known.name == *role)
        {
            let why = format!("cluster {} has no role `{}`", shown(slug), shown(role));
            self.wrong(&format!("{place}_role"), why);
        }
        End { cluster, role }
    }

    fn listens(&mut self, place: &str, clusters: &[Cluster], cluster: usize, port: u16) {
        if let Some(cluster) = clusters.get(cluster)
            && !cluster.ports.contains(&port)
        {
            let why = format!(
                "{port} is not one of the ports of {}: {:?}",
                cluster.slug, cluster.ports
            );
            self.wrong(place, why);
        }
    }

    fn dependencies(
        &mut self,
        clusters: &[Cluster],
        tables: Vec<DependencyTable>,
    ) -> Vec<Dependency> {
        let mut read: Vec<Dependency> = Vec::new();
        for (at, table) in (0..).zip(tables) {
            let place = format!("dependencies[{at}]");
            let from = self.end(
                &format!("{place}.from"),
                clusters,
                &table.from,
                table.from_role,
            );
            let to = self.end(&format!("{place}.to"), clusters, &table.to, table.to_role);
            let port = self.port(&format!("{place}.port"), table.port);
            self.listens(&format!("{place}.port"), clusters, to.cluster, port);
            let meets = |a: &End, b: &End| {
                a.cluster == b.cluster && (a.role.is_none() || b.role.is_none() || a.role == b.role)
            };
            let twin = read
                .iter()
                .position(|d| d.port == port && meets(&d.from, &from) && meets(&d.to, &to));
            if let Some(twin) = twin {
                let why =
                    format!("the same hosts, to the same port, as dependencies[{twin}]; join them");
                self.wrong(&place, why);
            }
            let place_of = format!("{place}.connections");
            read.push(Dependency {
                from,
                to,
                port,
                connections: self.number(&place_of, table.connections, 1, CONNECTIONS_MAX),
                renew_ms: self.renew(&place, table.renew.as_deref()),
            });
        }
        read
    }

    fn clients(&mut self, clusters: &[Cluster], at: usize, table: &ClientsTable) -> Clients {
        let place = format!("clients[{at}]");
        let to = self.known(&format!("{place}.to"), &table.to);
        let port = self.port(&format!("{place}.port"), table.port);
        self.listens(&format!("{place}.port"), clusters, to, port);
        Clients {
            to,
            port,
            peers: self.number(&format!("{place}.peers"), table.peers, 1, PEERS_MAX),
            connections: self.number(
                &format!("{place}.connections"),
                table.connections,
                1,
                CONNECTIONS_MAX,
            ),
            renew_ms: self.renew(&place, table.renew.as_deref()),
        }
    }

    fn service(&mut self, at: usize, table: &ServiceTable) -> Service {
        let place = format!("services[{at}]");
        let address = table.address.parse::<std::net::Ipv4Addr>();
        let address = address.map(|address| address.octets()).unwrap_or_else(|_| {
            let why = format!(
                "`{}` is no IPv4 address, such as 198.51.100.20",
                shown(&table.address)
            );
            self.wrong(&format!("{place}.address"), why);
            [0; 4]
        });
        if address[0] == 10 {
            self.wrong(
                &format!("{place}.address"),
                "10.0.0.0/8 is the simulated hosts' own; choose another",
            );
        }
        Service {
            from: self.known(&format!("{place}.from"), &table.from),
            address,
            port: self.port(&format!("{place}.port"), table.port),
            connections: self.number(
                &format!("{place}.connections"),
                table.connections,
                1,
                CONNECTIONS_MAX,
            ),
            renew_ms: self.renew(&place, table.renew.as_deref()),
        }
    }

    fn incident(&mut self, clusters: &[Cluster], at: usize, table: &IncidentTable) -> Incident {
        let place = format!("incidents[{at}]");
        let trouble = Trouble::ALL.into_iter().find(|t| t.as_str() == table.kind);
        let trouble = trouble.unwrap_or_else(|| {
            let names = Trouble::ALL.map(Trouble::as_str).join(", ");
            let why = format!("`{}` is not one of {names}", shown(&table.kind));
            self.wrong(&format!("{place}.kind"), why);
            Trouble::Partition
        });
        let is_everywhere = trouble == Trouble::Partition;
        if is_everywhere && (table.cluster.is_some() || table.nodes.is_some()) {
            self.wrong(
                &place,
                "a partition silences one zone after the other; it takes neither cluster nor nodes",
            );
        }
        let cluster = match &table.cluster {
            Some(slug) if !is_everywhere => Some(self.known(&format!("{place}.cluster"), slug)),
            None if !is_everywhere => {
                self.wrong(&format!("{place}.cluster"), "say which");
                None
            }
            _ => None,
        };
        let concerned = cluster.and_then(|at| clusters.get(at));
        let nodes = concerned.map_or(0, |cluster| {
            let most = i64::from(cluster.nodes());
            self.number(&format!("{place}.nodes"), table.nodes.unwrap_or(1), 1, most)
        });
        if trouble == Trouble::Deploy && concerned.is_some_and(|c| c.versions.len() < 2) {
            let why = "a deploy goes to the cluster's next version and there is only one; name two in its versions";
            self.wrong(&place, why);
        }
        let has_probe = |cluster: &Cluster| crate::products::product(cluster).probe.is_some();
        if trouble == Trouble::Probe && concerned.is_some_and(|cluster| !has_probe(cluster)) {
            let why = "servers of this cluster's pack have no health probe; carbon, tomcat and nginx have one";
            self.wrong(&place, why);
        }
        let first_ms = self.span(&format!("{place}.first"), &table.first);
        let every_ms = self.span(&format!("{place}.every"), &table.every);
        let lasts_ms = self.span(&format!("{place}.lasts"), &table.lasts);
        if lasts_ms >= every_ms && self.problems.is_empty() {
            let why = format!(
                "{} is not shorter than every = {}",
                shown(&table.lasts),
                shown(&table.every)
            );
            self.wrong(&format!("{place}.lasts"), why);
        }
        Incident {
            trouble,
            cluster,
            nodes,
            first_ms,
            every_ms,
            lasts_ms,
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
