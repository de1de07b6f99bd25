//! What a search finds.

use domain::access::{Action, Role, authorize};
use domain::fleet::Status;
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
    /// Something to do: the page where it is done, or a control that stands on every page.
    Action,
    /// The list that holds all nodes that were found.
    All,
    /// What may be typed here.
    Help,
}

impl HitKind {
    /// As written beside it.
    pub fn label(self) -> &'static str {
        match self {
            HitKind::Node => "Node",
            HitKind::Cluster => "Cluster",
            HitKind::Page => "Page",
            HitKind::Action => "Action",
            HitKind::All => "List",
            HitKind::Help => "Type",
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
    /// Where it leads; `#` and a name for the control of that name (`data-shortcut`).
    pub href: String,
    /// Of what has a problem.
    pub status: Option<Status>,
}

impl Hit {
    /// Name of the control that it presses.
    pub fn control(&self) -> Option<&str> {
        self.href.strip_prefix('#')
    }
}

/// Pages and actions: label, words that find it too, address, and what it takes to do it.
const PLACES: &[(HitKind, &str, &str, &str, Option<Action>)] = &[
    (HitKind::Page, "Overview", "home start status", "/", None),
    (
        HitKind::Page,
        "Topology",
        "map graph dependencies clusters",
        "/topology",
        None,
    ),
    (
        HitKind::Page,
        "Clusters",
        "systems groups",
        "/clusters",
        None,
    ),
    (
        HitKind::Page,
        "Nodes",
        "hosts machines list",
        "/nodes",
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
        "Nodes with a problem: critical",
        "alert broken",
        "/nodes?q=status:critical",
        None,
    ),
    (
        HitKind::Page,
        "Nodes without data",
        "silent lost unknown",
        "/nodes?q=status:unknown",
        None,
    ),
    (
        HitKind::Page,
        "Inbox of servers",
        "found suggestion accept ignore",
        "/nodes/inbox",
        None,
    ),
    (
        HitKind::Page,
        "Audit log",
        "who people changed verify chain",
        "/audit",
        Some(Action::ManagePeople),
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
    (
        HitKind::Action,
        "Pause or resume live updates",
        "stop freeze continue",
        "#p",
        None,
    ),
    (
        HitKind::Action,
        "Copy link to this page",
        "share url address",
        "#C",
        None,
    ),
    (HitKind::Action, "Copy host name", "ssh", "#c", None),
    (
        HitKind::Action,
        "Time range of this page",
        "window hour day",
        "#t",
        None,
    ),
    (
        HitKind::Action,
        "Times in UTC or in this browser’s zone",
        "clock local",
        "#u",
        None,
    ),
    (HitKind::Action, "Refresh the page", "reload", "#r", None),
    (
        HitKind::Action,
        "Light theme",
        "color colour bright",
        "#theme-light",
        None,
    ),
    (
        HitKind::Action,
        "Dark theme",
        "color colour night",
        "#theme-dark",
        None,
    ),
    (
        HitKind::Action,
        "Theme of this device",
        "color colour system",
        "#theme-system",
        None,
    ),
    (
        HitKind::Action,
        "Keys",
        "shortcuts keyboard help",
        "#?",
        None,
    ),
    (
        HitKind::Action,
        "Sign out",
        "log off leave",
        "#sign-out",
        None,
    ),
];

/// What may be typed, and what it finds.
const HELP: &[(&str, &str)] = &[
    ("web", "nodes and clusters by parts of their names"),
    ("status:critical", "nodes by a key, as in every list"),
    ("cpu>80 cluster:app", "several terms: all must hold"),
    ("#tier=edge", "nodes with a tag"),
    (">", "actions and pages, such as > pause"),
    ("?", "this help"),
];

/// Pages and actions for these words, for whoever has this role. `>` in front asks for them alone, actions first; `#` asks
/// for tags, `?` for help. Controls are named once something is asked for.
pub fn places(q: &str, role: Role) -> Vec<Hit> {
    let q = q.trim();
    if q.starts_with('#') {
        return Vec::new();
    }
    if q.starts_with('?') {
        return help();
    }
    let asked = q.strip_prefix('>');
    let is_first = q.is_empty();
    let q = asked.unwrap_or(q);
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let mut places: Vec<Hit> = PLACES
        .iter()
        .filter(|(.., href, _)| !(is_first && href.starts_with('#')))
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
            status: None,
        })
        .collect();
    if asked.is_some() {
        places.sort_by_key(|hit| hit.kind != HitKind::Action);
    }
    places
}

fn help() -> Vec<Hit> {
    HELP.iter()
        .map(|(typed, finds)| Hit {
            kind: HitKind::Help,
            label: (*typed).to_owned(),
            detail: (*finds).to_owned(),
            href: crate::url::with_query("/search", &[("q", typed)]),
            status: None,
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
        assert_eq!(labels("TIME zone", Role::Viewer), ["Profile", ZONE]);
        assert!(
            places("", Role::Admin)
                .iter()
                .all(|hit| hit.control().is_none()),
            "what stands in menus is not the first thing to offer"
        );
        assert_eq!(labels("> pause", Role::Viewer), [PAUSE]);
        assert_eq!(labels("resume", Role::Viewer), [PAUSE]);
        assert_eq!(
            places(">", Role::Viewer).first().map(|hit| hit.kind),
            Some(HitKind::Action)
        );
        assert_eq!(labels("audit", Role::Viewer), ["Events"]);
        assert_eq!(labels("? anything", Role::Viewer).len(), HELP.len());
        assert!(labels("no such", Role::Admin).is_empty());
        assert_eq!(labels("> time zone", Role::Viewer), [ZONE, "Profile"]);
        assert_eq!(labels(">", Role::Admin).len(), PLACES.len());
        assert!(labels("#time", Role::Admin).is_empty());
    }

    const PAUSE: &str = "Pause or resume live updates";
    const ZONE: &str = "Times in UTC or in this browser’s zone";

    #[test]
    fn places_are_pages_that_exist() {
        for (.., href, _) in PLACES.iter().filter(|(.., href, _)| !href.starts_with('#')) {
            let path = href.split('?').next().unwrap_or_default();
            assert!(crate::PAGES.iter().any(|(page, _)| *page == path), "{href}");
        }
    }
}
