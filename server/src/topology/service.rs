//! The edges of the fleet in memory, looked at again and again; where boxes stand, and who may move them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use app::backend::Operator;
use app::error::UiError;
use app::topology::TopologyPort;
use app::topology::view::{TopologyPage, TopologyQuery};
use domain::access::Action;
use domain::topology::layout::{Position, places as places_of};
use domain::topology::{
    Edge, EdgeRules, EdgeState, HostView, KnownListeners, LinkKey, match_flows, step,
};

use super::model::{GHOST_MS, Model, is_outside};
use super::source;
use super::store::{self, Place, PlaceKey, Places};
use crate::db::Db;
use crate::error::{OpsError, StoreError};
use crate::events::{self, NewEvent};
use crate::ops::Ops;
use crate::people::service::Caller;
use crate::web::console::Console;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// An edge that is seen all the time is written this seldom.
const WRITE_SEEN_MS: i64 = 5 * 60_000;
/// How far a box moves with one press.
pub const MOVE_STEP: i32 = 48;
/// No box stands farther out.
const FARTHEST: i32 = 100_000;

/// A dependency that somebody declared: from cluster, to cluster, port.
pub type Declared = (String, String, u16);

/// What is known now.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Edges by key, those seen only once included.
    pub edges: Arc<BTreeMap<LinkKey, Edge>>,
    /// Where boxes stand.
    pub places: Arc<BTreeMap<PlaceKey, Place>>,
    /// Where they stood before their map was tidied last.
    pub before: Arc<BTreeMap<PlaceKey, Place>>,
    /// What people said that there should be.
    pub declared: Arc<BTreeSet<Declared>>,
    /// Hosts that tell their connections.
    pub hosts_telling: u32,
    /// Connections that are told and in no edge.
    pub unmatched: u64,
}

impl Known {
    /// Where a box stands on a map.
    pub fn place(&self, map: &str, cluster: &str) -> Option<&Place> {
        self.places.get(&(map.to_owned(), cluster.to_owned()))
    }

    /// Was this map tidied, so that it can be undone?
    pub fn may_undo(&self, map: &str) -> bool {
        self.before.keys().any(|(of, _)| of == map)
    }

    /// Clusters that stand on a map and have no nodes any more.
    pub fn ghosts<'k>(&'k self, map: &'k str, model: &'k Model) -> impl Iterator<Item = &'k str> {
        self.places
            .keys()
            .filter(move |(of, key)| {
                of == map && !is_outside(key) && !model.clusters.contains_key(key)
            })
            .map(|(_, key)| key.as_str())
    }
}

/// The map's state.
#[derive(Debug)]
pub struct Topology {
    known: RwLock<Known>,
    /// When each edge was last written. Held during a look or a move, so that they never cross.
    written: tokio::sync::Mutex<Written>,
    /// Held while the past of the fleet is read.
    past: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Written {
    seen_at_ms: BTreeMap<LinkKey, i64>,
}

/// Declared dependencies at most: each is looked at whenever the map is made.
const DECLARED_MAX: usize = 1_000;

impl Topology {
    /// Waits until nobody else reads the past.
    pub async fn past_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.past.lock().await
    }

    /// Reads edges and places.
    ///
    /// # Errors
    /// When the database refuses or is corrupt.
    pub async fn load(state: &Db) -> Result<Self, StoreError> {
        let edges = store::list_edges(state.read()).await?;
        let places = store::list_places(state.read(), Places::Now).await?;
        let before = store::list_places(state.read(), Places::Before).await?;
        let declared = store::list_declared(state.read()).await?;
        let seen_at_ms = edges
            .iter()
            .map(|(key, edge)| (key.clone(), edge.last_seen_at_ms.unwrap_or(0)))
            .collect();
        Ok(Self {
            known: RwLock::new(Known {
                edges: Arc::new(edges),
                places: Arc::new(places),
                before: Arc::new(before),
                declared: Arc::new(declared),
                ..Known::default()
            }),
            written: tokio::sync::Mutex::new(Written { seen_at_ms }),
            past: tokio::sync::Mutex::default(),
        })
    }

    /// What is known now; cheap.
    pub fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Looks until the server stops.
pub async fn run(ops: Ops) {
    let mut last = u64::MAX;
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = ops.live.version();
        let has_edges = !ops.topology.known().edges.is_empty();
        // A silent fleet still grows old.
        if now == last && !has_edges {
            continue;
        }
        last = now;
        if let Err(error) = look(&ops).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "connections could not be looked at; it is tried again"
            );
        }
    }
}

/// One look: matches what hosts told, moves edges on, finds a place for new boxes, writes what is news.
///
/// # Errors
/// When the database refuses; nothing has changed then.
pub async fn look(ops: &Ops) -> Result<(), StoreError> {
    let mut written = ops.topology.written.lock().await;
    let now_ms = ops.clock.now().0;
    let told = source::told(ops);
    let views: Vec<HostView<'_>> = told
        .iter()
        .map(|host| HostView {
            host_no: host.host_no,
            is_seen: host.is_seen,
            known_at_ms: host.known_at_ms,
            addresses: &host.addresses,
            connections: &host.connections,
        })
        .collect();
    let known = ops.topology.known();
    let matches = match_flows(&views, &KnownListeners::new(known.edges.values()), now_ms);
    let next = step(
        &known.edges,
        &matches.links,
        &BTreeSet::new(),
        EdgeRules::default(),
        now_ms,
    );
    let next = Known {
        edges: Arc::new(next.edges),
        places: known.places.clone(),
        before: known.before.clone(),
        declared: known.declared.clone(),
        hosts_telling: u32::try_from(told.len()).unwrap_or(u32::MAX),
        unmatched: matches.unmatched,
    };
    let places = settle(ops, &next, now_ms);
    write(ops, &mut written.seen_at_ms, &known, &next, &places).await?;
    ops.topology.change(|known| {
        *known = Known {
            places: Arc::new(places),
            ..next
        };
    });
    Ok(())
}

/// Where boxes stand after this look, on the map of all and on that of each system.
fn settle(ops: &Ops, known: &Known, now_ms: i64) -> BTreeMap<PlaceKey, Place> {
    let nodes = source::nodes(ops);
    let systems: BTreeSet<&str> = nodes.iter().map(|node| node.row.system.as_str()).collect();
    let mut maps = vec![""];
    if systems.len() > 1 {
        maps.extend(&systems);
    }
    let mut places = (*known.places).clone();
    places.retain(|_, place| now_ms.saturating_sub(place.seen_at_ms) <= GHOST_MS);
    for map in maps {
        // Where boxes stand does not hang on how they are.
        let mut model = Model::new(nodes.clone(), &BTreeMap::new(), known.edges.values(), map);
        model.declare(&known.declared);
        let remembered = Known {
            places: Arc::new(places.clone()),
            ..known.clone()
        };
        let (boxes, arcs) = model.drawing(&remembered, map, &model.sizes());
        let joined: BTreeSet<&str> = arcs
            .iter()
            .flat_map(|arc| [arc.from.as_str(), arc.to.as_str()])
            .collect();
        let stood: BTreeMap<&str, Position> = boxes
            .iter()
            .filter_map(|one| Some((one.key.as_str(), one.position?)))
            .collect();
        let (placed, is_anew) = places_of(&boxes, &arcs);
        for drawn in placed {
            let key = (map.to_owned(), drawn.key);
            let is_present = model.clusters.contains_key(&key.1) || is_outside(&key.1);
            let before = places.get(&key).copied();
            // One that was pushed aside by another goes back when there is room again.
            let kept = stood.get(key.1.as_str()).filter(|_| !is_anew).copied();
            let at = kept.unwrap_or(Position {
                x: drawn.x,
                y: drawn.y,
            });
            let seen_at_ms = match before {
                Some(before) if !is_present || now_ms - before.seen_at_ms < GHOST_MS / 24 => {
                    before.seen_at_ms
                }
                _ => now_ms,
            };
            let place = Place {
                at,
                is_pinned: before.is_some_and(|before| before.is_pinned),
                // Once it had edges it keeps its place without them.
                is_loose: !joined.contains(key.1.as_str())
                    && before.is_none_or(|before| before.is_loose),
                seen_at_ms,
            };
            places.insert(key, place);
        }
    }
    places
}

/// Writes what differs from what is stored, in one transaction.
async fn write(
    ops: &Ops,
    written: &mut BTreeMap<LinkKey, i64>,
    before: &Known,
    next: &Known,
    places: &BTreeMap<PlaceKey, Place>,
) -> Result<(), StoreError> {
    // What was seen once may never be seen again.
    let lasting = |edge: &&Edge| edge.state != EdgeState::New;
    let is_news = |edge: &&Edge| {
        let old = before.edges.get(&edge.key);
        let same_state = old.is_some_and(|old| old.state == edge.state);
        let last = written.get(&edge.key).copied().unwrap_or(0);
        let is_old = edge.last_seen_at_ms.unwrap_or(0).saturating_sub(last) >= WRITE_SEEN_MS;
        !same_state || (edge.state == EdgeState::Seen && is_old)
    };
    let edges: Vec<&Edge> = next
        .edges
        .values()
        .filter(lasting)
        .filter(is_news)
        .collect();
    let gone: Vec<&LinkKey> = before
        .edges
        .iter()
        .filter(|(key, edge)| edge.state != EdgeState::New && !next.edges.contains_key(*key))
        .map(|(key, _)| key)
        .collect();
    let moved: Vec<(&PlaceKey, &Place)> = places
        .iter()
        .filter(|(key, place)| before.places.get(*key) != Some(*place))
        .collect();
    let left: Vec<&PlaceKey> = before
        .places
        .keys()
        .filter(|key| !places.contains_key(*key))
        .collect();
    if edges.is_empty() && gone.is_empty() && moved.is_empty() && left.is_empty() {
        return Ok(());
    }
    let mut tx = ops.state.write().await?;
    for edge in &edges {
        store::put_edge(&mut tx, edge).await?;
    }
    for key in &gone {
        store::remove_edge(&mut tx, key).await?;
    }
    for (key, place) in moved {
        store::put_place(&mut tx, Places::Now, key, place).await?;
    }
    for key in left {
        store::remove_place(&mut tx, key).await?;
    }
    tx.commit()
        .await
        .map_err(StoreError::doing("committing the map"))?;
    let seen: Vec<(LinkKey, i64)> = edges
        .iter()
        .map(|edge| (edge.key.clone(), edge.last_seen_at_ms.unwrap_or(0)))
        .collect();
    for key in gone {
        written.remove(key);
    }
    written.extend(seen);
    Ok(())
}

/// Lays a map out anew: all places on it are forgotten, pins too.
///
/// # Errors
/// Not allowed, or the database.
pub async fn tidy(ops: &Ops, who: &Caller, map: &str) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let _look = ops.topology.written.lock().await;
    let mut next = ops.topology.known();
    next.places = Arc::new(without_map(&next.places, map));
    let places = settle(ops, &next, ops.clock.now().0);
    replace_places(ops, who, map, places, "map tidied").await
}

/// Brings back where boxes stood before the map was tidied last; done again, it undoes itself.
///
/// # Errors
/// Not allowed, nothing to undo, or the database.
pub async fn untidy(ops: &Ops, who: &Caller, map: &str) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let _look = ops.topology.written.lock().await;
    let known = ops.topology.known();
    if !known.may_undo(map) {
        let detail = "this map was not tidied, so there is nothing to undo";
        return Err(OpsError::Conflict(detail.to_owned()));
    }
    let mut places = without_map(&known.places, map);
    places.extend(of_map(&known.before, map));
    replace_places(ops, who, map, places, "tidying the map undone").await
}

type PlaceMap = BTreeMap<PlaceKey, Place>;

fn of_map<'p>(places: &'p PlaceMap, map: &'p str) -> impl Iterator<Item = (PlaceKey, Place)> + 'p {
    let of = places.iter().filter(move |((of, _), _)| of == map);
    of.map(|(key, place)| (key.clone(), *place))
}

fn without_map(places: &PlaceMap, map: &str) -> PlaceMap {
    let mut places = places.clone();
    places.retain(|(of, _), _| of != map);
    places
}

/// Writes the places of one map, and keeps those that were.
async fn replace_places(
    ops: &Ops,
    who: &Caller,
    map: &str,
    places: PlaceMap,
    verb: &'static str,
) -> Result<(), OpsError> {
    let known = ops.topology.known();
    let mut before = without_map(&known.before, map);
    before.extend(of_map(&known.places, map));
    let mut tx = ops.state.write().await?;
    for (which, all) in [(Places::Now, &places), (Places::Before, &before)] {
        store::clear_places(&mut tx, which, map).await?;
        for (key, place) in of_map(all, map) {
            store::put_place(&mut tx, which, &key, &place).await?;
        }
    }
    let subject = if map.is_empty() {
        "the whole fleet".to_owned()
    } else {
        format!("system {map}")
    };
    events::store::append(&mut tx, event(ops, who, verb, subject)).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing the places of a map"))?;
    ops.topology.change(|known| {
        known.places = Arc::new(places);
        known.before = Arc::new(before);
    });
    Ok(())
}

/// Where a person wants a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// So much to the right and down of where it stands; it is pinned then.
    By(i32, i32),
    /// It stays where it is, but no longer because somebody said so.
    Unpin,
}

/// Moves a box and pins it there.
///
/// # Errors
/// Not allowed, no such box, or the database.
pub async fn move_box(
    ops: &Ops,
    who: &Caller,
    map: &str,
    cluster: &str,
    wish: Wish,
) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let key = (map.to_owned(), cluster.to_owned());
    if !ops.topology.known().places.contains_key(&key) {
        // A cluster that is younger than the last look is drawn, and has no place yet.
        look(ops).await?;
    }
    let _look = ops.topology.written.lock().await;
    let known = ops.topology.known();
    let Some(place) = known.places.get(&key).copied() else {
        return Err(OpsError::not_found("box on the map", cluster));
    };
    let place = match wish {
        Wish::By(right, down) => {
            let to = |from: i32, by: i32| from.saturating_add(by).clamp(-FARTHEST, FARTHEST);
            Place {
                at: Position {
                    x: to(place.at.x, right),
                    y: to(place.at.y, down),
                },
                is_pinned: true,
                ..place
            }
        }
        Wish::Unpin => Place {
            is_pinned: false,
            ..place
        },
    };
    let verb = match wish {
        Wish::By(..) => "box moved on the map",
        Wish::Unpin => "box unpinned on the map",
    };
    let mut tx = ops.state.write().await?;
    store::put_place(&mut tx, Places::Now, &key, &place).await?;
    events::store::append(&mut tx, event(ops, who, verb, cluster.to_owned())).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a moved box"))?;
    ops.topology.change(|known| {
        let mut places = (*known.places).clone();
        places.insert(key, place);
        known.places = Arc::new(places);
    });
    Ok(())
}

/// Declares that one cluster calls another at a port, or takes that back. Nothing is written when nothing differs.
///
/// # Errors
/// Not allowed, no such clusters, or the database.
pub async fn declare(
    ops: &Ops,
    who: &Caller,
    edge: Declared,
    is_taken_back: bool,
) -> Result<(), OpsError> {
    who.may(Action::ArrangeFleet)?;
    let (from, to, port) = &edge;
    if from == to {
        return Err(OpsError::field(
            "to",
            "write another cluster than the one that calls",
        ));
    }
    let _look = ops.topology.written.lock().await;
    let known = ops.topology.known();
    if known.declared.contains(&edge) != is_taken_back {
        return Ok(());
    }
    if !is_taken_back && known.declared.len() >= DECLARED_MAX {
        let detail = format!(
            "{DECLARED_MAX} dependencies are declared, the most there may be: take some back first"
        );
        return Err(OpsError::Conflict(detail));
    }
    if !is_taken_back {
        let said = source::said(ops).await?;
        for (field, slug) in [("from", from), ("to", to)] {
            if !said.contains_key(slug) {
                let named = domain::text::clean_label(slug);
                return Err(OpsError::field(
                    field,
                    format!("there is no cluster `{named}`; write the name of one that is there"),
                ));
            }
        }
    }
    let verb = if is_taken_back {
        "declared dependency taken back"
    } else {
        "dependency declared"
    };
    let subject = format!("{from} calls {to} at port {port}");
    let mut tx = ops.state.write().await?;
    if is_taken_back {
        store::remove_declared(&mut tx, &edge).await?;
    } else {
        store::put_declared(&mut tx, &edge).await?;
    }
    events::store::append(&mut tx, event(ops, who, verb, subject)).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a declared dependency"))?;
    ops.topology.change(|known| {
        let mut declared = (*known.declared).clone();
        if is_taken_back {
            declared.remove(&edge);
        } else {
            declared.insert(edge);
        }
        known.declared = Arc::new(declared);
    });
    Ok(())
}

fn event<'a>(ops: &Ops, who: &'a Caller, verb: &'static str, subject: String) -> NewEvent<'a> {
    NewEvent {
        at: ops.clock.now(),
        actor: &who.actor,
        verb,
        subject,
        node_id: None,
        detail: String::new(),
    }
}

#[async_trait::async_trait]
impl TopologyPort for Console {
    async fn topology(
        &self,
        who: &Operator,
        query: TopologyQuery,
    ) -> Result<TopologyPage, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(super::map::page(self.ops(), who.role, &query).await?)
    }
}
