//! One change of many nodes: those that were ticked in the list, or all that its filter lets through.
//!
//! Called by the list's form, which works without scripts. Each node is changed by the same service as by its own page, in
//! a transaction and with an event of its own; the answer says what became of each, and what failed can be tried again.

use std::collections::BTreeSet;

use app::backend::Operator;
use app::fleet::columns::columns;
use app::fleet::view::{BulkOutcome, BulkReport, BulkRow, NodesQuery};
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::access::{Action, authorize};
use domain::fleet::{Admission, read_tag, read_tag_name};
use domain::text::clean_label;

use super::labels::{self, TagChange};
use super::list::listed;
use super::list_export;
use super::live::NodeLive;
use super::servers::arrange::{self, Arrangement};
use super::service::find_node;
use super::store::HostState;
use crate::agents::decide;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::people::service::Caller;
use crate::web::console::caller;
use crate::web::pages::{self, Extra};

/// Nodes that one request changes at most: it must be answered in time.
const NODES_MAX: usize = 1_000;
/// No further node is begun after this: an answer comes within 30 s or not at all.
const TIME_MS_MAX: u64 = 20_000;

/// What is to be done with each node.
enum Change {
    Tag(TagChange),
    Move(String),
    Accept,
    Ignore,
}

impl Change {
    /// Reads what the form asks for.
    fn read(action: &str, tag: &str, cluster: &str) -> Result<Self, OpsError> {
        match action {
            "add_tag" => read_tag(tag.trim())
                .map(|(name, value)| Change::Tag(TagChange::Set(name, value)))
                .map_err(|detail| OpsError::field("tag", detail)),
            "remove_tag" => {
                let name = tag.split('=').next().unwrap_or_default().trim();
                read_tag_name(name).map_err(|detail| OpsError::field("tag", detail))?;
                Ok(Change::Tag(TagChange::Remove(name.to_owned())))
            }
            "move" => arrange::read_cluster(cluster.trim())
                .map(Change::Move)
                .map_err(|detail| OpsError::field("cluster", detail)),
            "accept" => Ok(Change::Accept),
            "ignore" => Ok(Change::Ignore),
            _ => Err(OpsError::field(
                "action",
                "choose what to do: press one of the buttons beside the fields",
            )),
        }
    }

    fn words(&self) -> String {
        match self {
            Change::Tag(TagChange::Set(name, value)) => format!("add tag {name}={value}"),
            Change::Tag(TagChange::Remove(name)) => format!("remove tag {name}"),
            Change::Move(cluster) => format!("move to cluster {cluster}"),
            Change::Accept => "accept".to_owned(),
            Change::Ignore => "ignore".to_owned(),
        }
    }

    /// Does it; says what there was to do, `None` for nothing.
    async fn apply(
        &self,
        ops: &Ops,
        who: &Caller,
        node: &NodeLive,
    ) -> Result<Option<String>, OpsError> {
        let id = node.id();
        match self {
            Change::Tag(change) => {
                let is_changed = labels::change_tag(ops, who, id, change).await?;
                Ok(is_changed.then(|| self.words()))
            }
            Change::Move(cluster) => {
                who.may(Action::ArrangeFleet)?;
                if node.cluster() == cluster {
                    return Ok(None);
                }
                let (role, name) = match &node.server {
                    Some(server) => (&server.node_role, &server.node_name),
                    None => (&node.host.record.node_role, &node.host.record.node_name),
                };
                let wanted = Arrangement {
                    cluster: cluster.clone(),
                    role: role.clone().unwrap_or_default(),
                    name: name.clone().unwrap_or_default(),
                };
                arrange::arrange(ops, who, id, &wanted).await?;
                Ok(Some(format!("{} → {cluster}", node.cluster())))
            }
            Change::Accept => match &node.server {
                Some(server) if server.admission == Admission::Accepted => Ok(None),
                Some(_) => {
                    arrange::accept(ops, who, id).await?;
                    Ok(Some("accepted".to_owned()))
                }
                None if node.host.record.state == HostState::Pending => {
                    decide::approve(ops, who, id).await?;
                    Ok(Some("approved".to_owned()))
                }
                None => Ok(None),
            },
            Change::Ignore => {
                if node
                    .server
                    .as_ref()
                    .is_some_and(|server| server.admission == Admission::Ignored)
                {
                    return Ok(None);
                }
                arrange::ignore(ops, who, id).await?;
                Ok(Some("ignored".to_owned()))
            }
        }
    }
}

/// `POST /nodes/bulk`
///
/// # Errors
/// Wrong fields, nothing chosen, too many, or not allowed.
pub async fn bulk(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, OpsError> {
    authorize(operator.role, Action::ViewFleet)?;
    let text = |key: &str| {
        let found = fields.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let query = NodesQuery {
        sort: text("sort"),
        cols: text("cols"),
        view: text("view"),
        per: text("per").parse().unwrap_or(0),
        ..NodesQuery::of_filter(text("q"))
    };
    let is_all = !text("all").is_empty();
    let list = listed(&ops, &query);
    // What is no filter lets everything through on a page; here that would change the whole fleet.
    if let Some(error) = list.filter_error.as_ref().filter(|_| is_all) {
        return Err(OpsError::field("q", error.message.clone()));
    }
    let ids: Vec<String> = if is_all {
        let rows = list
            .matching
            .iter()
            .filter_map(|place| list.all.get(*place));
        rows.map(|row| row.id.clone()).collect()
    } else {
        let mut seen = BTreeSet::new();
        let ticked = fields.iter().filter(|(name, _)| name == "id");
        let ticked = ticked.filter(|(_, id)| seen.insert(id.as_str()));
        ticked.map(|(_, id)| id.clone()).collect()
    };
    if ids.is_empty() {
        let detail = "no node is selected: tick some in the list, or choose all that match";
        return Err(OpsError::field("id", detail));
    }
    let action = text("action");
    if action == "export" {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let matching: BTreeSet<usize> = list.matching.iter().copied().collect();
        // In the order of the list; ticked rows that the filter no longer lets through come after.
        let others = (0..list.all.len()).filter(|place| !matching.contains(place));
        let places = list.matching.iter().copied().chain(others);
        let rows = places
            .filter_map(|place| list.all.get(place))
            .filter(|row| wanted.contains(row.id.as_str()));
        return Ok(list_export::csv_file(
            rows,
            &columns(&query.cols, &query.view),
            ops.clock.now().0,
        ));
    }
    authorize(operator.role, Action::ArrangeFleet)?;
    if ids.len() > NODES_MAX {
        let detail = format!(
            "{} nodes are too many for one change: narrow the filter to at most {NODES_MAX}",
            ids.len()
        );
        return Err(OpsError::field("all", detail));
    }
    let change = Change::read(&action, &text("tag"), &text("cluster"))?;
    let (doing, who) = (ops.clone(), caller(&operator));
    let title = change.words();
    // Begun is done, also when whoever asked goes away: the log tells it.
    let mut rows = tokio::spawn(async move { apply_all(&doing, &who, &change, ids).await })
        .await
        .map_err(|_| {
            OpsError::Conflict("the change was cut short; the log tells what was done".to_owned())
        })?;
    // What needs somebody comes first.
    rows.sort_by_key(|row| row.outcome);
    let report = BulkReport {
        title,
        back: query.clone(),
        action,
        tag: text("tag"),
        cluster: text("cluster"),
        rows,
    };
    let extra = Extra {
        bulk: Some(report),
        ..Extra::default()
    };
    let answer = pages::answer_form(
        &ops,
        "/nodes/bulk",
        &headers,
        Some(operator),
        StatusCode::OK,
        extra,
    );
    Ok(answer.await.into_response())
}

/// Changes one after the other as long as there is time to answer; what is left can be tried again.
async fn apply_all(ops: &Ops, who: &Caller, change: &Change, ids: Vec<String>) -> Vec<BulkRow> {
    let began = ops.clock.monotonic();
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let node = match find_node(ops, &id) {
            Ok(node) => node,
            Err(error) => {
                rows.push(BulkRow {
                    name: clean_label(&id),
                    id: String::new(),
                    outcome: BulkOutcome::Failed,
                    words: error.to_string(),
                });
                continue;
            }
        };
        let is_late = ops.clock.monotonic().since_ms(began) > TIME_MS_MAX;
        let (outcome, words) = if is_late {
            let words =
                "not tried: the others took all the time there is for one change; try these again";
            (BulkOutcome::Failed, words.to_owned())
        } else {
            match change.apply(ops, who, &node).await {
                Ok(Some(words)) => (BulkOutcome::Done, words),
                Ok(None) => (BulkOutcome::Unchanged, "was so already".to_owned()),
                Err(error) => (BulkOutcome::Failed, error.to_string()),
            }
        };
        rows.push(BulkRow {
            name: node.name(),
            id: node.id().to_owned(),
            outcome,
            words,
        });
    }
    rows
}
