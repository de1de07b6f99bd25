//! The whole site map on one screen.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{Outlet, ParentRoute, Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::account::{AboutPage, LoginPage, ProfilePage, SetupPage, api::load_page_context};
use crate::clusters::{
    ClusterEventsPage, ClusterNodesPage, ClusterPage, ClusterSettingsPage, ClustersListPage,
};
use crate::codec::page_data;
use crate::enroll::AddNodePage;
use crate::events::{AuditPage, EventsPage};
use crate::fleet::{
    BulkPage, InboxPage, NodePage, NodesListPage, OverviewPage, SystemPage, WallPage,
};
use crate::frame::Frame;
use crate::installed::NewVersion;
use crate::live::Live;
use crate::page::{Context, NotFoundPage};
use crate::preferences::Preferences;
use crate::search::SearchPage;
use crate::topology::TopologyMapPage;
use crate::ui::{Copied, IconSprite};

/// The console. Routes are rendered whole before anything is sent (`SsrMode::Async`): it needs no scripts to assemble a
/// page, and title and status are right. `crate::PAGES` gives each route its class.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    provide_context(IconSprite::of_document());
    provide_context(Copied::new());
    provide_context(Preferences::current());
    let context = Context::new(page_data(|| (), |()| load_page_context()));
    provide_context(context);
    let live = Live::new();
    provide_context(live);
    let new_version = NewVersion::new();
    provide_context(new_version);
    Effect::new(move |_| {
        live.start();
        new_version.watch();
    });
    view! {
        <Title formatter=|title: String| format!("{} · Operations Center", document_title(title)) />
        <Router>
            <Routes fallback=|| view! { <Frame><NotFoundPage /></Frame> }>
                <Route path=path!("/login") view=LoginPage ssr=SsrMode::Async />
                <Route path=path!("/setup") view=SetupPage ssr=SsrMode::Async />
                <Route path=path!("/wall") view=WallPage ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=|| view! { <Frame><Outlet /></Frame> } ssr=SsrMode::Async>
                    <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async />
                    <Route path=path!("/systems/:slug") view=SystemPage ssr=SsrMode::Async />
                    <Route path=path!("/clusters") view=ClustersListPage ssr=SsrMode::Async />
                    <Route path=path!("/clusters/:slug") view=ClusterPage ssr=SsrMode::Async />
                    <Route path=path!("/clusters/:slug/nodes") view=ClusterNodesPage ssr=SsrMode::Async />
                    <Route path=path!("/clusters/:slug/events") view=ClusterEventsPage ssr=SsrMode::Async />
                    <Route path=path!("/clusters/:slug/settings") view=ClusterSettingsPage ssr=SsrMode::Async />
                    <Route path=path!("/events") view=EventsPage ssr=SsrMode::Async />
                    <Route path=path!("/audit") view=AuditPage ssr=SsrMode::Async />
                    <Route path=path!("/topology") view=TopologyMapPage ssr=SsrMode::Async />
                    <Route path=path!("/nodes") view=NodesListPage ssr=SsrMode::Async />
                    <Route path=path!("/nodes/inbox") view=InboxPage ssr=SsrMode::Async />
                    <Route path=path!("/nodes/bulk") view=BulkPage ssr=SsrMode::Async />
                    <Route path=path!("/nodes/add") view=AddNodePage ssr=SsrMode::Async />
                    <Route path=path!("/nodes/:id") view=NodePage ssr=SsrMode::Async />
                    <Route path=path!("/search") view=SearchPage ssr=SsrMode::Async />
                    <Route path=path!("/settings/profile") view=ProfilePage ssr=SsrMode::Async />
                    <Route path=path!("/settings/about") view=AboutPage ssr=SsrMode::Async />
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}

/// What leptos_meta may put between `<title>` and `</title>`: on the server it writes the text as it is, so a host called
/// `</title><script>` would become markup; in the browser it sets a property, where nothing may be escaped.
#[cfg(feature = "ssr")]
fn document_title(text: String) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(not(feature = "ssr"))]
fn document_title(text: String) -> String {
    text
}
