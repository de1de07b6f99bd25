//! Signing in. A plain form: it works without scripts, with password managers and with paste.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api::load_form_feedback;
use crate::codec::page_data;
use crate::page::Context;
use crate::ui::{Banner, FormMessage, Logo, TextField, Tone};

/// `/login?next=`
#[component]
pub fn LoginPage() -> impl IntoView {
    let context = expect_context::<Context>();
    let feedback = page_data(|| (), |()| load_form_feedback());
    let next = use_query_map().read_untracked().get("next");
    Effect::new(|_| crate::installed::forget());
    view! {
        <Title text="Sign in" />
        <DoorFrame>
            <Suspense>
                {move || {
                    let next = next.clone();
                    Suspend::new(async move {
                        let feedback = feedback.await.ok().flatten().unwrap_or_default();
                        let page = context.page.await.ok();
                        let server = page.as_ref().map(|page| page.server_name.clone()).unwrap_or_default();
                        // A refused post is answered at /login itself: what it led to was kept in the form.
                        let next = next.or_else(|| feedback.kept("next")).unwrap_or_default();
                        view! {
                            <h1 tabindex="-1">"Sign in"</h1>
                            <p class="door-server">"to "<bdi>{server}</bdi></p>
                            {page.as_ref().is_some_and(|page| page.insecure).then(|| view! {
                                <Banner tone=Tone::Warning>"This connection is not encrypted: a password typed here can be read on the way."</Banner>
                            })}
                            {page.is_some_and(|page| page.needs_setup).then(|| view! {
                                <p class="door-note">"There is no administrator yet. Open the set-up link that the server printed when it started."</p>
                            })}
                            {(!feedback.message.is_empty()).then(|| view! { <FormMessage text=feedback.message.clone() /> })}
                            <form class="door-form" method="post" action="/login">
                                <input type="hidden" name="next" value=next />
                                <TextField name="user" label="User" autocomplete="username" value=feedback.kept("user").unwrap_or_default() error=feedback.error("user") />
                                <TextField name="password" label="Password" kind="password" autocomplete="current-password" error=feedback.error("password") />
                                <button type="submit" class="button button-primary button-block">"Sign in"</button>
                            </form>
                        }
                    })
                }}
            </Suspense>
        </DoorFrame>
    }
    .into_any()
}

/// What stands around the pages in front of the door.
#[component]
pub fn DoorFrame(
    /// The form.
    children: Children,
) -> impl IntoView {
    view! {
        <main class="door" id="main">
            <div class="door-brand"><Logo /><span>"Operations Center"</span></div>
            <div class="door-card">{children()}</div>
        </main>
    }
    .into_any()
}
