//! Tags and notes of a node: shown on its page, and changed by a plain form.

use domain::filter::{Condition, Filter, Term};
use domain::fleet::{NOTES_CHARS_MAX, write_tags};
use leptos::prelude::*;

use super::view::{NodeDetail, NodesQuery};
use crate::account::view::FormFeedback;
use crate::ui::{Panel, TextArea};

/// The list of nodes with this tag.
fn tag_url(name: &str, value: &str) -> String {
    let condition = Condition::Tag {
        name: name.to_owned(),
        values: vec![value.to_owned()],
    };
    let term = Term {
        is_negated: false,
        condition,
    };
    NodesQuery::of_filter(Filter { terms: vec![term] }.to_string()).url()
}

/// Tags as links to all nodes that have the same.
pub fn tags(tags: &std::collections::BTreeMap<String, String>) -> Option<AnyView> {
    if tags.is_empty() {
        return None;
    }
    let tags: Vec<_> = tags
        .iter()
        .map(|(name, value)| {
            view! { <li><a class="tag" href=tag_url(name, value)><bdi>{format!("{name}={value}")}</bdi></a></li> }
        })
        .collect();
    Some(view! { <ul class="tag-list" aria-label="Tags">{tags}</ul> }.into_any())
}

/// Notes, as the server made markup of them.
pub fn notes(html: &str) -> Option<AnyView> {
    if html.is_empty() {
        return None;
    }
    let html = html.to_owned();
    Some(
        view! { <Panel title="Notes" id="notes"><div class="prose" inner_html=html></div></Panel> }
            .into_any(),
    )
}

/// The form, for whoever may say so.
pub fn labels_form(node: &NodeDetail, feedback: Option<FormFeedback>) -> AnyView {
    if !node.may_arrange {
        return ().into_any();
    }
    // A page has several forms; what was refused is the one whose fields it kept.
    let feedback = feedback
        .filter(|feedback| feedback.kept("notes").is_some())
        .unwrap_or_default();
    let version = node.labels_version.clone();
    let action = format!("/nodes/{}/labels", node.row.id);
    let kept = |field: &str, now: String| feedback.kept(field).unwrap_or(now);
    let values = (
        kept("tags", write_tags(&node.row.tags)),
        kept("notes", node.notes.clone()),
    );
    let (tags_error, notes_error) = (feedback.error("tags"), feedback.error("notes"));
    view! {
        <Panel title="Tags and notes" id="labels">
            <form class="settings-form" method="post" action=action>
                <input type="hidden" name="version" value=version />
                <TextArea name="tags" label="Tags" rows=4 value=values.0 error=tags_error hint="One key=value a line, such as tier=edge. What its agent suggests can be changed or taken out here." />
                <TextArea name="notes" label="Notes" rows=8 value=values.1 error=notes_error maxlength=NOTES_CHARS_MAX hint="Markdown: what it is, whom to ask, where the runbook is." />
                <button class="button" type="submit">"Save tags and notes"</button>
            </form>
        </Panel>
    }
    .into_any()
}
