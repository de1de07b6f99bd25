//! What a search finds.

use domain::access::{Action, Role, authorize};
use serde::{Deserialize, Serialize};

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// A node's page.
    Node,
    /// The nodes of a cluster.
    Cluster,
    /// A page of the console.
    Page,
    /// Something to do; leads to the page where it is done, never does it.
    Action,
}

impl HitKind {
    /// As written beside it.
    pub fn label(self) -> &'static str {
        match self {
            HitKind::Node => "Node",
            HitKind::Cluster => "Cluster",
            HitKind::Page => "Page",
            HitKind::Action => "Action",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// Its name.
    pub label: String,
    /// What tells it from others of that name; may be empty.
    pub detail: String,
    /// Where it leads.
    pub href: String,
}

/// Pages and actions: label, words that find it too, address, and what it takes to do it.
const PLACES: &[(HitKind, &str, &str, &str, Option<Action>)] = &[
    (HitKind::Page, "Overview", "home start status", "/", None),
    (
        HitKind::Page,
        "Clusters",
        "systems groups",
        "/clusters",
        None,
    ),
    (
        HitKind::Page,
        "Events",
        "log audit history what changed",
        "/events",
        None,
    ),
    (HitKind::Page, "Wallboard", "tv screen noc", "/wall", None),
    (
        HitKind::Page,
        "Nodes",
        "hosts machines list",
        "/nodes",
        None,
    ),
    (
        HitKind::Page,
        "Nodes with a problem: critical",
        "alert broken",
        "/nodes?status=critical",
        None,
    ),
    (
        HitKind::Page,
        "Nodes without data",
        "silent lost unknown",
        "/nodes?status=unknown",
        None,
    ),
    (
        HitKind::Page,
        "Profile",
        "settings time zone units density theme keys",
        "/settings/profile",
        None,
    ),
    (
        HitKind::Page,
        "About this server",
        "version health",
        "/settings/about",
        None,
    ),
    (
        HitKind::Action,
        "Add a node",
        "enroll install agent token",
        "/nodes/add",
        Some(Action::EnrollNodes),
    ),
];

/// Pages and actions for these words, for whoever has this role.
pub fn places(q: &str, role: Role) -> Vec<Hit> {
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    PLACES
        .iter()
        .filter(|(.., needs)| needs.is_none_or(|action| authorize(role, action).is_ok()))
        .filter(|(_, label, more, ..)| {
            let text = format!("{label} {more}").to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .map(|(kind, label, _, href, _)| Hit {
            kind: *kind,
            label: (*label).to_owned(),
            detail: String::new(),
            href: (*href).to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_other_words_and_only_by_whom_they_are_for() {
        let labels = |q: &str, role| -> Vec<String> {
            places(q, role).into_iter().map(|hit| hit.label).collect()
        };
        assert_eq!(labels("enroll", Role::Admin), ["Add a node"]);
        assert_eq!(labels("enroll", Role::Viewer), Vec::<String>::new());
        assert_eq!(labels("TIME zone", Role::Viewer), ["Profile"]);
        assert_eq!(labels("", Role::Admin).len(), PLACES.len());
        assert!(labels("no such", Role::Admin).is_empty());
    }

    #[test]
    fn places_are_pages_that_exist() {
        for (.., href, _) in PLACES {
            let path = href.split('?').next().unwrap_or_default();
            assert!(crate::PAGES.iter().any(|(page, _)| *page == path), "{href}");
        }
    }
}
