//! The nodes list: filtered, sorted, summed up and cut into pages from what is live.
//!
//! Called for the list's page and its live line, for files, for the API and for the search. The filter itself is
//! `domain::filter`; here it gets to know what a row is, and a page gets the links that write it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use app::fleet::columns::{Column, PRESETS, columns};
use app::fleet::query::{PER_CHOICES, PER_DEFAULT, SORT_KEYS_MAX};
use app::fleet::view::{
    Facet, FacetOption, FilterProblem, NodeRow, NodesPage, NodesQuery, Pill, Total,
};
use domain::filter::{Condition, Field, Filter, Subject};
use domain::fleet::{Liveness, Status};
use domain::metric::Metric;
use domain::metric::catalogue::Instance;

use super::asked;
use super::service::{counts, rows};
use crate::ops::Ops;

/// Values of a property in its menu.
const OPTIONS_MAX: usize = 30;
/// Statuses that somebody should look at.
const PROBLEMS: [Status; 3] = [Status::Critical, Status::Unknown, Status::Warning];
/// Properties with a menu.
const FACETS: [(Field, &str); 5] = [
    (Field::Kind, "Kind"),
    (Field::System, "System"),
    (Field::Cluster, "Cluster"),
    (Field::Role, "Role"),
    (Field::Product, "Product"),
];

/// Knows what a row does not hold: latest values of every series that a filter compares.
pub struct Matcher<'a> {
    filter: &'a Filter,
    now_ms: i64,
    /// By node.
    values: HashMap<String, Vec<(Metric, f64)>>,
}

impl<'a> Matcher<'a> {
    /// Takes the values that this filter compares.
    pub fn new(ops: &Ops, filter: &'a Filter) -> Self {
        let wanted: Vec<Metric> = filter
            .metrics()
            .filter(|metric| !is_summed(*metric))
            .collect();
        let mut values = HashMap::new();
        if !wanted.is_empty() {
            ops.live.for_each(|host| {
                let of = |server: Option<&str>| -> Vec<(Metric, f64)> {
                    host.values
                        .iter()
                        .filter(|(key, _)| {
                            let is_servers = key.metric.instance() == Instance::Server;
                            wanted.contains(&key.metric)
                                && is_servers == server.is_some()
                                && server.is_none_or(|of| of == key.instance)
                        })
                        .map(|(key, stored)| (key.metric, key.metric.from_stored(*stored)))
                        .collect()
                };
                values.insert(host.record.node_id.clone(), of(None));
                for (key, server) in &host.servers {
                    values.insert(server.node_id.clone(), of(Some(key)));
                }
            });
        }
        Self {
            filter,
            now_ms: ops.clock.now().0,
            values,
        }
    }

    /// Does the filter let this row through?
    pub fn lets_through(&self, row: &NodeRow) -> bool {
        self.filter.matches(&Seen {
            row,
            now_ms: self.now_ms,
            values: self.values.get(&row.id).map_or(&[], Vec::as_slice),
        })
    }
}

/// Where the row holds the sum over a host's interfaces, that is what counts.
fn is_summed(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::NetworkReceiveBytesPerS | Metric::NetworkTransmitBytesPerS
    )
}

/// A row as a filter sees it.
struct Seen<'a> {
    row: &'a NodeRow,
    now_ms: i64,
    values: &'a [(Metric, f64)],
}

impl Seen<'_> {
    /// The one value of a metric that the row itself holds.
    fn headline(&self, metric: Metric) -> Option<f64> {
        let now = &self.row.now;
        let is_server = self.row.kind != "host";
        match metric {
            Metric::CpuUsedRatio => now.cpu_used_ratio,
            Metric::MemoryUsedRatio => now.memory_used_ratio,
            Metric::FilesystemUsedRatio => now.disk_used_ratio,
            Metric::NetworkReceiveBytesPerS => now.network_receive_bytes_per_s,
            Metric::NetworkTransmitBytesPerS => now.network_transmit_bytes_per_s,
            Metric::Load1 => now.load1,
            Metric::UptimeS => now.uptime_s,
            Metric::MemoryAvailableBytes => now.memory_available_bytes,
            Metric::ServerCpuUsedRatio if is_server => now.cpu_used_ratio,
            Metric::ServerUptimeS if is_server => now.uptime_s,
            Metric::ServerMemoryBytes => now.memory_used_bytes,
            Metric::ServerThreads => now.threads,
            Metric::ServerOpenFiles => now.open_files,
            Metric::ServerProbeMs => now.probe_ms,
            Metric::ServerConnections => now.connections,
            Metric::TcpConnections if !is_server => now.connections,
            _ => None,
        }
    }
}

impl Subject for Seen<'_> {
    fn texts(&self, field: Field) -> impl Iterator<Item = &str> {
        let row = self.row;
        let (first, second) = match field {
            Field::Name => (Some(row.name.as_str()), None),
            Field::Host => (Some(row.host_name.as_str()), Some(row.hostname.as_str())),
            Field::System => (Some(row.system.as_str()), None),
            Field::Cluster => (Some(row.cluster.as_str()), None),
            Field::Role => (row.role.as_deref(), None),
            Field::Kind => (Some(row.kind.as_str()), None),
            Field::Product => (row.product.as_deref(), None),
            Field::Version => (row.version.as_deref(), None),
            Field::SubDomain => (row.sub_domain.as_deref(), None),
            Field::Address => (row.address.as_deref(), None),
            Field::Id => (Some(row.id.as_str()), None),
        };
        first.into_iter().chain(second)
    }

    fn status(&self) -> Status {
        self.row.status
    }

    fn liveness(&self) -> Liveness {
        self.row.liveness
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.row.tags.get(name).map(String::as_str)
    }

    fn tag_values(&self) -> impl Iterator<Item = &str> {
        self.row.tags.values().map(String::as_str)
    }

    fn any_value(&self, metric: Metric, fulfils: impl Fn(f64) -> bool) -> bool {
        let mut of_metric = self
            .values
            .iter()
            .filter(|(of, _)| *of == metric)
            .map(|(_, value)| *value)
            .peekable();
        if of_metric.peek().is_some() {
            return of_metric.any(fulfils);
        }
        self.headline(metric).is_some_and(fulfils)
    }

    fn seen_s(&self) -> Option<f64> {
        Column::Report.number(self.row, self.now_ms)
    }
}

/// All rows that a list shows, on whatever pages, in its order.
pub struct Listed {
    /// Rows without any filter.
    pub all: Vec<NodeRow>,
    /// Places in `all` of those that match, in order.
    pub matching: Vec<usize>,
    /// The filter, or the empty one where the text is none.
    pub filter: Filter,
    /// Why the text is no filter.
    pub filter_error: Option<FilterProblem>,
    /// What else of the query was not understood.
    pub notes: Vec<String>,
}

/// Filters and sorts.
pub fn listed(ops: &Ops, query: &NodesQuery) -> Listed {
    let now_ms = ops.clock.now().0;
    let all = rows(ops);
    let (filter, filter_error) = asked::read(&query.q);
    let matcher = Matcher::new(ops, &filter);
    let mut matching: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, row)| matcher.lets_through(row))
        .map(|(place, _)| place)
        .collect();
    let mut notes = Vec::new();
    let keys = sort_keys(&query.sort, &mut notes);
    let order = |a: &NodeRow, b: &NodeRow| {
        keys.iter()
            .map(|(column, is_descending)| {
                let order = compare(*column, a, b, now_ms);
                if *is_descending {
                    order.reverse()
                } else {
                    order
                }
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or_else(|| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)))
    };
    matching.sort_by(|a, b| match (all.get(*a), all.get(*b)) {
        (Some(a), Some(b)) => order(a, b),
        _ => Ordering::Equal,
    });
    for unknown in query
        .cols
        .split(',')
        .filter(|key| !key.is_empty() && Column::from_key(key.trim()).is_none())
    {
        notes.push(format!("there is no column `{}`", shown(unknown)));
    }
    if !query.view.is_empty()
        && query.view != "all"
        && PRESETS.iter().all(|preset| preset.key != query.view)
    {
        notes.push(format!(
            "there is no set of columns `{}`",
            shown(&query.view)
        ));
    }
    // Nothing is asked for where it is 0: only pages ask.
    if query.per != 0 && !PER_CHOICES.contains(&query.per) {
        notes.push(format!(
            "there are no pages of {} rows; choose 25, 100 or 500",
            query.per
        ));
    }
    drop(matcher);
    Listed {
        all,
        matching,
        filter,
        filter_error,
        notes,
    }
}

fn shown(text: &str) -> String {
    domain::text::clean_label(&text.chars().take(40).collect::<String>())
}

/// Columns to sort by, with "greatest first"; by status where nothing is said.
fn sort_keys(sort: &str, notes: &mut Vec<String>) -> Vec<(Column, bool)> {
    let mut keys = Vec::new();
    for key in sort.split(',').map(str::trim).filter(|key| !key.is_empty()) {
        let (name, is_descending) = key
            .strip_prefix('-')
            .map_or((key, false), |name| (name, true));
        match Column::from_key(name) {
            Some(column) if keys.len() < SORT_KEYS_MAX => keys.push((column, is_descending)),
            Some(_) => {}
            None => notes.push(format!("there is no column `{}` to sort by", shown(name))),
        }
    }
    if keys.is_empty() {
        if let Some(note) = notes.last_mut() {
            note.push_str("; sorted by status");
        }
        keys.push((Column::Status, false));
    }
    keys
}

fn compare(column: Column, a: &NodeRow, b: &NodeRow, now_ms: i64) -> Ordering {
    match column {
        Column::Status => a.status.cmp(&b.status),
        Column::Cluster => (&a.system, &a.cluster).cmp(&(&b.system, &b.cluster)),
        Column::Tags => a.tags.cmp(&b.tags),
        // Who never reported is silent longest.
        Column::Report => b.last_report_at_ms.cmp(&a.last_report_at_ms),
        _ if column.is_number() => {
            // Unknown is below every value, so that "greatest first" never begins with what is not known.
            let value = |row| column.number(row, now_ms).unwrap_or(f64::NEG_INFINITY);
            value(a).total_cmp(&value(b))
        }
        _ => column.text(a).cmp(&column.text(b)),
    }
}

/// One page of the list, as its URL asks for it; without saved views.
pub fn nodes_page(ops: &Ops, query: &NodesQuery) -> NodesPage {
    let now_ms = ops.clock.now().0;
    let listed = listed(ops, query);
    let per = if PER_CHOICES.contains(&query.per) {
        query.per
    } else {
        PER_DEFAULT
    };
    let matching = u32::try_from(listed.matching.len()).unwrap_or(u32::MAX);
    let page = query.page.clamp(1, matching.div_ceil(per).max(1));
    let shown = columns(&query.cols, &query.view);
    let skip = (page as usize - 1) * per as usize;
    let rows: Vec<NodeRow> = listed
        .matching
        .iter()
        .skip(skip)
        .take(per as usize)
        .filter_map(|place| listed.all.get(*place).cloned())
        .collect();
    let recent_cpu = if shown.contains(&Column::Cpu) {
        rows.iter()
            .filter_map(|row| Some((row.id.clone(), ops.live.recent_cpu(&row.id, now_ms)?)))
            .collect()
    } else {
        BTreeMap::new()
    };
    let matching_rows = listed
        .matching
        .iter()
        .filter_map(|place| listed.all.get(*place));
    let uncounted = matching_rows
        .filter(|row| row.kind == "host" && !row.counts)
        .count();
    NodesPage {
        now_ms,
        counts: counts(&listed.all),
        matching,
        uncounted: u32::try_from(uncounted).unwrap_or(u32::MAX),
        total: u32::try_from(listed.all.len()).unwrap_or(u32::MAX),
        chips: asked::chips(&listed.filter),
        filter_error: listed.filter_error.clone(),
        pills: pills(&listed),
        facets: facets(ops, &listed),
        totals: totals(&listed, &shown, now_ms),
        recent_cpu,
        rows,
        query: NodesQuery {
            per,
            page,
            ..query.clone()
        },
        notes: listed.notes,
        views: Vec::new(),
        order_kept: false,
    }
}

fn pills(listed: &Listed) -> Vec<Pill> {
    let Listed { all, filter, .. } = listed;
    let count = |wanted: &[Status]| {
        let has = |row: &&NodeRow| wanted.contains(&row.status);
        u32::try_from(all.iter().filter(has).count()).unwrap_or(u32::MAX)
    };
    let pill = |label: &str, status: Option<Status>, wanted: &[Status]| {
        let condition = Condition::Status(wanted.to_vec());
        Pill {
            label: label.to_owned(),
            status,
            count: count(wanted),
            is_on: filter.says(&condition),
            q: filter.with_only(condition).to_string(),
        }
    };
    let everything = Pill {
        label: "All".to_owned(),
        status: None,
        count: u32::try_from(all.len()).unwrap_or(u32::MAX),
        is_on: filter
            .terms
            .iter()
            .all(|term| term.condition.key() != Some("status")),
        q: filter.without_key("status").to_string(),
    };
    let problems = pill("Problems", None, &PROBLEMS);
    let each = Status::ALL
        .into_iter()
        .map(|status| pill(status.label(), Some(status), &[status]));
    std::iter::once(everything)
        .chain([problems])
        .chain(each)
        // What nobody has needs no pill, unless it is what the filter asks for.
        .filter(|pill| pill.count > 0 || pill.is_on)
        .collect()
}

/// Menus of those properties that tell nodes apart, or by which the list is narrowed now.
fn facets(ops: &Ops, listed: &Listed) -> Vec<Facet> {
    FACETS
        .into_iter()
        .filter_map(|(field, label)| facet(ops, listed, field, label))
        .collect()
}

fn facet(ops: &Ops, listed: &Listed, field: Field, label: &str) -> Option<Facet> {
    let Listed { all, filter, .. } = listed;
    let asked = asked_values(filter, field);
    let mut by_value: BTreeMap<&str, u32> = BTreeMap::new();
    let rest = filter.without_key(field.key());
    let counted: Vec<&NodeRow> = if rest.terms.len() == filter.terms.len() {
        let matching = listed.matching.iter();
        matching.filter_map(|place| all.get(*place)).collect()
    } else {
        let matcher = Matcher::new(ops, &rest);
        all.iter().filter(|row| matcher.lets_through(row)).collect()
    };
    for value in counted.into_iter().filter_map(|row| value_of(row, field)) {
        *by_value.entry(value).or_default() += 1;
    }
    if by_value.len() < 2 && asked.is_empty() {
        return None;
    }
    let mut options: Vec<FacetOption> = by_value
        .into_iter()
        .map(|(value, count)| {
            let is_on = asked.iter().any(|asked| asked.eq_ignore_ascii_case(value));
            FacetOption {
                value: value.to_owned(),
                count,
                q: toggled(filter, field, &asked, value, is_on),
                is_on,
            }
        })
        .collect();
    options.sort_by(|a, b| {
        (!a.is_on, std::cmp::Reverse(a.count), &a.value).cmp(&(
            !b.is_on,
            std::cmp::Reverse(b.count),
            &b.value,
        ))
    });
    let more = options.len().saturating_sub(OPTIONS_MAX);
    options.truncate(OPTIONS_MAX);
    Some(Facet {
        key: field.key().to_owned(),
        label: label.to_owned(),
        options,
        more: u32::try_from(more).unwrap_or(u32::MAX),
    })
}

fn value_of(row: &NodeRow, field: Field) -> Option<&str> {
    let column = match field {
        Field::Kind => Column::Kind,
        Field::System => Column::System,
        Field::Cluster => Column::Cluster,
        Field::Role => Column::Role,
        _ => Column::Product,
    };
    column.text(row).filter(|text| !text.is_empty())
}

/// Values that the filter asks for by this key.
fn asked_values(filter: &Filter, field: Field) -> Vec<String> {
    filter
        .terms
        .iter()
        .filter(|term| !term.is_negated)
        .find_map(|term| match &term.condition {
            Condition::Is { field: of, values } if *of == field => Some(values.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

/// The filter with this value among those of its key, or no longer.
fn toggled(filter: &Filter, field: Field, asked: &[String], value: &str, is_on: bool) -> String {
    let mut values: Vec<String> = asked
        .iter()
        .filter(|asked| !asked.eq_ignore_ascii_case(value))
        .cloned()
        .collect();
    if !is_on {
        values.push(value.to_owned());
    }
    if values.is_empty() {
        filter.without_key(field.key()).to_string()
    } else {
        filter
            .with_only(Condition::Is { field, values })
            .to_string()
    }
}

/// Median, 95th percentile and greatest of each number that is shown; nodes that are silent do not count, theirs are old.
fn totals(listed: &Listed, shown: &[Column], now_ms: i64) -> Vec<Total> {
    let seen: Vec<&NodeRow> = listed
        .matching
        .iter()
        .filter_map(|place| listed.all.get(*place))
        .collect();
    shown
        .iter()
        .filter(|column| column.is_number())
        .filter_map(|column| {
            let counts = |row: &&&NodeRow| {
                *column == Column::Report || matches!(row.liveness, Liveness::Live | Liveness::Late)
            };
            let numbers = seen
                .iter()
                .filter(counts)
                .filter_map(|row| column.number(row, now_ms));
            total(*column, numbers.collect())
        })
        .collect()
}

/// By nearest rank: a value that some node has.
fn total(column: Column, mut numbers: Vec<f64>) -> Option<Total> {
    numbers.sort_by(f64::total_cmp);
    let rank = |percent: usize| {
        let place = (numbers.len() * percent).div_ceil(100).saturating_sub(1);
        numbers.get(place).copied()
    };
    Some(Total {
        column: column.key().to_owned(),
        median: rank(50)?,
        p95: rank(95)?,
        max: rank(100)?,
        count: u32::try_from(numbers.len()).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
pub mod tests {
    use app::fleet::view::Headline;

    use super::*;

    /// A node of which little is known.
    pub fn row(id: &str) -> NodeRow {
        NodeRow {
            id: id.to_owned(),
            name: id.to_owned(),
            hostname: id.to_owned(),
            kind: "host".to_owned(),
            system: "shop".to_owned(),
            cluster: "web".to_owned(),
            role: None,
            product: None,
            version: None,
            sub_domain: None,
            host_name: id.to_owned(),
            address: None,
            console_url: None,
            tags: BTreeMap::new(),
            counts: true,
            status: Status::Ok,
            liveness: Liveness::Live,
            reason: None,
            last_report_at_ms: None,
            since_ms: None,
            interval_s: 10,
            now: Headline::default(),
        }
    }

    #[test]
    fn a_row_is_seen_by_a_filter_as_it_is_shown() {
        let mut node = row("web-1");
        node.now.cpu_used_ratio = Some(0.5);
        node.now.disk_used_ratio = Some(0.9);
        node.now.network_receive_bytes_per_s = Some(2e6);
        node.last_report_at_ms = Some(1_000);
        node.tags.insert("tier".to_owned(), "edge".to_owned());
        let lets = |text: &str, values: &[(Metric, f64)]| {
            let filter: Filter = text.parse().unwrap();
            let now_ms = 301_000;
            filter.matches(&Seen {
                row: &node,
                now_ms,
                values,
            })
        };
        for (text, is) in [
            ("cpu>=50", true),
            ("server.cpu>1", false),
            ("disk>80", true),
            ("net.in>15Mbit/s", true),
            ("net.out>0", false),
            ("seen>4m", true),
            ("seen>5m", false),
            ("tag:tier=edge kind:host host:web-1 id:web-1", true),
            ("role:\"\" product:\"\"", true),
        ] {
            assert_eq!(lets(text, &[]), is, "{text}");
        }
        // Every instance counts, where they are known.
        let disks = [
            (Metric::FilesystemUsedRatio, 0.9),
            (Metric::FilesystemUsedRatio, 0.2),
        ];
        assert!(lets("disk<30", &disks) && !lets("disk<30", &[]));
    }

    #[test]
    fn totals_are_values_that_somebody_has() {
        let numbers = |count: usize| (1..=count).map(|n| n as f64).rev().collect::<Vec<_>>();
        assert_eq!(total(Column::Cpu, Vec::new()), None);
        let of = |count| {
            let total = total(Column::Cpu, numbers(count)).unwrap();
            (total.median, total.p95, total.max, total.count)
        };
        assert_eq!(of(1), (1.0, 1.0, 1.0, 1));
        assert_eq!(of(2), (1.0, 2.0, 2.0, 2));
        assert_eq!(of(100), (50.0, 95.0, 100.0, 100));
        assert_eq!(of(101), (51.0, 96.0, 101.0, 101));
    }

    #[test]
    fn what_cannot_be_sorted_by_is_noted() {
        let keys = |sort: &str| {
            let mut notes = Vec::new();
            (sort_keys(sort, &mut notes), notes)
        };
        assert_eq!(keys("").0, [(Column::Status, false)]);
        assert_eq!(
            keys("-cpu, name").0,
            [(Column::Cpu, true), (Column::Name, false)]
        );
        let (kept, notes) = keys("colour,-cpu");
        assert_eq!(kept, [(Column::Cpu, true)]);
        assert_eq!(notes, ["there is no column `colour` to sort by"]);
        let (_, notes) = keys("colour");
        assert_eq!(
            notes,
            ["there is no column `colour` to sort by; sorted by status"]
        );
        assert_eq!(keys("cpu,memory,disk,load").0.len(), SORT_KEYS_MAX);
    }

    #[test]
    fn a_menu_adds_and_takes_away() {
        let filter: Filter = "web cluster:a,B cpu>1".parse().unwrap();
        let asked = asked_values(&filter, Field::Cluster);
        let written = |value, is_on| toggled(&filter, Field::Cluster, &asked, value, is_on);
        assert_eq!(written("c", false), "web cpu>1 cluster:a,B,c");
        assert_eq!(written("b", true), "web cpu>1 cluster:a");
        let one: Filter = "cluster:a".parse().unwrap();
        assert_eq!(toggled(&one, Field::Cluster, &["a".into()], "a", true), "");
    }
}
