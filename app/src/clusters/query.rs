//! What the list's URL says, and URLs that say something else.

use domain::fleet::Status;

use super::view::ClustersQuery;
use crate::url::with_query;

/// Columns by which the list may be sorted: as in the URL, as in the head, and whether the greatest comes first.
pub const COLUMNS: [(&str, &str, bool); 6] = [
    ("status", "Status", false),
    ("name", "Cluster", false),
    ("nodes", "Nodes", true),
    ("versions", "Versions", true),
    ("cpu", "CPU", true),
    ("memory", "Memory", true),
];

impl ClustersQuery {
    /// From the URL's parameters. What is no status becomes a term of the filter, which says so; the server notes columns
    /// that it does not know.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let (status, unknown) = crate::fleet::query::status_of(get("status"));
        let q = get("q").unwrap_or_default();
        Self {
            q: [q.as_str(), &unknown].join(" ").trim().to_owned(),
            status,
            sort: get("sort").unwrap_or_default(),
        }
    }

    /// The URL that says this at `path`; defaults are left out.
    pub fn url_at(&self, path: &str) -> String {
        let status = self.status.map_or("", Status::as_str);
        with_query(
            path,
            &[("q", &self.q), ("status", status), ("sort", &self.sort)],
        )
    }

    /// The URL of the page.
    pub fn url(&self) -> String {
        self.url_at("/clusters")
    }

    /// Another filter.
    pub fn with_q(&self, q: &str) -> Self {
        Self {
            q: q.to_owned(),
            ..self.clone()
        }
    }

    /// What a form for the filter carries along.
    pub fn hidden(&self) -> Vec<(&'static str, String)> {
        let status = self
            .status
            .map(|status| ("status", status.as_str().to_owned()));
        let sort = (!self.sort.is_empty()).then(|| ("sort", self.sort.clone()));
        status.into_iter().chain(sort).collect()
    }

    /// Only one status.
    pub fn with_status(&self, status: Option<Status>) -> Self {
        Self {
            status,
            ..self.clone()
        }
    }

    /// Sorted by this column; a second click turns the order round.
    pub fn sorted_by(&self, key: &str, is_number: bool) -> Self {
        let (ascending, descending) = (key.to_owned(), format!("-{key}"));
        let sort = match self.order_of(key) {
            Some("ascending") => descending,
            Some(_) => ascending,
            None if is_number => descending,
            None => ascending,
        };
        Self {
            sort,
            ..self.clone()
        }
    }

    /// `ascending`, `descending` or nothing, for `aria-sort`.
    pub fn order_of(&self, key: &str) -> Option<&'static str> {
        match self.sort.strip_prefix('-') {
            Some(sorted) if sorted == key => Some("descending"),
            None if self.sort == key => Some("ascending"),
            _ => None,
        }
    }

    /// Does it hide anything?
    pub fn is_filtered(&self) -> bool {
        !self.q.is_empty() || self.status.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_what_was_read_from_them() {
        let query = ClustersQuery::from_params(|key| match key {
            "q" => Some("app eu".to_owned()),
            "status" => Some("warning".to_owned()),
            "sort" => Some("-cpu".to_owned()),
            _ => None,
        });
        assert_eq!(query.url(), "/clusters?q=app%20eu&status=warning&sort=-cpu");
        let wrong =
            ClustersQuery::from_params(|key| (key == "status").then(|| "purple".to_owned()));
        assert_eq!(wrong.url(), "/clusters?q=status:purple", "it is pointed at");
    }

    #[test]
    fn a_head_sorts_and_a_second_click_turns_round() {
        let query = ClustersQuery::default();
        let by_cpu = query.sorted_by("cpu", true);
        assert_eq!(
            (by_cpu.sort.as_str(), by_cpu.order_of("cpu")),
            ("-cpu", Some("descending"))
        );
        assert_eq!(by_cpu.sorted_by("cpu", true).sort, "cpu");
        assert_eq!(by_cpu.sorted_by("name", false).sort, "name");
        assert_eq!(by_cpu.order_of("name"), None);
    }
}
