//! What people declare about a cluster: a plain form that keeps what was typed when a field is refused.

use domain::fleet::{ClusterKind, NOTES_CHARS_MAX};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api;
use super::detail::title;
use super::parts::head;
use super::view::ClusterDetail;
use crate::account::api::load_form_feedback;
use crate::account::view::FormFeedback;
use crate::codec::page_data;
use crate::fleet::notes;
use crate::page::{Context, Loading, Problem, slug_of_path};
use crate::ui::{FormMessage, TextArea, TextField};
use crate::url;

/// `/clusters/{slug}/settings`
#[component]
pub fn ClusterSettingsPage() -> impl IntoView {
    let context = expect_context::<Context>();
    let slug = slug_of_path();
    // Not followed: what somebody types must not be replaced.
    let data = page_data(move || slug.get(), api::load_cluster);
    let feedback = page_data(|| (), |()| load_form_feedback());
    let is_saved = use_query_map().read_untracked().get("saved").is_some();
    view! {
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                let (cluster, feedback) = (data.await, feedback.await);
                match cluster {
                    Err(error) => view! { <Problem error /> }.into_any(),
                    Ok(cluster) => {
                        context.focus_heading();
                        let feedback = feedback.ok().flatten();
                        let is_saved = is_saved && feedback.is_none();
                        view! {
                            <Title text=title(&cluster) />
                            {head(&cluster, "/settings")}
                            {is_saved.then(|| view! { <p class="form-saved" role="status">"Saved."</p> })}
                            {form(&cluster, feedback.unwrap_or_default())}
                        }
                        .into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

fn form(cluster: &ClusterDetail, feedback: FormFeedback) -> AnyView {
    if !cluster.may_change {
        return read_only(cluster);
    }
    let now = &cluster.settings;
    let value = |field: &str, now: &str| feedback.kept(field).unwrap_or_else(|| now.to_owned());
    let kind = value("kind", &now.kind);
    let kinds = ClusterKind::ALL.map(|choice| {
        view! { <option value=choice.as_str() selected=choice.as_str() == kind>{choice.label()}</option> }
    });
    let action = format!("{}/settings", url::cluster(&cluster.summary.slug));
    view! {
        {(!feedback.message.is_empty()).then(|| view! { <FormMessage text=feedback.message.clone() /> })}
        <form class="settings-form cluster-settings" method="post" action=action>
            <input type="hidden" name="seen" value=cluster.settings_seen.clone() />
            <TextField name="min_available" label="Minimum available" is_optional=true
                value=value("min_available", &now.min_available) error=feedback.error("min_available")
                hint="A number of nodes, such as 10, or a share, such as 50%. While so many are available, the cluster is at most a warning. Empty: every loss counts in full." />
            <div class="field">
                <label for="kind">"Kind"</label>
                <select id="kind" name="kind" aria-describedby="kind-hint">{kinds}</select>
                <p class="field-hint" id="kind-hint">"How its nodes stand in for one another."</p>
                {feedback.error("kind").map(|error| view! { <p class="field-error">{error}</p> })}
            </div>
            <TextField name="role_order" label="Order of roles" is_optional=true
                value=value("role_order", &now.role_order) error=feedback.error("role_order")
                hint="Names with commas between them, such as manager, worker. Others follow by name." />
            <TextArea name="tags" label="Tags" rows=4 value=value("tags", &now.tags) error=feedback.error("tags")
                hint="One key=value a line, such as tier=edge." />
            <TextArea name="notes" label="Notes" rows=8 maxlength=NOTES_CHARS_MAX value=value("notes", &now.notes) error=feedback.error("notes")
                hint="For whoever is called at night: what it is, whom to ask, where the runbook is. Markdown." />
            <div><button class="button button-primary" type="submit">"Save"</button></div>
        </form>
    }
    .into_any()
}

fn read_only(cluster: &ClusterDetail) -> AnyView {
    let settings = &cluster.settings;
    let kind = ClusterKind::from_stored(&settings.kind).map_or("", ClusterKind::label);
    let or_none = |text: &str| {
        if text.is_empty() {
            "not declared"
        } else {
            text
        }
        .to_owned()
    };
    view! {
        <p class="note">"Changing these settings needs role operator; an administrator can grant it."</p>
        <dl class="declared">
            <div><dt>"Minimum available"</dt><dd>{or_none(&settings.min_available)}</dd></div>
            <div><dt>"Kind"</dt><dd>{kind}</dd></div>
            <div><dt>"Order of roles"</dt><dd><bdi>{or_none(&settings.role_order)}</bdi></dd></div>
            <div><dt>"Tags"</dt><dd><bdi>{or_none(&settings.tags.replace('\n', ", "))}</bdi></dd></div>
        </dl>
        {notes(&cluster.notes_html)}
    }
    .into_any()
}
