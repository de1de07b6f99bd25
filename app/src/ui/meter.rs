//! A share as a bar beside its number. Geometry is in SVG attributes: pages carry no inline styles.

use leptos::prelude::*;

use crate::format;

/// How near a limit a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterLevel {
    /// Far.
    Plain,
    /// From 80 %.
    High,
    /// From 95 %.
    Full,
}

impl MeterLevel {
    /// Of something that is a problem when it runs full, such as a disk.
    pub fn of(ratio: f64) -> Self {
        if ratio >= 0.95 {
            MeterLevel::Full
        } else if ratio >= 0.80 {
            MeterLevel::High
        } else {
            MeterLevel::Plain
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            MeterLevel::Plain => "plain",
            MeterLevel::High => "high",
            MeterLevel::Full => "full",
        }
    }

    /// So that the level does not depend on colour.
    fn glyph(self) -> Option<(&'static str, &'static str)> {
        match self {
            MeterLevel::Plain => None,
            MeterLevel::High => Some(("▲", "high")),
            MeterLevel::Full => Some(("!", "nearly full")),
        }
    }
}

/// Bar and number; a dash where the share is not known.
#[component]
pub fn Meter(
    /// 0..=1
    ratio: Option<f64>,
    /// Colours and marks high levels: for what is a problem when it runs full.
    #[prop(optional)]
    limited: bool,
) -> impl IntoView {
    let level = ratio
        .filter(|_| limited)
        .map_or(MeterLevel::Plain, MeterLevel::of);
    let width = ratio.map(|ratio| format!("{:.1}%", ratio.clamp(0.0, 1.0) * 100.0));
    let glyph = limited.then(|| {
        let (glyph, words) = level.glyph().unzip();
        view! { <span class="meter-glyph" title=words aria-hidden="true">{glyph}</span><span class="visually-hidden">{words}</span> }
    });
    view! {
        <span class="meter" data-level=level.as_str() data-unknown=ratio.is_none().then_some("")>
            <svg class="meter-bar" width="64" height="6" aria-hidden="true" focusable="false">
                <rect class="meter-track" width="100%" height="6" rx="3"></rect>
                <rect class="meter-fill" width=width.unwrap_or_else(|| "0".to_owned()) height="6" rx="3"></rect>
            </svg>
            <span class="meter-number">{ratio.map_or_else(|| format::UNKNOWN.to_owned(), format::percent)}</span>
            {glyph}
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_where_they_say() {
        for (ratio, level) in [
            (0.0, MeterLevel::Plain),
            (0.799, MeterLevel::Plain),
            (0.8, MeterLevel::High),
            (0.95, MeterLevel::Full),
            (1.2, MeterLevel::Full),
        ] {
            assert_eq!(MeterLevel::of(ratio), level, "{ratio}");
        }
    }
}
