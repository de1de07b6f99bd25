//! Rows do not run away: while somebody is in the table, or has scrolled it, what changes its order waits for a click.

use std::collections::HashMap;

use leptos::prelude::*;

use super::selection::Selection;
use crate::fleet::view::{LiveUpdate, NodesPage};

/// Whether the next rows may take their places; a context of the page.
#[derive(Clone, Copy)]
pub struct Sorting {
    is_wanted: RwSignal<bool>,
}

impl Sorting {
    /// Nobody asked.
    pub fn new() -> Self {
        Self {
            is_wanted: RwSignal::new(false),
        }
    }

    /// The next rows that come may take their places.
    pub fn ask(self) {
        self.is_wanted.set(true);
    }
}

/// Takes over what came, with rows where they were if somebody is among them.
pub fn pick(update: &LiveUpdate, now: &NodesPage) -> Option<NodesPage> {
    let LiveUpdate::Nodes(next) = update else {
        return None;
    };
    if !is_of_same_list(now, next) {
        return None;
    }
    let mut next = (**next).clone();
    // These do not come over the line.
    next.views.clone_from(&now.views);
    let sorting = use_context::<Sorting>();
    let is_wanted = sorting.is_some_and(|sorting| sorting.is_wanted.get_untracked());
    if is_wanted {
        if let Some(sorting) = sorting {
            sorting.is_wanted.set(false);
        }
    } else if is_somebody_there() {
        keep_places(now, &mut next);
    }
    Some(next)
}

/// What was on its way when another filter or page was chosen is of no use. A page that is no longer there became the last.
fn is_of_same_list(now: &NodesPage, next: &NodesPage) -> bool {
    let query = &next.query;
    let is_last = query.page.saturating_mul(query.per) >= next.matching;
    now.query.at_page(query.page) == *query && (now.query.page == query.page || is_last)
}

/// The pointer or focus is among the rows, some are ticked, or they were scrolled.
fn is_somebody_there() -> bool {
    if use_context::<Selection>().is_some_and(Selection::is_any) {
        return true;
    }
    let document = document();
    let found = |selector: &str| document.query_selector(selector).ok().flatten();
    if found(".nodes-scroll tbody:hover, .nodes-scroll tbody:focus-within").is_some() {
        return true;
    }
    found(".nodes-scroll").is_some_and(|region| region.scroll_top() > 0)
}

/// Rows that were shown stay where they were; new ones come last. Says so when the order would be another.
fn keep_places(now: &NodesPage, next: &mut NodesPage) {
    let places: HashMap<&str, usize> = now
        .rows
        .iter()
        .enumerate()
        .map(|(place, row)| (row.id.as_str(), place))
        .collect();
    let before: Vec<String> = next.rows.iter().map(|row| row.id.clone()).collect();
    next.rows
        .sort_by_key(|row| places.get(row.id.as_str()).copied().unwrap_or(usize::MAX));
    next.order_kept = next.rows.iter().map(|row| &row.id).ne(before.iter());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::fleet::{Liveness, Status};

    use super::*;
    use crate::fleet::view::{Headline, NodeRow, NodesQuery};

    fn row(id: &str) -> NodeRow {
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

    fn page(ids: &[&str]) -> NodesPage {
        NodesPage {
            rows: ids.iter().map(|id| row(id)).collect(),
            ..NodesPage::default()
        }
    }

    #[test]
    fn what_is_of_another_list_is_dropped() {
        let of = |q: &str, number: u32, matching: u32| {
            let query = NodesQuery {
                page: number,
                ..NodesQuery::of_filter(q.to_owned())
            };
            NodesPage {
                query,
                matching,
                ..NodesPage::default()
            }
        };
        let now = of("web", 2, 150);
        assert!(is_of_same_list(&now, &of("web", 2, 180)));
        assert!(is_of_same_list(&now, &of("web", 1, 90)), "it shrank");
        assert!(!is_of_same_list(&now, &of("web", 1, 150)));
        assert!(!is_of_same_list(&now, &of("db", 2, 150)));
    }

    fn ids(page: &NodesPage) -> Vec<&str> {
        page.rows.iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn rows_keep_their_places_and_new_ones_come_last() {
        let now = page(&["a", "b", "c"]);
        let mut next = page(&["d", "c", "a"]);
        keep_places(&now, &mut next);
        assert_eq!(ids(&next), ["a", "c", "d"]);
        assert!(next.order_kept);
        let mut same = page(&["a", "b", "c", "e"]);
        keep_places(&now, &mut same);
        assert_eq!(ids(&same), ["a", "b", "c", "e"]);
        assert!(!same.order_kept);
    }
}
