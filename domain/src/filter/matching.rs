//! Does a filter let a node through?

use std::cmp::Ordering;

use super::{Comparison, Condition, Field, Filter, compare_versions};
use crate::fleet::{Liveness, Status};
use crate::metric::Metric;

/// What a filter asks of a node. Unknown is `None` or nothing given, never zero.
pub trait Subject {
    /// Every text of this field; most have one or none.
    fn texts(&self, field: Field) -> impl Iterator<Item = &str>;
    /// Its status.
    fn status(&self) -> Status;
    /// Its liveness.
    fn liveness(&self) -> Liveness;
    /// The tag's value, if it has the tag.
    fn tag(&self, name: &str) -> Option<&str>;
    /// Values of all its tags.
    fn tag_values(&self) -> impl Iterator<Item = &str>;
    /// Does the latest value of any instance fulfil this?
    fn any_value(&self, metric: Metric, fulfils: impl Fn(f64) -> bool) -> bool;
    /// Seconds since its last report.
    fn seen_s(&self) -> Option<f64>;
}

impl Filter {
    /// Do all terms hold?
    pub fn matches(&self, node: &impl Subject) -> bool {
        self.terms
            .iter()
            .all(|term| term.condition.holds(node) != term.is_negated)
    }
}

impl Condition {
    fn holds(&self, node: &impl Subject) -> bool {
        match self {
            Condition::Text(text) => {
                let wanted = text.to_lowercase();
                let occurs = |text: &str| text.to_lowercase().contains(&wanted);
                Field::ALL
                    .iter()
                    .filter(|field| !matches!(field, Field::Version | Field::SubDomain))
                    .any(|field| node.texts(*field).any(occurs))
                    || node.tag_values().any(occurs)
            }
            Condition::Is { field, values } => values.iter().any(|wanted| {
                if wanted.is_empty() {
                    node.texts(*field).all(str::is_empty)
                } else {
                    node.texts(*field).any(|text| is_like(wanted, text))
                }
            }),
            Condition::Status(all) => all.contains(&node.status()),
            Condition::Liveness(all) => all.contains(&node.liveness()),
            Condition::Tag { name, values } => node.tag(name).is_some_and(|value| {
                values.is_empty() || values.iter().any(|wanted| is_like(wanted, value))
            }),
            Condition::Metric {
                metric,
                comparison,
                quantity,
            } => {
                let wanted = quantity.value();
                // Half of what the metric keeps: 0.8 that was stored is the 0.8 that was asked for.
                let same = 0.5 / metric.scale();
                node.any_value(*metric, |value| comparison.holds(value, wanted, same))
            }
            Condition::Seen {
                comparison,
                quantity,
            } => node
                .seen_s()
                .is_some_and(|value| comparison.holds(value, quantity.value(), 0.0005)),
            Condition::Version {
                comparison,
                version,
            } => node
                .texts(Field::Version)
                .any(|text| comparison.fits(compare_versions(text, version))),
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, wanted: f64, same: f64) -> bool {
        let order = if (value - wanted).abs() < same {
            Ordering::Equal
        } else {
            value.total_cmp(&wanted)
        };
        self.fits(order)
    }

    fn fits(self, order: Ordering) -> bool {
        match self {
            Comparison::Above => order.is_gt(),
            Comparison::AtLeast => order.is_ge(),
            Comparison::Below => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
        }
    }
}

/// The same but for the case, where `*` stands for any letters. Linear: each piece is looked for once.
fn is_like(wanted: &str, text: &str) -> bool {
    let (wanted, text) = (wanted.to_lowercase(), text.to_lowercase());
    let mut pieces = wanted.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some((_, behind)) = rest.split_once(piece) else {
            return false;
        };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (wanted, text, is) in [
            ("app-eu", "APP-EU", true),
            ("app", "app-eu", false),
            ("app*", "app-eu", true),
            ("*eu", "app-eu", true),
            ("a*-*u", "app-eu", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a**b", "ab", true),
            ("a*b*c", "acb", false),
            ("Köln*", "köln-1", true),
        ] {
            assert_eq!(is_like(wanted, text), is, "{wanted} {text}");
        }
    }
}
