//! How one likes one's pages: the theme.

use leptos::prelude::*;
use leptos_meta::Title;

use super::view::Theme;
use crate::frame::ThemeSwitch;
use crate::page::{Context, Problem};
use crate::ui::{PageHeader, Panel};

/// `/settings/appearance`
#[component]
pub fn AppearancePage() -> impl IntoView {
    let context = expect_context::<Context>();
    context.focus_heading();
    view! {
        <Title text="Appearance" />
        <PageHeader title="Settings" />
        <Suspense>
            {move || Suspend::new(async move {
                match context.page.await {
                    Err(error) => view! { <Problem error /> }.into_any(),
                    Ok(page) => view! {
                        <div class="settings">
                            <Panel title="Appearance" id="appearance">
                                <p class="panel-text">"Kept in this browser. “System” follows your operating system between light and dark."</p>
                                <ThemeSwitch theme=Theme::from_name(&page.theme) />
                            </Panel>
                            <Panel title="About" id="about">
                                <dl class="facts">
                                    <div><dt>"Server"</dt><dd><bdi>{page.server_name}</bdi></dd></div>
                                    <div><dt>"Version"</dt><dd>{page.version}</dd></div>
                                    {page.user.map(|user| view! {
                                        <div><dt>"Signed in as"</dt><dd><bdi>{user.name}</bdi>", "{user.role.as_str()}</dd></div>
                                    })}
                                </dl>
                            </Panel>
                        </div>
                    }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}
