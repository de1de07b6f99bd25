//! What the list's URL says, and URLs that say something else: filter, sort and page are links and a plain form.

use domain::fleet::Status;
use domain::time::{Timestamp, format_iso};

use super::view::{NodesQuery, RangeQuery};
use crate::url::with_query;

/// Rows a page that may be chosen.
pub const PER_CHOICES: [u32; 3] = [25, 100, 500];
/// Rows a page when nothing is said.
pub const PER_DEFAULT: u32 = 100;

/// A column by which the list may be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// As in the URL.
    pub key: &'static str,
    /// As in the head.
    pub label: &'static str,
    /// Numbers stand right, and their first click sorts the greatest first.
    pub is_number: bool,
}

/// In reading order.
pub const COLUMNS: [Column; 9] = [
    Column {
        key: "status",
        label: "Status",
        is_number: false,
    },
    Column {
        key: "name",
        label: "Name",
        is_number: false,
    },
    Column {
        key: "cluster",
        label: "Cluster",
        is_number: false,
    },
    Column {
        key: "cpu",
        label: "CPU",
        is_number: true,
    },
    Column {
        key: "memory",
        label: "Memory",
        is_number: true,
    },
    Column {
        key: "disk",
        label: "Disk",
        is_number: true,
    },
    Column {
        key: "net",
        label: "In / out, bit/s",
        is_number: true,
    },
    Column {
        key: "load",
        label: "Load",
        is_number: true,
    },
    Column {
        key: "report",
        label: "Report",
        is_number: true,
    },
];

impl NodesQuery {
    /// From the URL's parameters. What is no status or number counts as not said; the server notes what it does not know.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let number = |key: &str| get(key).and_then(|text| text.parse::<u32>().ok());
        let status = get("status").and_then(|text| {
            Status::ALL
                .into_iter()
                .find(|status| status.as_str() == text)
        });
        Self {
            q: get("q").unwrap_or_default(),
            status,
            sort: get("sort").unwrap_or_default(),
            per: number("per")
                .filter(|per| PER_CHOICES.contains(per))
                .unwrap_or(PER_DEFAULT),
            page: number("page").unwrap_or(1).max(1),
        }
    }

    /// The URL that says this; defaults are left out.
    pub fn url(&self) -> String {
        let per = if self.per == PER_DEFAULT {
            String::new()
        } else {
            self.per.to_string()
        };
        let page = if self.page <= 1 {
            String::new()
        } else {
            self.page.to_string()
        };
        let status = self.status.map_or("", Status::as_str);
        with_query(
            "/nodes",
            &[
                ("q", &self.q),
                ("status", status),
                ("sort", &self.sort),
                ("per", &per),
                ("page", &page),
            ],
        )
    }

    /// Only one status, from the first page on; the filter text stays.
    pub fn with_status(&self, status: Option<Status>) -> Self {
        Self {
            status,
            page: 1,
            ..self.clone()
        }
    }

    /// Sorted by this column; a second click turns the order round.
    pub fn sorted_by(&self, column: Column) -> Self {
        let (ascending, descending) = (column.key.to_owned(), format!("-{}", column.key));
        let sort = match (
            self.sort == ascending,
            self.sort == descending,
            column.is_number,
        ) {
            (true, _, _) => descending,
            (_, true, _) => ascending,
            (_, _, true) => descending,
            (_, _, false) => ascending,
        };
        Self {
            sort,
            page: 1,
            ..self.clone()
        }
    }

    /// `ascending`, `descending` or nothing, for `aria-sort`.
    pub fn order_of(&self, column: Column) -> Option<&'static str> {
        match self.sort.strip_prefix('-') {
            Some(key) if key == column.key => Some("descending"),
            None if self.sort == column.key => Some("ascending"),
            _ => None,
        }
    }

    /// Another page.
    pub fn at_page(&self, page: u32) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    /// Does it hide anything?
    pub fn is_filtered(&self) -> bool {
        !self.q.is_empty() || self.status.is_some()
    }
}

impl RangeQuery {
    /// From the URL's parameters.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |key: &str| get(key).unwrap_or_default();
        Self {
            range: text("range"),
            from: text("from"),
            to: text("to"),
            vs: text("vs"),
            ..Self::default()
        }
    }

    /// How much earlier the window is that it is compared with.
    pub fn earlier_ms(&self) -> Option<i64> {
        const DAY_MS: i64 = 86_400_000;
        match self.vs.as_str() {
            "1d" => Some(DAY_MS),
            "7d" => Some(7 * DAY_MS),
            _ => None,
        }
    }

    /// The URL that says this on the page at `path`.
    pub fn url(&self, path: &str) -> String {
        let pairs = [
            ("range", self.range.as_str()),
            ("from", &self.from),
            ("to", &self.to),
            ("vs", &self.vs),
        ];
        with_query(path, &pairs)
    }

    /// The same, over a fixed window.
    pub fn between(&self, window: (i64, i64)) -> Self {
        let iso = |at_ms| format_iso(Timestamp(at_ms));
        Self {
            range: String::new(),
            from: iso(window.0),
            to: iso(window.1),
            ..self.clone()
        }
    }

    /// Does the window move with the clock?
    pub fn is_moving(&self) -> bool {
        self.from.is_empty() || self.to.is_empty()
    }

    /// The preset that is shown, `1h` when nothing is said.
    pub fn preset(&self) -> Option<&str> {
        match (self.is_moving(), self.range.as_str()) {
            (false, _) => None,
            (true, "") => Some("1h"),
            (true, range) => Some(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> NodesQuery {
        NodesQuery::from_params(|key| {
            pairs
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    fn column(key: &str) -> Column {
        COLUMNS
            .into_iter()
            .find(|column| column.key == key)
            .unwrap()
    }

    #[test]
    fn urls_say_what_was_read_from_them() {
        for url in [
            "/nodes",
            "/nodes?q=web%201&status=unknown&sort=-cpu&per=25&page=3",
            "/nodes?status=critical",
        ] {
            let pairs: Vec<(String, String)> = url
                .split_once('?')
                .map(|(_, query)| {
                    query
                        .split('&')
                        .filter_map(|p| p.split_once('='))
                        .map(|(k, v)| (k.to_owned(), v.replace("%20", " ")))
                        .collect()
                })
                .unwrap_or_default();
            let query = NodesQuery::from_params(|key| {
                pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
            });
            assert_eq!(query.url(), url);
        }
        assert_eq!(
            parsed(&[
                ("per", "7"),
                ("page", "0"),
                ("status", "purple"),
                ("page", "x")
            ])
            .url(),
            "/nodes"
        );
    }

    #[test]
    fn a_head_sorts_and_a_second_click_turns_round() {
        let query = parsed(&[("page", "4")]);
        let by_cpu = query.sorted_by(column("cpu"));
        assert_eq!((by_cpu.sort.as_str(), by_cpu.page), ("-cpu", 1));
        assert_eq!(by_cpu.order_of(column("cpu")), Some("descending"));
        assert_eq!(by_cpu.order_of(column("memory")), None);
        assert_eq!(by_cpu.sorted_by(column("cpu")).sort, "cpu");
        let by_name = query.sorted_by(column("name"));
        assert_eq!(by_name.sort, "name");
        assert_eq!(by_name.order_of(column("name")), Some("ascending"));
        assert_eq!(by_name.sorted_by(column("name")).sort, "-name");
    }

    #[test]
    fn a_window_with_both_ends_stands_still() {
        let range = |range: &str, from: &str, to: &str| RangeQuery {
            range: range.into(),
            from: from.into(),
            to: to.into(),
            ..RangeQuery::default()
        };
        assert_eq!(range("", "", "").preset(), Some("1h"));
        assert_eq!(range("7d", "", "").preset(), Some("7d"));
        assert_eq!(range("7d", "a", "b").preset(), None);
        assert!(range("", "a", "").is_moving());
    }
}
