//! The first start: whoever holds the code that the server printed becomes the administrator.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api::load_form_feedback;
use super::login::DoorFrame;
use crate::codec::page_data;
use crate::page::Context;
use crate::ui::{FormMessage, TextField};

/// Least characters of a password, as the server has it.
const PASSWORD_CHARS_MIN: u32 = 12;

/// `/setup?code=`
#[component]
pub fn SetupPage() -> impl IntoView {
    let context = expect_context::<Context>();
    let feedback = page_data(|| (), |()| load_form_feedback());
    let code = use_query_map().read_untracked().get("code");
    view! {
        <Title text="Set up" />
        <DoorFrame>
            <Suspense>
                {move || {
                    let code = code.clone();
                    Suspend::new(async move {
                        let feedback = feedback.await.ok().flatten().unwrap_or_default();
                        let page = context.page.await.ok();
                        let is_done = page.as_ref().is_some_and(|page| !page.needs_setup);
                        let code = code.or_else(|| feedback.kept("code")).unwrap_or_default();
                        if is_done {
                            return view! {
                                <h1 tabindex="-1">"Already set up"</h1>
                                <p class="door-note">"This server has an administrator. Sign in, or ask them for an account."</p>
                                <a class="button button-primary button-block" href="/login" rel="external">"Sign in"</a>
                            }.into_any();
                        }
                        view! {
                            <h1 tabindex="-1">"Create the administrator"</h1>
                            <p class="door-server">"of "<bdi>{page.map(|page| page.server_name).unwrap_or_default()}</bdi></p>
                            {(!feedback.message.is_empty()).then(|| view! { <FormMessage text=feedback.message.clone() /> })}
                            <form class="door-form" method="post" action="/setup">
                                <CodeField code error=feedback.error("code") />
                                <TextField name="user" label="User" autocomplete="username" value=feedback.kept("user").unwrap_or_else(|| "admin".to_owned()) error=feedback.error("user") />
                                <TextField
                                    name="password"
                                    label="Password"
                                    kind="password"
                                    autocomplete="new-password"
                                    minlength=Some(PASSWORD_CHARS_MIN)
                                    hint="At least 12 characters. A few random words are good."
                                    error=feedback.error("password")
                                />
                                <button type="submit" class="button button-primary button-block">"Create and sign in"</button>
                            </form>
                        }.into_any()
                    })
                }}
            </Suspense>
        </DoorFrame>
    }
    .into_any()
}

/// Hidden when the link brought the code and nothing is wrong with it.
#[component]
fn CodeField(code: String, #[prop(optional_no_strip)] error: Option<String>) -> impl IntoView {
    if code.is_empty() || error.is_some() {
        view! { <TextField name="code" label="Set-up code" value=code hint="Part of the link that the server printed when it started." error /> }
            .into_any()
    } else {
        view! { <input type="hidden" name="code" value=code /> }.into_any()
    }
}
