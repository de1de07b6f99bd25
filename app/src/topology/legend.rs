//! What shapes, colours and lines of the map mean.

use domain::fleet::Status;
use domain::topology::EdgeState;
use leptos::prelude::*;

use super::graph::WIDTHS;
use super::view::{Color, TopologyPage};
use crate::ui::StatusMark;

/// The legend, closed until it is wanted.
pub fn legend(page: &TopologyPage) -> AnyView {
    let (color, scale) = (page.query.color, page.scale.as_slice());
    let statuses: Vec<_> = [
        Status::Critical,
        Status::Unknown,
        Status::Warning,
        Status::Ok,
    ]
    .into_iter()
    .map(|status| view! { <li><StatusMark status />{status.label()}</li> })
    .collect();
    let line = |state: EdgeState, words: &'static str| {
        view! {
            <li>
                <svg class="topo-sample" viewBox="0 0 32 8" aria-hidden="true"><g class="topo-edge" data-tone="neutral" data-state=state.as_str()><path class="topo-line" d="M0 4L32 4" stroke-width="1.5"></path></g></svg>
                {words}
            </li>
        }
    };
    let (meaning, widths) = width_words(page.is_width_rate);
    let widths: Vec<_> = WIDTHS
        .into_iter()
        .zip(widths)
        .map(|(width, words)| {
            view! {
                <li>
                    <svg class="topo-sample" viewBox="0 0 32 8" aria-hidden="true"><g class="topo-edge" data-tone="neutral" data-state="seen"><path class="topo-line" d="M0 4L32 4" stroke-width=width></path></g></svg>
                    {words}
                </li>
            }
        })
        .collect();
    view! {
        <details class="topo-legend">
            <summary>"Legend"</summary>
            <div class="topo-legend-parts">
                <ul aria-label="Nodes and clusters">{statuses}</ul>
                {(!scale.is_empty()).then(|| steps(color, scale))}
                <ul aria-label="Dependencies">
                    {line(EdgeState::Seen, "seen now; the arrow points at who accepts")}
                    {line(EdgeState::Stale, "seen before, not now")}
                    {line(EdgeState::Declared, "declared, never seen")}
                    <li><StatusMark status=Status::Critical />"one in five connections fails"</li>
                    <li><StatusMark status=Status::Warning />"one in a hundred fails"</li>
                </ul>
                <ul aria-label=meaning>{widths}</ul>
            </div>
        </details>
    }
    .into_any()
}

/// What widths mean, and where each begins: see `domain::topology::WidthBy`.
fn width_words(is_rate: bool) -> (&'static str, [&'static str; 5]) {
    if is_rate {
        let from = [
            "under 100 kbit/s",
            "100 kbit/s",
            "1 Mbit/s",
            "10 Mbit/s",
            "100 Mbit/s",
        ];
        ("Traffic both ways, from", from)
    } else {
        let from = ["under 10", "10", "100", "1,000", "10,000"];
        ("Connections, from", from)
    }
}

/// What the colours of cells mean.
fn steps(color: Color, scale: &[String]) -> AnyView {
    let kind = if color == Color::Version {
        "kind"
    } else {
        "heat"
    };
    let rows: Vec<_> = (1..)
        .zip(scale)
        .map(|(step, words): (i32, &String)| {
            view! {
                <li>
                    <svg class="topo-swatch" viewBox="0 0 16 16" aria-hidden="true"><g class="topo-tint" data-kind=kind data-step=step.to_string()><rect class="topo-square" x="1" y="1" width="14" height="14" rx="3"></rect></g></svg>
                    <bdi>{words.clone()}</bdi>
                </li>
            }
        })
        .collect();
    view! { <ul aria-label=color.label()>{rows}</ul> }.into_any()
}

#[cfg(test)]
mod tests {
    use domain::topology::WidthBy;

    use super::*;

    #[test]
    fn widths_begin_where_they_are_said_to() {
        let bytes = |bits: u64| Some(bits / 8);
        let (meaning, words) = width_words(true);
        assert_eq!(meaning, "Traffic both ways, from");
        let steps = [99_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
            .map(|bits| WidthBy::Rate.step(None, bytes(bits)));
        assert_eq!(steps, [1, 2, 3, 4, 5]);
        assert_eq!(
            words[1..],
            ["100 kbit/s", "1 Mbit/s", "10 Mbit/s", "100 Mbit/s"]
        );
        let (meaning, words) = width_words(false);
        assert_eq!(meaning, "Connections, from");
        let steps = [9, 10, 100, 1_000, 10_000].map(|n| WidthBy::Connections.step(Some(n), None));
        assert_eq!(steps, [1, 2, 3, 4, 5]);
        assert_eq!(words, ["under 10", "10", "100", "1,000", "10,000"]);
    }
}
