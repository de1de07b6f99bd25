//! Walls: screens that nobody signs in at. A viewer's API token opens the wallboard and what it asks for, and nothing else;
//! it works until it is revoked or over.
//!
//! `/wall?kiosk=oca_…` is opened once: the token becomes the browser's session cookie and leaves the address, so that it is
//! in no history and on no screen. Asked by [`super::gate`]; whether a token is good is `people::service`'s to say.

use axum::http::Uri;

use super::gate::Class;

/// The one page.
const PAGE: &str = "/wall";
/// What it asks for.
const FUNCTIONS: [&str; 3] = ["/fn/overview", "/fn/topology", "/fn/live"];

/// May a wall ask for this?
pub fn may(class: Class, path: &str) -> bool {
    match class {
        Class::Public | Class::PublicForm | Class::PublicPage | Class::PublicFunction => true,
        Class::Page => path == PAGE,
        Class::Function(_) => FUNCTIONS.contains(&path),
        Class::SetupPage | Class::Agent | Class::Form(_) | Class::Api(_) => false,
    }
}

/// A token in the address of the wall, and the address without it.
pub fn offered(uri: &Uri) -> Option<(String, String)> {
    let query = uri.query().filter(|_| uri.path() == PAGE)?;
    let is_token = |pair: &&str| pair.starts_with("kiosk=");
    let token = query.split('&').find(is_token)?.strip_prefix("kiosk=")?;
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    let location = if rest.is_empty() {
        PAGE.to_owned()
    } else {
        format!("{PAGE}?{}", rest.join("&"))
    };
    Some((token.to_owned(), location))
}

#[cfg(test)]
mod tests {
    use domain::access::Action;

    use super::*;

    #[test]
    fn the_token_is_taken_out_of_the_address() {
        let offered = |uri: &str| offered(&uri.parse().unwrap());
        let found = |token: &str, location: &str| Some((token.to_owned(), location.to_owned()));
        assert_eq!(offered("/wall?kiosk=oca_x-1"), found("oca_x-1", "/wall"));
        assert_eq!(
            offered("/wall?view=overview,topology&kiosk=oca_x&rotate=30"),
            found("oca_x", "/wall?view=overview,topology&rotate=30")
        );
        assert_eq!(offered("/wall?view=overview"), None);
        assert_eq!(offered("/nodes?kiosk=oca_x"), None);
    }

    #[test]
    fn a_wall_is_all_that_a_wall_may() {
        let view = Action::ViewFleet;
        assert!(may(Class::Page, "/wall") && may(Class::Function(view), "/fn/live"));
        assert!(may(Class::PublicFunction, "/fn/page-context"));
        assert!(!may(Class::Page, "/nodes") && !may(Class::Function(view), "/fn/nodes"));
        assert!(!may(Class::Form(Action::ManageSelf), "/nodes/views"));
    }
}
