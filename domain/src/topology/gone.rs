//! Listeners that were seen at the ends of edges: where a call to a port that nobody listens at any more was meant to go.

use std::collections::BTreeMap;

use super::edge::{Edge, EdgeState};
use super::matching::{End, LinkKey, Side};

/// By who calls, host and port that are called.
type Called = (Side, i64, u16);

/// Who listened at the ends of the edges that are known.
#[derive(Debug, Clone, Default)]
pub struct KnownListeners {
    /// `None` where it was one of several.
    by_call: BTreeMap<Called, Option<End>>,
}

impl KnownListeners {
    /// From edges that are shown. One that was seen only once does not count: calls that fail shall not confirm it.
    pub fn new<'e>(edges: impl IntoIterator<Item = &'e Edge>) -> Self {
        let shown = |state| matches!(state, EdgeState::Seen | EdgeState::Stale);
        let keys = edges.into_iter().filter(|edge| shown(edge.state));
        Self::of_keys(keys.map(|edge| &edge.key))
    }

    pub(super) fn of_keys<'k>(keys: impl IntoIterator<Item = &'k LinkKey>) -> Self {
        let mut by_call: BTreeMap<Called, Option<End>> = BTreeMap::new();
        for key in keys {
            let Some(end) = key.to.end() else { continue };
            by_call
                .entry((key.from.clone(), end.host_no, key.port))
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(end.clone()));
        }
        Self { by_call }
    }

    /// Who listened at this port of a host, for this caller; `None` where nobody, or more than one, is known.
    pub fn find(&self, from: &Side, host_no: i64, port: u16) -> Option<End> {
        let known = self.by_call.get(&(from.clone(), host_no, port))?;
        known.clone()
    }
}
