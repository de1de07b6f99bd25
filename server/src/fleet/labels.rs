//! What people say about a node beside its place: tags and notes. Called by the node's form and by bulk changes.

use domain::access::Action;
use domain::fleet::{
    GivenTags, Tags, given_tags, merged_tags, read_notes, read_tags, tags_in_words,
};
use domain::time::Timestamp;
use protocol::keys::digest;

use super::live::{HostLive, NodeLive};
use super::servers::store::ServerRecord;
use super::{service, store};
use crate::error::{FieldError, OpsError};
use crate::events::{self, BeforeAfter, NewEvent};
use crate::ops::Ops;
use crate::people::service::Caller;

impl HostLive {
    /// Its tags: what its agent suggests, and what people said over that.
    pub fn tags(&self) -> Tags {
        merged_tags(&self.record.suggested.tags, &self.record.tags)
    }
}

/// Tags of a server on a host: its host's, and what people said over them.
pub fn server_tags(host: &HostLive, server: &ServerRecord) -> Tags {
    merged_tags(&host.tags(), &server.tags)
}

impl NodeLive {
    /// Its tags.
    pub fn tags(&self) -> Tags {
        match &self.server {
            Some(server) => server_tags(&self.host, server),
            None => self.host.tags(),
        }
    }

    /// What its tags would be if nobody had said anything about this node.
    fn tags_below(&self) -> Tags {
        match &self.server {
            Some(_) => self.host.tags(),
            None => self.host.record.suggested.tags.clone(),
        }
    }
}

/// A node's tags and notes as its form has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct LabelsForm {
    /// One `key=value` a line.
    pub tags: String,
    /// Markdown.
    pub notes: String,
    /// What [`version`] was when the form was made.
    pub version: String,
}

/// Short digest of what a form showed, so that two people do not write over each other.
pub fn version(tags: &Tags, notes: &str) -> String {
    let text = format!("{}\0{notes}", tags_in_words(tags));
    digest(text.as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Changes a node's tags and notes; writes nothing when nothing differs.
///
/// # Errors
/// Not allowed, no such node, wrong fields, changed meanwhile, or the database.
pub async fn change(
    ops: &Ops,
    who: &Caller,
    node_id: &str,
    form: &LabelsForm,
) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let turn = ops.turns.take().await;
    let node = service::find_node(ops, node_id)?;
    let mut wrong = Vec::new();
    let mut refuse = |field: &str, detail: String| {
        wrong.push(FieldError {
            field: field.to_owned(),
            detail,
        });
    };
    let tags = read_tags(&form.tags)
        .map_err(|detail| refuse("tags", detail))
        .unwrap_or_default();
    let notes = read_notes(&form.notes)
        .map_err(|detail| refuse("notes", detail))
        .unwrap_or_default();
    if !wrong.is_empty() {
        return Err(OpsError::Invalid(wrong));
    }
    let mut tx = ops.state.write().await?;
    let notes_before = store::find_notes(&mut *tx, node_id).await?;
    let tags_before = node.tags();
    if !form.version.is_empty() && form.version != version(&tags_before, &notes_before) {
        let detail = "somebody changed tags or notes meanwhile; what you wrote is kept below: compare it with the page, then save again";
        return Err(OpsError::field("tags", detail));
    }
    let now = ops.clock.now();
    let given = given_tags(&node.tags_below(), &tags);
    let is_tagged = tags != tags_before;
    if is_tagged {
        put_tags(&mut tx, who, &node, &given, now).await?;
    }
    if notes != notes_before {
        store::set_notes(&mut tx, node_id, &notes).await?;
        let event = NewEvent {
            at: now,
            actor: &who.actor,
            verb: "notes changed",
            subject: node.name(),
            node_id: Some(node_id),
            detail: String::new(),
        };
        let change = BeforeAfter {
            before: notes_before,
            after: notes,
        };
        events::store::append_change(&mut tx, event, change).await?;
    }
    let tell = put_live(ops, &node, given);
    turn.commit(tx, "committing tags and notes", move || {
        if is_tagged {
            tell();
        }
    })
    .await?;
    Ok(())
}

/// What is done to one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    /// It has this value.
    Set(String, String),
    /// It is no more.
    Remove(String),
}

/// Changes one tag of a node; says whether that changed anything.
///
/// # Errors
/// Not allowed, no such node, too many tags, or the database.
pub async fn change_tag(
    ops: &Ops,
    who: &Caller,
    node_id: &str,
    change: &TagChange,
) -> Result<bool, OpsError> {
    who.may(Action::ArrangeFleet)?;
    let turn = ops.turns.take().await;
    let node = service::find_node(ops, node_id)?;
    let before = node.tags();
    let mut wanted = before.clone();
    match change {
        TagChange::Set(name, value) => wanted.insert(name.clone(), value.clone()),
        TagChange::Remove(name) => wanted.remove(name),
    };
    if wanted == before {
        return Ok(false);
    }
    if wanted.len() > domain::fleet::TAGS_MAX && wanted.len() > before.len() {
        let detail = format!(
            "it has {} tags already, the most there may be",
            before.len()
        );
        return Err(OpsError::Conflict(detail));
    }
    let given = given_tags(&node.tags_below(), &wanted);
    let mut tx = ops.state.write().await?;
    put_tags(&mut tx, who, &node, &given, ops.clock.now()).await?;
    let tell = put_live(ops, &node, given);
    turn.commit(tx, "committing a tag", tell).await?;
    Ok(true)
}

async fn put_tags(
    connection: &mut sqlx::SqliteConnection,
    who: &Caller,
    node: &NodeLive,
    given: &GivenTags,
    now: Timestamp,
) -> Result<(), OpsError> {
    store::set_tags(connection, node.id(), given).await?;
    let change = BeforeAfter {
        before: tags_in_words(&node.tags()),
        after: tags_in_words(&merged_tags(&node.tags_below(), given)),
    };
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb: "tags changed",
        subject: node.name(),
        node_id: Some(node.id()),
        // All of both stands in the change.
        detail: format!("{} → {}", in_short(&change.before), in_short(&change.after)),
    };
    events::store::append_change(connection, event, change).await?;
    Ok(())
}

fn in_short(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        _ if text.is_empty() => "none".to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Tells memory, when it is called.
fn put_live(
    ops: &Ops,
    node: &NodeLive,
    given: GivenTags,
) -> impl FnOnce() + Send + 'static + use<> {
    let (ops, no) = (ops.clone(), node.host.record.no);
    let server = node.server.as_ref().map(|server| server.facts.key.clone());
    move || {
        ops.live.update(no, |host| match server {
            None => host.record.tags = given,
            Some(key) => {
                if let Some(known) = host.servers.get_mut(&key) {
                    std::sync::Arc::make_mut(known).tags = given;
                }
            }
        });
    }
}
