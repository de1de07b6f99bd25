//! Where a node belongs and what it is called: a plain form on its page.

use leptos::prelude::*;

use super::view::NodeDetail;
use crate::account::view::FormFeedback;
use crate::ui::{Panel, TextField};

/// The form, for whoever may say so.
pub fn place_form(node: &NodeDetail, feedback: Option<FormFeedback>) -> AnyView {
    if !node.may_arrange {
        return ().into_any();
    }
    // A page has several forms; what was refused is the one whose fields it kept.
    let feedback = feedback
        .filter(|feedback| feedback.kept("cluster").is_some())
        .unwrap_or_default();
    let action = format!("/nodes/{}/arrange", node.row.id);
    let kept = |field: &str, now: &str| feedback.kept(field).unwrap_or_else(|| now.to_owned());
    let role = node.row.role.clone().unwrap_or_default();
    let name = node.given_name.clone().unwrap_or_default();
    let values = (
        kept("cluster", &node.row.cluster),
        kept("role", &role),
        kept("name", &name),
    );
    let [cluster_error, role_error, name_error] =
        ["cluster", "role", "name"].map(|field| feedback.error(field));
    view! {
        <Panel title="Place and name" id="place">
            <form class="settings-form" method="post" action=action>
                <TextField name="cluster" label="Cluster" value=values.0 error=cluster_error hint="a-z, 0-9 and -; made when there is none of this name" />
                <TextField name="role" label="Role in the cluster" value=values.1 error=role_error is_optional=true />
                <TextField name="name" label="Name" value=values.2 error=name_error hint="Empty: as its agent calls it" is_optional=true />
                <button class="button" type="submit">"Save"</button>
            </form>
        </Panel>
    }
    .into_any()
}
