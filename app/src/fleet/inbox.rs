//! What was found and waits for a decision: servers whose configuration names another cluster than their token, hosts
//! that ask for review; and below them what somebody ignores.

use leptos::prelude::*;
use leptos_meta::Title;

use super::api;
use super::parts::node_link;
use super::view::{Inbox, InboxItem};
use crate::codec::page_data;
use crate::page::{Context, Loading, Problem};
use crate::ui::{EmptyState, Instant, PageHeader, Panel};

/// `/nodes/inbox`
#[component]
pub fn InboxPage() -> impl IntoView {
    let context = expect_context::<Context>();
    let data = page_data(|| (), |()| api::load_inbox());
    view! {
        <Title text="Discovered" />
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match data.await {
                    Err(error) => view! { <Problem error /> }.into_any(),
                    Ok(inbox) => {
                        context.focus_heading();
                        page(&inbox)
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

fn page(inbox: &Inbox) -> AnyView {
    let waiting = if inbox.waiting.is_empty() {
        view! {
            <EmptyState icon="circle-check" title="Nothing waits">
                <p>"Servers that product packs find go where their host’s enrollment token says. One whose own configuration names another cluster waits here."</p>
                <a class="button" href="/nodes">"All nodes"</a>
            </EmptyState>
        }
        .into_any()
    } else {
        let items: Vec<_> = inbox.waiting.iter().map(|item| row(item, inbox)).collect();
        view! { <ul class="inbox">{items}</ul> }.into_any()
    };
    let ignored = (!inbox.ignored.is_empty()).then(|| {
        let items: Vec<_> = inbox.ignored.iter().map(|item| row(item, inbox)).collect();
        view! { <Panel title="Ignored" id="ignored"><ul class="inbox">{items}</ul></Panel> }
    });
    view! { <PageHeader title="Discovered" />{waiting}{ignored} }.into_any()
}

fn row(item: &InboxItem, inbox: &Inbox) -> AnyView {
    let row = &item.row;
    let what = match (&row.product, &row.version) {
        (Some(product), Some(version)) => format!("{product} {version}"),
        (Some(product), None) => product.clone(),
        (None, _) => row.kind.clone(),
    };
    let names = item.suggested_cluster.clone().map(|cluster| {
        view! { <span>" · names cluster "<bdi class="mono">{cluster}</bdi></span> }
    });
    let post = |what: &str| format!("/nodes/{}/{what}", row.id);
    let is_host = row.kind == "host";
    let arrange = item
        .suggested_cluster
        .clone()
        .filter(|cluster| *cluster != row.cluster)
        .map(|cluster| {
            view! {
                <form method="post" action=post("arrange")>
                    <input type="hidden" name="cluster" value=cluster.clone() />
                    <input type="hidden" name="role" value=row.role.clone().unwrap_or_default() />
                    <button class="button" type="submit">"Move to "<bdi>{cluster}</bdi></button>
                </form>
            }
        });
    let decide = inbox.may_arrange.then(|| {
        if is_host {
            return view! { <a class="button" href=format!("/nodes/{}", row.id)>"Review"</a> }.into_any();
        }
        let ignore = (!item.is_ignored).then(
            || view! { <form method="post" action=post("ignore")><button class="button" type="submit">"Ignore"</button></form> },
        );
        view! {
            <form method="post" action=post("accept")>
                <button class="button button-primary" type="submit">"Accept into "<bdi>{row.cluster.clone()}</bdi></button>
            </form>
            {arrange}
            {ignore}
        }
        .into_any()
    });
    view! {
        <li class="inbox-item">
            <p class="inbox-what">
                {node_link(&row.id, &row.name)}
                <span class="of"><bdi>{what}</bdi>" on "<bdi>{row.host_name.clone()}</bdi>{names}</span>
                <span class="of">"found "<Instant at_ms=item.found_at_ms now_ms=inbox.now_ms /></span>
            </p>
            <div class="inbox-decide">{decide}</div>
        </li>
    }
    .into_any()
}
