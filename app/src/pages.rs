//! Which page and which server function asks for what: the one list that the server's gate obeys.
//!
//! Invariant, tested: it names exactly the routes of [`crate::App`] and exactly the server functions that exist.

use domain::access::Action;

/// Who may open a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageClass {
    /// Anybody.
    Public,
    /// Anybody, but only until there is an administrator.
    Setup,
    /// Whoever is signed in; what they may see and do there is up to its server functions.
    SignedIn,
}

/// Every page by its route.
pub const PAGES: &[(&str, PageClass)] = &[
    ("/login", PageClass::Public),
    ("/setup", PageClass::Setup),
    ("/", PageClass::SignedIn),
    ("/systems/{slug}", PageClass::SignedIn),
    ("/clusters", PageClass::SignedIn),
    ("/clusters/{slug}", PageClass::SignedIn),
    ("/clusters/{slug}/nodes", PageClass::SignedIn),
    ("/clusters/{slug}/events", PageClass::SignedIn),
    ("/clusters/{slug}/settings", PageClass::SignedIn),
    ("/topology", PageClass::SignedIn),
    ("/nodes", PageClass::SignedIn),
    ("/nodes/add", PageClass::SignedIn),
    ("/nodes/inbox", PageClass::SignedIn),
    ("/nodes/bulk", PageClass::SignedIn),
    ("/nodes/{id}", PageClass::SignedIn),
    ("/events", PageClass::SignedIn),
    ("/audit", PageClass::SignedIn),
    ("/wall", PageClass::SignedIn),
    ("/search", PageClass::SignedIn),
    ("/settings/profile", PageClass::SignedIn),
    ("/settings/about", PageClass::SignedIn),
];

/// The class of the page at a concrete path such as `/nodes/n123`; unknown paths are for those who are signed in, so
/// that nobody else learns what exists.
pub fn page_class(path: &str) -> PageClass {
    PAGES
        .iter()
        .find(|(route, _)| matches_route(route, path))
        .map_or(PageClass::SignedIn, |(_, class)| *class)
}

fn matches_route(route: &str, path: &str) -> bool {
    let mut wanted = route.trim_matches('/').split('/');
    let mut given = path.trim_matches('/').split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(text))
                if part == text || (part.starts_with('{') && !text.is_empty()) => {}
            _ => return false,
        }
    }
}

/// What a server function asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionClass {
    /// Nothing.
    Public,
    /// A signed-in person who may do this.
    May(Action),
}

/// Every server function by its path; what is not listed is refused.
pub const SERVER_FUNCTIONS: &[(&str, FunctionClass)] = &[
    ("/fn/page-context", FunctionClass::Public),
    ("/fn/form-feedback", FunctionClass::Public),
    ("/fn/overview", FunctionClass::May(Action::ViewFleet)),
    ("/fn/topology", FunctionClass::May(Action::ViewFleet)),
    ("/fn/nodes", FunctionClass::May(Action::ViewFleet)),
    ("/fn/node", FunctionClass::May(Action::ViewFleet)),
    ("/fn/inbox", FunctionClass::May(Action::ViewFleet)),
    ("/fn/bulk-report", FunctionClass::May(Action::ViewFleet)),
    ("/fn/clusters", FunctionClass::May(Action::ViewFleet)),
    ("/fn/cluster", FunctionClass::May(Action::ViewFleet)),
    ("/fn/cluster-charts", FunctionClass::May(Action::ViewFleet)),
    ("/fn/cluster-points", FunctionClass::May(Action::ViewFleet)),
    ("/fn/events", FunctionClass::May(Action::ViewFleet)),
    ("/fn/charts", FunctionClass::May(Action::ViewFleet)),
    ("/fn/chart-points", FunctionClass::May(Action::ViewFleet)),
    ("/fn/search", FunctionClass::May(Action::ViewFleet)),
    ("/fn/about", FunctionClass::May(Action::ViewFleet)),
    ("/fn/sections", FunctionClass::May(Action::ViewFleet)),
    ("/fn/add-node", FunctionClass::May(Action::EnrollNodes)),
    ("/fn/token-status", FunctionClass::May(Action::EnrollNodes)),
    ("/fn/tokens", FunctionClass::May(Action::EnrollNodes)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concrete_paths_find_their_class() {
        assert_eq!(page_class("/login"), PageClass::Public);
        assert_eq!(page_class("/setup"), PageClass::Setup);
        for path in [
            "/",
            "/nodes",
            "/nodes/",
            "/nodes/add",
            "/nodes/n1",
            "/nodes/n1/more",
            "/secret",
            "/login/x",
        ] {
            assert_eq!(page_class(path), PageClass::SignedIn, "{path}");
        }
        assert!(!matches_route("/nodes/{id}", "/nodes"));
    }

    #[cfg(feature = "ssr")]
    #[tokio::test]
    async fn the_list_names_exactly_the_routes_of_the_app() {
        let mut routes: Vec<String> = leptos_axum::generate_route_list(crate::App)
            .iter()
            .map(|route| route.path().to_owned())
            .collect();
        let mut listed: Vec<&str> = PAGES.iter().map(|(route, _)| *route).collect();
        routes.sort();
        listed.sort_unstable();
        assert_eq!(routes, listed);
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn the_list_names_exactly_the_server_functions() {
        let mut paths: Vec<&str> = leptos::server_fn::axum::server_fn_paths()
            .map(|(path, _)| path)
            .collect();
        let mut listed: Vec<&str> = SERVER_FUNCTIONS.iter().map(|(path, _)| *path).collect();
        paths.sort_unstable();
        listed.sort_unstable();
        assert_eq!(paths, listed);
    }
}
