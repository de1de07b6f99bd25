//! What the page's URL says, and URLs that say something else.

use super::view::EventsQuery;
use crate::fleet::view::EventRow;
use crate::url::{self, with_query};

/// Windows that are offered, as in the URL and as shown.
pub const RANGES: [(&str, &str); 6] = [
    ("1h", "1 h"),
    ("24h", "24 h"),
    ("7d", "7 d"),
    ("30d", "30 d"),
    ("90d", "90 d"),
    ("1y", "1 y"),
];
/// When nothing is said.
pub const RANGE_DEFAULT: &str = "7d";

/// Where an event leads: to the page of what it is about, else to all that ever happened to that.
pub fn object_url(event: &EventRow) -> String {
    let is_about = |what: &[&str]| what.iter().any(|verb| event.verb.starts_with(verb));
    let (id, is_gone) = (event.node_id.as_deref(), event.verb == "node removed");
    let page = match id {
        Some(id) if !is_gone => Some(url::node(id)),
        Some(_) => None,
        // Every event about a cluster itself, or its box on the map, says so in its verb, and has the slug as its subject.
        None if is_about(&["cluster ", "box "]) => Some(url::cluster(&event.subject)),
        None if is_about(&["enrollment token "]) => Some("/nodes/add".to_owned()),
        None if is_about(&["backup ", "server "]) => Some("/settings/about".to_owned()),
        None if is_about(&["map "]) => Some("/topology".to_owned()),
        None => None,
    };
    page.unwrap_or_else(|| {
        let of_it = EventsQuery {
            object: id.unwrap_or(&event.subject).to_owned(),
            ..EventsQuery::default()
        };
        of_it.in_range("1y").url()
    })
}

impl EventsQuery {
    /// From the URL's parameters. A cursor that is no number counts as not said.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |key: &str| get(key).unwrap_or_default();
        Self {
            kind: text("kind"),
            actor: text("actor"),
            object: text("object"),
            cluster: text("cluster"),
            range: text("range"),
            from: text("from"),
            to: text("to"),
            cursor: get("cursor").and_then(|text| text.parse().ok()),
            is_audit: false,
            verify: get("verify").is_some_and(|text| text == "1"),
        }
    }

    /// The URL that says this at `path`; defaults are left out.
    pub fn url_at(&self, path: &str) -> String {
        let cursor = self.cursor.map(|seq| seq.to_string()).unwrap_or_default();
        let is_absolute = !self.from.is_empty() || !self.to.is_empty();
        let range = match self.range.as_str() {
            RANGE_DEFAULT => "",
            _ if is_absolute => "",
            range => range,
        };
        let pairs = [
            ("kind", self.kind.as_str()),
            ("actor", &self.actor),
            ("object", &self.object),
            ("cluster", &self.cluster),
            ("range", range),
            ("from", &self.from),
            ("to", &self.to),
            ("cursor", &cursor),
        ];
        with_query(path, &pairs)
    }

    /// Path of the page.
    pub fn path(&self) -> &'static str {
        if self.is_audit { "/audit" } else { "/events" }
    }

    /// The URL of the page.
    pub fn url(&self) -> String {
        self.url_at(self.path())
    }

    /// The same from its newest event on.
    pub fn from_the_newest(&self) -> Self {
        Self {
            cursor: None,
            ..self.clone()
        }
    }

    /// Another window, from its newest event on.
    pub fn in_range(&self, range: &str) -> Self {
        Self {
            range: range.to_owned(),
            from: String::new(),
            to: String::new(),
            ..self.from_the_newest()
        }
    }

    /// A fixed window, from its newest event on.
    pub fn between(&self, from_ms: i64, to_ms: i64) -> Self {
        let iso = |at_ms| domain::time::format_iso(domain::time::Timestamp(at_ms));
        Self {
            range: String::new(),
            from: iso(from_ms),
            to: iso(to_ms),
            ..self.from_the_newest()
        }
    }

    /// The window that is chosen, when it moves with the clock.
    pub fn preset(&self) -> Option<&str> {
        match (
            self.from.is_empty() && self.to.is_empty(),
            self.range.as_str(),
        ) {
            (false, _) => None,
            (true, "") => Some(RANGE_DEFAULT),
            (true, range) => Some(range),
        }
    }

    /// Does it hide anything but what is too old?
    pub fn is_filtered(&self) -> bool {
        [&self.kind, &self.actor, &self.object, &self.cluster]
            .iter()
            .any(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> EventsQuery {
        EventsQuery::from_params(|key| {
            let found = pairs.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn urls_say_what_was_read_from_them() {
        let query = parsed(&[
            ("kind", "node enrolled"),
            ("range", "24h"),
            ("cursor", "17"),
        ]);
        assert_eq!(
            query.url(),
            "/events?kind=node%20enrolled&range=24h&cursor=17"
        );
        assert_eq!(
            query.from_the_newest().url(),
            "/events?kind=node%20enrolled&range=24h"
        );
        assert_eq!(query.in_range("7d").url(), "/events?kind=node%20enrolled");
        assert_eq!(parsed(&[("cursor", "x"), ("range", "7d")]).url(), "/events");
    }

    #[test]
    fn every_event_leads_to_what_it_is_about() {
        for (verb, node_id, url) in [
            ("server failed", Some("n1"), "/nodes/n1"),
            ("node removed", Some("n1"), "/events?object=n1&range=1y"),
            ("cluster settings changed", None, "/clusters/x"),
            ("box moved on the map", None, "/clusters/x"),
            ("enrollment token created", None, "/nodes/add"),
            ("server restored from a backup", None, "/settings/about"),
            ("signed in", None, "/events?object=x&range=1y"),
        ] {
            let event = EventRow {
                seq: 1,
                at_ms: 0,
                actor: String::new(),
                actor_node_id: None,
                verb: verb.to_owned(),
                subject: "x".to_owned(),
                node_id: node_id.map(str::to_owned),
            };
            assert_eq!(object_url(&event), url, "{verb}");
        }
    }

    #[test]
    fn a_fixed_window_wins_over_a_moving_one() {
        let query = parsed(&[("range", "24h")]).between(0, 60_000);
        assert_eq!(
            query.url(),
            "/events?from=1970-01-01T00:00:00Z&to=1970-01-01T00:01:00Z"
        );
        assert_eq!(
            (query.preset(), query.in_range("1h").preset()),
            (None, Some("1h"))
        );
        assert_eq!(parsed(&[]).preset(), Some("7d"));
    }
}
