//! Many things by status as one bar: for what is too much to be shown one by one. Geometry is in SVG attributes.

use domain::fleet::Status;
use leptos::prelude::*;

use crate::format;

/// A bar of shares; its words say the counts, worst first.
#[component]
pub fn CountBar(
    /// How many of each status, worst first.
    counts: Vec<(Status, u32)>,
) -> impl IntoView {
    let words: Vec<String> = counts
        .iter()
        .map(|(status, count)| format!("{} {}", format::count(u64::from(*count)), status.label()))
        .collect();
    let parts: Vec<_> = shares(&counts)
        .into_iter()
        .map(|(status, x, width)| {
            view! { <rect data-status=status.as_str() x=percent(x) width=percent(width) height="100%"></rect> }
        })
        .collect();
    view! {
        <svg class="count-bar" width="100%" height="12" role="img" aria-label=words.join(", ")>{parts}</svg>
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// (status, left edge, width) of each part, 0..=1; a part that exists is never too narrow to be seen.
pub fn shares(counts: &[(Status, u32)]) -> Vec<(Status, f64, f64)> {
    const LEAST: f64 = 0.02;
    let all: u32 = counts.iter().map(|(_, count)| count).sum();
    let raw: Vec<f64> = counts
        .iter()
        .map(|(_, count)| {
            (f64::from(*count) / f64::from(all.max(1))).max(if *count > 0 { LEAST } else { 0.0 })
        })
        .collect();
    let total: f64 = raw.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut left = 0.0;
    counts
        .iter()
        .zip(raw)
        .map(|((status, _), width)| {
            let part = (*status, left, width / total);
            left += width / total;
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_can_still_be_seen_and_all_fit() {
        let parts = shares(&[(Status::Critical, 1), (Status::Ok, 999)]);
        assert!(parts[0].2 >= 0.019, "{parts:?}");
        let end = parts[1].1 + parts[1].2;
        assert!((end - 1.0).abs() < 1e-9, "{parts:?}");
        assert_eq!(shares(&[]), []);
    }
}
