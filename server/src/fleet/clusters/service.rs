//! The console's clusters port: list, page, settings.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use app::backend::Operator;
use app::clusters::ClustersPort;
use app::clusters::view::{
    ClusterCharts, ClusterDetail, ClusterSummary, ClustersPage, ClustersQuery, MEMBERS_MAX, Member,
    NamedValue, RoleGroup, Signals,
};
use app::error::UiError;
use app::fleet::readout::PointSet;
use app::fleet::view::{NodeRow, RangeQuery, StatusCounts};
use domain::access::{Action, Role, authorize};
use domain::fleet::outlier::median;
use domain::fleet::{ClusterForm, ClusterSettings, Rebased, Status, roll_up};

use super::filter::lets_through;
use super::store::{self, ClusterRecord};
use super::summary::{Roster, cells, is_seen, silences};
use super::targets::targets;
use crate::error::{FieldError, OpsError, StoreError};
use crate::events::store::Scope;
use crate::events::{self, BeforeAfter, NewEvent};
use crate::fleet::service::rows;
use crate::fleet::{asked, markdown};
use crate::ops::Ops;
use crate::people::service::Caller;
use crate::web::console::Console;

/// Nodes of one cluster that its own page still shows one by one.
const CELLS_MAX: usize = 300;
/// As the log says it.
const SETTINGS_CHANGED: &str = "cluster settings changed";
/// Events on a cluster's page.
const EVENTS_MAX: usize = 12;

#[async_trait::async_trait]
impl ClustersPort for Console {
    async fn clusters_page(
        &self,
        who: &Operator,
        query: ClustersQuery,
    ) -> Result<ClustersPage, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(page(self.ops(), &query).await?)
    }

    async fn cluster(&self, who: &Operator, slug: &str) -> Result<ClusterDetail, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(detail(self.ops(), who.role, slug).await?)
    }

    async fn cluster_charts(
        &self,
        who: &Operator,
        slug: &str,
        range: RangeQuery,
    ) -> Result<ClusterCharts, UiError> {
        Ok(self.drawn(who, slug, &range).await?.0)
    }

    async fn cluster_points(
        &self,
        who: &Operator,
        slug: &str,
        range: RangeQuery,
    ) -> Result<PointSet, UiError> {
        Ok(self.drawn(who, slug, &range).await?.1)
    }
}

impl Console {
    async fn drawn(
        &self,
        who: &Operator,
        slug: &str,
        range: &RangeQuery,
    ) -> Result<(ClusterCharts, PointSet), UiError> {
        who.may(Action::ViewFleet)?;
        Ok(super::charts::charts(self.ops(), slug, range).await?)
    }
}

/// A cluster, or that there is none.
///
/// # Errors
/// [`OpsError::NotFound`], or the database.
pub async fn find(ops: &Ops, slug: &str) -> Result<ClusterRecord, OpsError> {
    store::find(ops.state.read(), slug)
        .await?
        .ok_or_else(|| OpsError::not_found("cluster", slug))
}

/// Every cluster, by system and slug.
///
/// # Errors
/// When the database refuses.
pub async fn summaries(ops: &Ops) -> Result<Vec<ClusterSummary>, OpsError> {
    let rows = rows(ops);
    let roster = Roster::new(&rows);
    let records = store::list(ops.state.read()).await?;
    Ok(records
        .iter()
        .map(|record| roster.summary(record))
        .collect())
}

/// The list, as its URL asks for it.
///
/// # Errors
/// When the database refuses.
pub async fn page(ops: &Ops, query: &ClustersQuery) -> Result<ClustersPage, OpsError> {
    let all = summaries(ops).await?;
    let mut by_status: BTreeMap<Status, u32> = BTreeMap::new();
    for status in all.iter().filter_map(|cluster| cluster.rollup.status) {
        *by_status.entry(status).or_default() += 1;
    }
    let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let mut notes = Vec::new();
    let (filter, filter_error) = asked::read(&query.q);
    let mut rows: Vec<ClusterSummary> = all
        .into_iter()
        .filter(|cluster| {
            query
                .status
                .is_none_or(|status| cluster.rollup.status == Some(status))
        })
        .filter(|cluster| lets_through(&filter, cluster))
        .collect();
    let (column, descending) = query
        .sort
        .strip_prefix('-')
        .map_or((query.sort.as_str(), false), |column| (column, true));
    let compare = compare_by(column).unwrap_or_else(|| {
        if !column.is_empty() {
            let shown = domain::text::clean_label(&column.chars().take(40).collect::<String>());
            notes.push(format!(
                "there is no column `{shown}` to sort by; sorted by status"
            ));
        }
        by_status_worst_first
    });
    rows.sort_by(|a, b| {
        let order = compare(a, b);
        (if descending { order.reverse() } else { order }).then_with(|| a.slug.cmp(&b.slug))
    });
    Ok(ClustersPage {
        now_ms: ops.clock.now().0,
        counts: StatusCounts(by_status.into_iter().collect()),
        rows,
        total,
        chips: asked::chips(&filter),
        filter_error,
        notes,
    })
}

type Compare = fn(&ClusterSummary, &ClusterSummary) -> Ordering;

/// Worst first; clusters without nodes, of which nothing can be said, last.
pub fn by_status_worst_first(a: &ClusterSummary, b: &ClusterSummary) -> Ordering {
    let place = |cluster: &ClusterSummary| {
        let status = cluster.rollup.status;
        (status.is_none(), status)
    };
    place(a).cmp(&place(b))
}

fn compare_by(column: &str) -> Option<Compare> {
    fn value(a: Option<f64>, b: Option<f64>) -> Ordering {
        // Unknown is below every value, so that "greatest first" never begins with what is not known.
        a.unwrap_or(f64::NEG_INFINITY)
            .total_cmp(&b.unwrap_or(f64::NEG_INFINITY))
    }
    Some(match column {
        "status" => by_status_worst_first,
        "name" => |a, b| (&a.system, &a.slug).cmp(&(&b.system, &b.slug)),
        "nodes" => |a, b| a.rollup.members.cmp(&b.rollup.members),
        "versions" => |a, b| a.versions.len().cmp(&b.versions.len()),
        "cpu" => |a, b| value(a.cpu_used_ratio, b.cpu_used_ratio),
        "memory" => |a, b| value(a.memory_used_ratio, b.memory_used_ratio),
        _ => return None,
    })
}

/// A cluster's page without its charts, as somebody of this role sees it.
///
/// # Errors
/// No such cluster, or the database.
pub async fn detail(ops: &Ops, role: Role, slug: &str) -> Result<ClusterDetail, OpsError> {
    let records = store::list(ops.state.read()).await?;
    let record = records
        .iter()
        .find(|record| record.slug == slug)
        .ok_or_else(|| OpsError::not_found("cluster", slug))?;
    let all = rows(ops);
    let roster = Roster::new(&all);
    let members = roster.of(slug);
    let counting: Vec<&NodeRow> = members.iter().copied().filter(|row| row.counts).collect();
    let (found, _) = silences(&all);
    Ok(ClusterDetail {
        now_ms: ops.clock.now().0,
        summary: roster.summary_with(record, CELLS_MAX),
        siblings: records
            .iter()
            .filter(|other| other.system == record.system && other.slug != slug)
            .map(|other| other.slug.clone())
            .collect(),
        settings: ClusterForm::from(&record.settings),
        settings_seen: written(&ClusterForm::from(&record.settings)),
        notes_html: markdown::render(&record.settings.notes),
        may_change: authorize(role, Action::ArrangeFleet).is_ok(),
        console: console(&counting),
        signals: signals(ops, &counting),
        roles: roles(&record.settings, &counting),
        members: listed(&record.settings, members),
        nodes: u32::try_from(members.len()).unwrap_or(u32::MAX),
        silences: found
            .into_iter()
            .filter(|silence| match &silence.scope {
                domain::fleet::silence::Scope::Fleet => members
                    .iter()
                    .any(|row| row.liveness == domain::fleet::Liveness::NoData),
                domain::fleet::silence::Scope::Cluster(cluster) => cluster == slug,
            })
            .collect(),
        events: events::service::changes(ops, Scope::Cluster(slug), EVENTS_MAX).await?,
        peers: crate::fleet::peers::of_cluster(ops, slug),
    })
}

/// The console that a cluster is managed by: its manager's, else that of the first node that has one.
fn console(members: &[&NodeRow]) -> Option<(String, String)> {
    let is_manager = |row: &NodeRow| {
        let names = [&row.role, &row.sub_domain];
        let is_named = |name: &String| ["manager", "mgt"].iter().any(|part| name.contains(part));
        names.into_iter().flatten().any(is_named)
    };
    let with_console = || members.iter().filter(|row| row.console_url.is_some());
    let row = with_console()
        .find(|row| is_manager(row))
        .or_else(|| with_console().next())?;
    Some((row.name.clone(), row.console_url.clone()?))
}

/// The four signals; silent nodes do not count, their values are old.
fn signals(ops: &Ops, members: &[&NodeRow]) -> Signals {
    let seen: Vec<&NodeRow> = members.iter().copied().filter(|row| is_seen(row)).collect();
    let of_hosts = targets(ops, &seen.iter().map(|row| row.id.as_str()).collect());
    // A host may carry several nodes of the cluster; what it loses is lost once.
    let lost: BTreeMap<i64, f64> = of_hosts
        .values()
        .filter_map(|target| Some((target.host_no, target.lost_per_s?)))
        .collect();
    let named = |row: &NodeRow, value: f64| NamedValue {
        id: row.id.clone(),
        name: row.name.clone(),
        value,
    };
    let greatest = |value: fn(&NodeRow) -> Option<f64>| {
        seen.iter()
            .filter_map(|row| Some(named(row, value(row)?)))
            .max_by(|a, b| a.value.total_cmp(&b.value))
    };
    let disk = |row: &NodeRow| row.now.disk_used_ratio;
    let mount = |id: &str| {
        let row = seen.iter().find(|row| row.id == id);
        let mount = row.and_then(|row| row.now.disk_mount_point.clone());
        mount.map_or_else(|| "Disk".to_owned(), |mount| format!("Disk {mount}"))
    };
    let resources = [
        greatest(disk).map(|found| (mount(&found.id), found)),
        greatest(|row| row.now.memory_used_ratio).map(|found| ("Memory".to_owned(), found)),
        greatest(|row| row.now.cpu_used_ratio).map(|found| ("CPU".to_owned(), found)),
    ];
    Signals {
        connections: sum(seen.iter().filter_map(|row| row.now.connections)),
        lost_per_s: sum(lost.into_values()),
        probe_ms: median(seen.iter().filter_map(|row| row.now.probe_ms)),
        slowest: greatest(|row| row.now.probe_ms),
        saturation: resources
            .into_iter()
            .flatten()
            .max_by(|a, b| a.1.value.total_cmp(&b.1.value)),
    }
}

fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|a, b| a + b)
}

fn roles(settings: &ClusterSettings, members: &[&NodeRow]) -> Vec<RoleGroup> {
    let mut by_role: BTreeMap<(usize, Option<&str>), Vec<&NodeRow>> = BTreeMap::new();
    for row in members {
        let role = row.role.as_deref();
        by_role
            .entry((settings.role_place(role), role))
            .or_default()
            .push(row);
    }
    let show_cells = members.len() <= CELLS_MAX;
    by_role
        .into_iter()
        .map(|((_, role), members)| RoleGroup {
            role: role.map(str::to_owned),
            counts: roll_up(members.iter().map(|row| row.status), None).counts,
            cells: if show_cells {
                cells(&members)
            } else {
                Vec::new()
            },
        })
        .collect()
}

fn listed(settings: &ClusterSettings, members: &[&NodeRow]) -> Vec<Member> {
    let mut sorted = members.to_vec();
    sorted.sort_by(|a, b| {
        let place = |row: &NodeRow| (!row.counts, settings.role_place(row.role.as_deref()));
        place(a)
            .cmp(&place(b))
            .then_with(|| a.role.cmp(&b.role))
            .then_with(|| a.status.cmp(&b.status))
            .then_with(|| a.name.cmp(&b.name))
    });
    sorted
        .into_iter()
        .take(MEMBERS_MAX)
        .map(|row| Member {
            id: row.id.clone(),
            name: row.name.clone(),
            host_name: (row.host_name != row.name).then(|| row.host_name.clone()),
            role: row.role.clone(),
            product: row.product.as_ref().map(|product| match &row.version {
                Some(version) => format!("{product} {version}"),
                None => product.clone(),
            }),
            counts: row.counts,
            status: row.status,
            liveness: row.liveness,
            reason: row.reason.clone(),
            cpu_used_ratio: row.now.cpu_used_ratio,
            memory_used_ratio: row.now.memory_used_ratio,
            connections: row.now.connections,
            last_report_at_ms: row.last_report_at_ms,
            address: row.address.clone(),
            sub_domain: row.sub_domain.clone(),
            console_url: row.console_url.clone(),
            uptime_s: row.now.uptime_s,
            memory_total_bytes: row.now.memory_total_bytes,
            memory_available_bytes: row.now.memory_available_bytes,
            threads: row.now.threads,
        })
        .collect()
}

/// What a form carries along of what was stored when it was made.
fn written(form: &ClusterForm) -> String {
    serde_json::to_string(form).unwrap_or_default()
}

/// What somebody wrote while somebody else did, and who that was.
#[derive(Debug)]
pub struct Stale {
    /// On top of what is stored now.
    pub rebased: Rebased,
    /// Who changed it last, in words, and when.
    pub by: Option<(String, i64)>,
}

/// What is stored of a cluster is not what the writer of this form saw; `seen` is what their form carried along, and says
/// nothing where none did.
async fn stale(
    ops: &Ops,
    slug: &str,
    form: &ClusterForm,
    seen: &str,
    now: &ClusterSettings,
) -> Result<Option<Stale>, OpsError> {
    let Ok(seen) = serde_json::from_str::<ClusterForm>(seen) else {
        return Ok(None);
    };
    let Some(rebased) = form.clone().rebased(seen, ClusterForm::from(now)) else {
        return Ok(None);
    };
    let by = events::store::last_about(ops.state.read(), SETTINGS_CHANGED, slug).await?;
    Ok(Some(Stale { rebased, by }))
}

/// Changes what is declared about a cluster. Nothing is written, and no event, when nothing differs; nothing either where
/// somebody else was faster, which is told. `seen` is what the form carried along.
///
/// # Errors
/// Not allowed, no such cluster, every field that is refused, or the database.
pub async fn change_settings(
    ops: &Ops,
    who: &Caller,
    slug: &str,
    form: &ClusterForm,
    seen: &str,
) -> Result<Option<Stale>, OpsError> {
    who.may(Action::ArrangeFleet)?;
    let read = find(ops, slug).await?.settings;
    if let Some(stale) = stale(ops, slug, form, seen, &read).await? {
        return Ok(Some(stale));
    }
    let settings = form.read().map_err(|errors| {
        let named = errors.into_iter().map(|error| FieldError {
            field: error.field,
            detail: error.message,
        });
        OpsError::Invalid(named.collect())
    })?;
    let mut tx = ops.state.write().await?;
    let before = store::find(&mut *tx, slug)
        .await?
        .ok_or_else(|| OpsError::not_found("cluster", slug))?;
    if before.settings != read {
        // In the moment between.
        drop(tx);
        return stale(ops, slug, form, seen, &before.settings).await;
    }
    let changes = settings.changes_since(&before.settings);
    if changes.is_empty() {
        return Ok(None);
    }
    store::set_settings(&mut tx, slug, &settings).await?;
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &who.actor,
        verb: SETTINGS_CHANGED,
        subject: slug.to_owned(),
        node_id: None,
        detail: changes.join(", "),
    };
    let change = BeforeAfter {
        before: before.settings.in_words(),
        after: settings.in_words(),
    };
    events::store::append_change(&mut tx, event, change).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a cluster's settings"))?;
    Ok(None)
}
