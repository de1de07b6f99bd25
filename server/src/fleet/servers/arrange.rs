//! What people decide about nodes: which cluster, which role, which name; whether what was found is of interest.

use domain::access::Action;
use domain::fleet::Admission;
use domain::text::{clean_label, is_slug};

use super::store::{self, Place, PlacedBy};
use crate::error::{FieldError, OpsError};
use crate::events::{self, BeforeAfter, NewEvent};
use crate::fleet::live::NodeLive;
use crate::fleet::store::ensure_cluster;
use crate::fleet::turn::Turn;
use crate::ops::Ops;
use crate::people::service::Caller;

/// Longest name that a person may give.
const NAME_CHARS_MAX: usize = 120;

/// What somebody says about a node; empty text leaves it as its agent tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Arrangement {
    /// Slug; made when missing, in the node's system.
    pub cluster: String,
    /// Slug, or empty.
    pub role: String,
    /// Name for people, or empty.
    pub name: String,
}

impl Arrangement {
    fn check(&self) -> Result<(), OpsError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: String| {
            errors.push(FieldError {
                field: field.to_owned(),
                detail,
            });
        };
        if let Err(detail) = read_cluster(&self.cluster) {
            wrong("cluster", detail);
        }
        if !self.role.is_empty() && !is_slug(&self.role) {
            let detail = "use 1 to 63 of a-z, 0-9 and -, such as worker, or nothing";
            wrong("role", detail.to_owned());
        }
        if self.name.chars().count() > NAME_CHARS_MAX {
            wrong(
                "name",
                format!("a name has at most {NAME_CHARS_MAX} characters"),
            );
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(OpsError::Invalid(errors))
        }
    }
}

/// Can a cluster have this name?
///
/// # Errors
/// What would be one.
pub fn read_cluster(text: &str) -> Result<String, String> {
    if is_slug(text) {
        return Ok(text.to_owned());
    }
    let shown = clean_label(&text.chars().take(80).collect::<String>());
    Err(format!(
        "`{shown}` is not a name: use 1 to 63 of a-z, 0-9 and -, such as app-eu"
    ))
}

/// Puts a node where a person says, and lets it count.
///
/// # Errors
/// Not allowed, no such node, wrong fields, a cluster of another system, or the database.
pub async fn arrange(
    ops: &Ops,
    who: &Caller,
    node_id: &str,
    wanted: &Arrangement,
) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let turn = ops.turns.take().await;
    let node = find(ops, node_id)?;
    wanted.check()?;
    let text = |text: &str| Some(clean_label(text)).filter(|text| !text.is_empty());
    let place = Place {
        system: node.system().to_owned(),
        cluster: wanted.cluster.clone(),
        node_role: text(&wanted.role),
        node_name: text(&wanted.name),
        admission: Admission::Accepted,
        placed_by: PlacedBy::Operator,
    };
    let verb = if node.cluster() == wanted.cluster {
        "node arranged"
    } else {
        "node moved"
    };
    let detail = format!("{} → {}", node.cluster(), wanted.cluster);
    put(ops, who, turn, &node, place, (verb, detail)).await
}

/// Lets a server that was found count where it is.
///
/// # Errors
/// Not allowed, no such server, or the database.
pub async fn accept(ops: &Ops, who: &Caller, node_id: &str) -> Result<(), OpsError> {
    admit(ops, who, node_id, Admission::Accepted, "server accepted").await
}

/// Says that a server that was found is of no interest.
///
/// # Errors
/// Not allowed, no such server, or the database.
pub async fn ignore(ops: &Ops, who: &Caller, node_id: &str) -> Result<(), OpsError> {
    admit(ops, who, node_id, Admission::Ignored, "server ignored").await
}

async fn admit(
    ops: &Ops,
    who: &Caller,
    node_id: &str,
    admission: Admission,
    verb: &'static str,
) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let turn = ops.turns.take().await;
    let node = find(ops, node_id)?;
    let Some(server) = &node.server else {
        let detail = "only a server that was found on a host can be accepted or ignored; a host is approved or removed";
        return Err(OpsError::Conflict(detail.to_owned()));
    };
    let place = Place {
        system: server.system.clone(),
        cluster: server.cluster.clone(),
        node_role: server.node_role.clone(),
        node_name: server.node_name.clone(),
        admission,
        placed_by: PlacedBy::Operator,
    };
    let detail = format!("cluster {}", server.cluster);
    put(ops, who, turn, &node, place, (verb, detail)).await
}

fn find(ops: &Ops, node_id: &str) -> Result<NodeLive, OpsError> {
    ops.live
        .node(node_id)
        .ok_or_else(|| OpsError::not_found("node", node_id))
}

/// For the log's "before" and "after".
fn in_words(cluster: &str, role: Option<&str>, name: Option<&str>) -> String {
    let mut words = format!("cluster: {cluster}");
    for (what, text) in [("role", role), ("name", name)] {
        if let Some(text) = text {
            words.push_str(&format!("\n{what}: {text}"));
        }
    }
    words
}

async fn put(
    ops: &Ops,
    who: &Caller,
    turn: Turn,
    node: &NodeLive,
    place: Place,
    (verb, detail): (&'static str, String),
) -> Result<(), OpsError> {
    let now = ops.clock.now();
    let mut tx = ops.state.write().await?;
    if let Some(owner) = ensure_cluster(&mut tx, &place.system, &place.cluster, now.0).await? {
        let detail = format!(
            "cluster {} belongs to system {owner}, and the node to system {}; choose another cluster",
            place.cluster, place.system
        );
        return Err(OpsError::field("cluster", detail));
    }
    store::set_place(&mut tx, node.id(), &place).await?;
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb,
        subject: node.name(),
        node_id: Some(node.id()),
        detail,
    };
    let (role, name) = match &node.server {
        Some(server) => (&server.node_role, &server.node_name),
        None => (&node.host.record.node_role, &node.host.record.node_name),
    };
    let change = BeforeAfter {
        before: in_words(node.cluster(), role.as_deref(), name.as_deref()),
        after: in_words(
            &place.cluster,
            place.node_role.as_deref(),
            place.node_name.as_deref(),
        ),
    };
    events::store::append_change(&mut tx, event, change).await?;
    let (live, no) = (ops.clone(), node.host.record.no);
    let server = node.server.as_ref().map(|server| server.facts.key.clone());
    let tell = move || {
        live.live.update(no, |host| match server {
            None => {
                host.record.cluster = place.cluster;
                host.record.node_role = place.node_role;
                host.record.node_name = place.node_name;
                host.record.placed_by = place.placed_by;
            }
            // What its agent told meanwhile stays: only its place is new.
            Some(key) => {
                if let Some(known) = host.servers.get_mut(&key) {
                    let known = std::sync::Arc::make_mut(known);
                    known.cluster = place.cluster;
                    known.node_role = place.node_role;
                    known.node_name = place.node_name;
                    known.admission = place.admission;
                    known.placed_by = place.placed_by;
                }
            }
        });
    };
    turn.commit(tx, "committing a node's place", tell).await?;
    Ok(())
}
