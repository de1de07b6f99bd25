//! Form fields with their label, hint and error tied together.

use leptos::prelude::*;

use super::Icon;

/// What a refused form says above its fields.
#[component]
pub fn FormMessage(
    /// One sentence.
    text: String,
    /// What is wrong with which field, where the fields are out of sight.
    #[prop(optional)]
    fields: Vec<(String, String)>,
) -> impl IntoView {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, error)| {
            let href = format!("#{name}");
            view! { <a href=href rel="external">{error}</a> }
        })
        .collect();
    view! { <div class="form-message" role="alert"><Icon name="triangle-alert" /><p>{text}{fields}</p></div> }
}

/// A labelled line of text. `autocomplete` follows the HTML standard's names.
#[component]
pub fn TextField(
    /// Form field and element id.
    name: &'static str,
    /// In words.
    label: &'static str,
    /// `text`, `password` …
    #[prop(default = "text")]
    kind: &'static str,
    /// What stands in it.
    #[prop(optional, into)]
    value: String,
    /// Below it.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// What is wrong with it.
    #[prop(optional_no_strip)]
    error: Option<String>,
    /// What browsers may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// Least characters.
    #[prop(optional_no_strip)]
    minlength: Option<u32>,
    /// What it must look like.
    #[prop(optional_no_strip)]
    pattern: Option<&'static str>,
    /// Id of a list of suggestions.
    #[prop(optional_no_strip)]
    list: Option<&'static str>,
    /// May stay empty.
    #[prop(optional)]
    is_optional: bool,
    /// Cannot be changed.
    #[prop(optional)]
    readonly: bool,
) -> impl IntoView {
    let (hint_id, error_id) = (format!("{name}-hint"), format!("{name}-error"));
    let described: Vec<String> = [
        hint.map(|_| hint_id.clone()),
        error.as_ref().map(|_| error_id.clone()),
    ]
    .into_iter()
    .flatten()
    .collect();
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type=kind
                value=value
                autocomplete=autocomplete
                autocapitalize="none"
                spellcheck="false"
                required=!is_optional
                readonly=readonly
                minlength=minlength.map(|least| least.to_string())
                pattern=pattern
                list=list
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=(!described.is_empty()).then(|| described.join(" "))
            />
            {hint.map(|hint| view! { <p class="field-hint" id=hint_id>{hint}</p> })}
            {error.map(|error| view! { <p class="field-error" id=error_id>{error}</p> })}
        </div>
    }
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// Form field and element id.
    name: &'static str,
    /// In words.
    label: &'static str,
    /// Height in lines.
    rows: u32,
    /// What stands in it.
    #[prop(into)]
    value: String,
    /// Below it.
    hint: &'static str,
    /// What is wrong with it.
    #[prop(optional_no_strip)]
    error: Option<String>,
    /// Most characters.
    #[prop(optional)]
    maxlength: Option<usize>,
) -> impl IntoView {
    let (hint_id, error_id) = (format!("{name}-hint"), format!("{name}-error"));
    let described = if error.is_some() {
        format!("{hint_id} {error_id}")
    } else {
        hint_id.clone()
    };
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <textarea
                id=name
                name=name
                rows=rows.to_string()
                maxlength=maxlength.map(|most| most.to_string())
                spellcheck="false"
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=described
            >{value}</textarea>
            <p class="field-hint" id=hint_id>{hint}</p>
            {error.map(|error| view! { <p class="field-error" id=error_id>{error}</p> })}
        </div>
    }
}
