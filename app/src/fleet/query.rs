//! What the list's URL says, and URLs that say something else: filter, sort and page are links and a plain form.

use domain::fleet::Status;
use domain::time::{Timestamp, format_iso};

use super::columns::Column;
use super::view::{NodesPage, NodesQuery, RangeQuery};
use crate::url::with_query;

/// Rows a page that may be chosen.
pub const PER_CHOICES: [u32; 3] = [25, 100, 500];
/// Rows a page when nothing is said.
pub const PER_DEFAULT: u32 = 100;

/// Keys that a list is sorted by at most.
pub const SORT_KEYS_MAX: usize = 3;

/// What `status=` asks for; what is no status as a term of a filter, so that it is pointed at and not passed over.
pub fn status_of(text: Option<String>) -> (Option<Status>, String) {
    let text = text.unwrap_or_default();
    let known = Status::ALL
        .into_iter()
        .find(|status| status.as_str() == text);
    let unknown = match known {
        None if !text.is_empty() => ["status:", &text].concat(),
        _ => String::new(),
    };
    (known, unknown)
}

impl NodesQuery {
    /// From the URL's parameters. What is no number counts as not said; the server notes what it does not know.
    ///
    /// `status=` of older links becomes a term of the filter, which says what it does not know.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |key: &str| get(key).unwrap_or_default();
        let number = |key: &str| get(key).and_then(|text| text.parse::<u32>().ok());
        let (status, unknown) = status_of(get("status"));
        let status = status.map_or(unknown, |status| format!("status:{}", status.as_str()));
        Self {
            q: [text("q").as_str(), &status].join(" ").trim().to_owned(),
            sort: text("sort"),
            per: number("per").unwrap_or(PER_DEFAULT),
            page: number("page").unwrap_or(1).max(1),
            cols: text("cols"),
            view: text("view"),
        }
    }

    /// Only nodes of this status.
    pub fn of_status(status: Status) -> Self {
        Self::of_filter(format!("status:{}", status.as_str()))
    }

    /// Only what this filter lets through, all else as it goes without saying.
    pub fn of_filter(q: String) -> Self {
        Self {
            q,
            per: PER_DEFAULT,
            page: 1,
            ..Self::default()
        }
    }

    /// The parameters that say this; defaults are left out.
    fn pairs(&self) -> [(&'static str, String); 6] {
        let per = if self.per == PER_DEFAULT || !PER_CHOICES.contains(&self.per) {
            String::new()
        } else {
            self.per.to_string()
        };
        let page = if self.page <= 1 {
            String::new()
        } else {
            self.page.to_string()
        };
        [
            ("q", self.q.clone()),
            ("sort", self.sort.clone()),
            ("view", self.view.clone()),
            ("cols", self.cols.clone()),
            ("per", per),
            ("page", page),
        ]
    }

    /// The URL that says this.
    pub fn url(&self) -> String {
        self.url_of("/nodes")
    }

    /// The same at another path, such as that of a file.
    pub fn url_of(&self, path: &str) -> String {
        let pairs = self.pairs();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        with_query(path, &pairs)
    }

    /// What a form must hold beside its own fields so that nothing else changes; the page is begun anew.
    pub fn hidden(&self, own: &[&str]) -> Vec<(&'static str, String)> {
        self.pairs()
            .into_iter()
            .filter(|(key, value)| !value.is_empty() && *key != "page" && !own.contains(key))
            .collect()
    }

    /// Says nothing?
    pub fn is_bare(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_empty())
    }

    /// Another filter, from the first page on.
    pub fn with_q(&self, q: &str) -> Self {
        Self {
            q: q.to_owned(),
            page: 1,
            ..self.clone()
        }
    }

    /// Other columns.
    pub fn with_view(&self, view: &str) -> Self {
        Self {
            view: view.to_owned(),
            cols: String::new(),
            ..self.clone()
        }
    }

    /// Columns to show.
    pub fn columns(&self) -> Vec<Column> {
        super::columns::columns(&self.cols, &self.view)
    }

    /// Sorted by this column first and by what it was sorted by next; a second click turns the order round.
    pub fn sorted_by(&self, column: Column) -> Self {
        let is_descending = match self.order_of(column) {
            Some("ascending") => true,
            Some(_) => false,
            None => column.is_number(),
        };
        let sign = if is_descending { "-" } else { "" };
        let first = format!("{sign}{}", column.key());
        let next = self
            .sort
            .split(',')
            .filter(|key| !key.is_empty() && key.trim_start_matches('-') != column.key())
            .take(SORT_KEYS_MAX - 1)
            .map(str::to_owned);
        let keys: Vec<String> = std::iter::once(first).chain(next).collect();
        Self {
            sort: keys.join(","),
            page: 1,
            ..self.clone()
        }
    }

    /// `ascending`, `descending` or nothing, for `aria-sort`: of the key that counts most.
    pub fn order_of(&self, column: Column) -> Option<&'static str> {
        let first = self.sort.split(',').next().unwrap_or_default();
        match first.strip_prefix('-') {
            Some(key) if key == column.key() => Some("descending"),
            None if first == column.key() => Some("ascending"),
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
}

impl NodesPage {
    /// The URL of a query. Where the reader has a default view, an address that says nothing would lead to that.
    pub fn everything_if_bare(&self, query: NodesQuery) -> String {
        if query.is_bare() && self.views.iter().any(|view| view.is_default) {
            query.with_view("all").url()
        } else {
            query.url()
        }
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
            metric: text("metric"),
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
            ("metric", &self.metric),
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
    use crate::fleet::view::SavedView;

    fn parsed(pairs: &[(&str, &str)]) -> NodesQuery {
        NodesQuery::from_params(|key| {
            pairs
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn urls_say_what_was_read_from_them() {
        for url in [
            "/nodes",
            "/nodes?q=web%201&sort=-cpu,name&view=stats&cols=cpu,name&per=25&page=3",
            "/nodes?q=status:critical,warning",
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
        let unknown = parsed(&[("q", "web"), ("status", "purple")]);
        assert_eq!(
            unknown.url(),
            "/nodes?q=web%20status:purple",
            "it is pointed at"
        );
        let nonsense = parsed(&[("per", "7"), ("page", "0"), ("status", "")]);
        assert_eq!(nonsense.url(), "/nodes");
        assert!(nonsense.is_bare());
        let old = parsed(&[("q", "web"), ("status", "unknown")]);
        assert_eq!(old.url(), "/nodes?q=web%20status:unknown");
        assert_eq!(
            NodesQuery::of_status(Status::Critical),
            parsed(&[("status", "critical")])
        );
    }

    #[test]
    fn a_head_sorts_and_a_second_click_turns_round() {
        let query = parsed(&[("page", "4")]);
        let by_cpu = query.sorted_by(Column::Cpu);
        assert_eq!((by_cpu.sort.as_str(), by_cpu.page), ("-cpu", 1));
        assert_eq!(by_cpu.order_of(Column::Cpu), Some("descending"));
        assert_eq!(by_cpu.order_of(Column::Memory), None);
        assert_eq!(by_cpu.sorted_by(Column::Cpu).sort, "cpu");
        let by_name = query.sorted_by(Column::Name);
        assert_eq!(by_name.sort, "name");
        assert_eq!(by_name.order_of(Column::Name), Some("ascending"));
        assert_eq!(by_name.sorted_by(Column::Name).sort, "-name");
    }

    #[test]
    fn what_it_was_sorted_by_counts_next() {
        let query = parsed(&[("sort", "name")]);
        let sorted = query.sorted_by(Column::Cpu);
        assert_eq!(sorted.sort, "-cpu,name");
        assert_eq!(sorted.order_of(Column::Name), None);
        let sorted = sorted.sorted_by(Column::Disk).sorted_by(Column::Load);
        assert_eq!(sorted.sort, "-load,-disk,-cpu");
        assert_eq!(sorted.sorted_by(Column::Cpu).sort, "-cpu,-load,-disk");
    }

    #[test]
    fn with_a_default_view_everything_is_asked_for_by_name() {
        let mut page = NodesPage::default();
        assert_eq!(page.everything_if_bare(parsed(&[])), "/nodes");
        page.views.push(SavedView {
            id: "v1".to_owned(),
            name: "mine".to_owned(),
            query: NodesQuery::of_filter("web".to_owned()),
            is_shared: false,
            is_default: true,
            may_delete: true,
        });
        assert_eq!(page.everything_if_bare(parsed(&[])), "/nodes?view=all");
        let web = parsed(&[("q", "web")]);
        assert_eq!(page.everything_if_bare(web), "/nodes?q=web");
    }

    #[test]
    fn a_form_keeps_what_it_does_not_ask_for() {
        let query = parsed(&[
            ("q", "web"),
            ("sort", "name"),
            ("page", "3"),
            ("cols", "cpu"),
        ]);
        assert_eq!(
            query.hidden(&["q"]),
            [("sort", "name".to_owned()), ("cols", "cpu".to_owned())]
        );
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
