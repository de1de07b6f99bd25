//! The one filter language of lists, API and search: `cluster:app-eu status:critical cpu>80 seen>5m "free text"`.
//!
//! Called by the server for every list and for `filter=` of the API. A filter is terms, all of which must hold; a term may
//! be negated with `-` or `!`. Invariants, tested: any text is a filter or an error that lies inside the text; a filter
//! written out reads back as itself; an unknown value fulfils no comparison, because null is never zero.
//!
//! It deliberately has no "or" between terms and no brackets: values of one key are alternatives (`status:critical,warning`),
//! and whoever needs more saves two views.

mod error;
mod matching;
mod parse;
mod quantity;
#[cfg(test)]
mod tests;
mod version;
mod write;

pub use error::FilterError;
pub use matching::Subject;
pub use quantity::Quantity;
pub use version::compare as compare_versions;

use crate::fleet::{Liveness, Status};
use crate::metric::Metric;

/// Longest filter, in characters.
pub const CHARS_MAX: usize = 1_000;
/// Terms of a filter at most.
pub const TERMS_MAX: usize = 32;
/// Alternatives of one term at most.
pub const VALUES_MAX: usize = 32;

/// What a list is narrowed by; without terms it lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// All of them must hold.
    pub terms: Vec<Term>,
}

/// One condition, or its contrary.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Must it not hold?
    pub is_negated: bool,
    /// What must hold.
    pub condition: Condition,
}

/// What may be asked of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Occurs in its name, host, cluster and the like, whatever the case.
    Text(String),
    /// A property is one of these; `*` stands for any letters, `""` for "it has none".
    Is {
        /// Which property.
        field: Field,
        /// Alternatives.
        values: Vec<String>,
    },
    /// Its status is one of these.
    Status(Vec<Status>),
    /// Its liveness is one of these.
    Liveness(Vec<Liveness>),
    /// It has this tag, with one of these values if there are any.
    Tag {
        /// Name of the tag.
        name: String,
        /// Alternatives as in [`Condition::Is`]; empty: whatever it is.
        values: Vec<String>,
    },
    /// A latest value, of any instance.
    Metric {
        /// Of what.
        metric: Metric,
        /// How it compares.
        comparison: Comparison,
        /// With what.
        quantity: Quantity,
    },
    /// Time since its last report.
    Seen {
        /// How it compares.
        comparison: Comparison,
        /// With what.
        quantity: Quantity,
    },
    /// Version of its product.
    Version {
        /// How it compares.
        comparison: Comparison,
        /// With what.
        version: String,
    },
}

macro_rules! fields {
    ($($variant:ident = $key:literal, $meaning:literal;)+) => {
        /// A property of a node that is text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = $meaning] $variant,)+
        }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];

            /// As in a filter.
            pub fn key(self) -> &'static str {
                match self { $(Field::$variant => $key),+ }
            }

            /// For people who learn the language.
            pub fn meaning(self) -> &'static str {
                match self { $(Field::$variant => $meaning),+ }
            }
        }
    };
}

fields! {
    Name = "name", "Its name.";
    Host = "host", "Name of its host.";
    System = "system", "Slug of its system.";
    Cluster = "cluster", "Slug of its cluster.";
    Role = "role", "Role in the cluster.";
    Kind = "kind", "host, or the pack that found it.";
    Product = "product", "Product found there.";
    Version = "version", "Version of the product; also compared: version<2.4";
    SubDomain = "subdomain", "Sub-domain of its cluster.";
    Address = "ip", "First address of its host.";
    Id = "id", "Public id.";
}

/// How a value compares with the one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
}

impl Comparison {
    /// All of them, those first that begin with another.
    pub const ALL: [Comparison; 6] = [
        Comparison::AtLeast,
        Comparison::AtMost,
        Comparison::NotEqual,
        Comparison::Above,
        Comparison::Below,
        Comparison::Equal,
    ];

    /// As in a filter.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
        }
    }
}

impl Condition {
    /// Key before the colon or the comparison; `None` for free text.
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Condition::Text(_) => return None,
            Condition::Is { field, .. } => field.key(),
            Condition::Status(_) => "status",
            Condition::Liveness(_) => "liveness",
            Condition::Tag { .. } => "tag",
            Condition::Metric { metric, .. } => metric.short_name(),
            Condition::Seen { .. } => "seen",
            Condition::Version { .. } => "version",
        })
    }
}

impl Filter {
    /// Does it let everything through?
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The same without the term at this place.
    pub fn without(&self, place: usize) -> Self {
        let mut terms = self.terms.clone();
        if place < terms.len() {
            terms.remove(place);
        }
        Self { terms }
    }

    /// The same with one condition, in place of what it said by that key: what a menu of one property writes.
    pub fn with_only(&self, condition: Condition) -> Self {
        let key = condition.key();
        let mut terms: Vec<Term> = self
            .terms
            .iter()
            .filter(|term| key.is_none() || term.condition.key() != key)
            .cloned()
            .collect();
        terms.push(Term {
            is_negated: false,
            condition,
        });
        Self { terms }
    }

    /// The same without any term of this key.
    pub fn without_key(&self, key: &str) -> Self {
        let kept = |term: &&Term| term.condition.key() != Some(key);
        Self {
            terms: self.terms.iter().filter(kept).cloned().collect(),
        }
    }

    /// Does it say exactly this?
    pub fn says(&self, condition: &Condition) -> bool {
        self.terms
            .iter()
            .any(|term| !term.is_negated && term.condition == *condition)
    }

    /// Metrics that it compares.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.terms.iter().filter_map(|term| match term.condition {
            Condition::Metric { metric, .. } => Some(metric),
            _ => None,
        })
    }

    /// Plain words in front of what has a key, as a search by letters reads them.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.terms
            .iter()
            .filter(|term| !term.is_negated)
            .filter_map(|term| match &term.condition {
                Condition::Text(text) => Some(text.as_str()),
                _ => None,
            })
    }
}

/// Every key, for who mistypes one and for the list of what there is.
pub fn keys() -> impl Iterator<Item = &'static str> {
    let fields = Field::ALL.iter().map(|field| field.key());
    let others = ["status", "liveness", "tag", "seen"];
    let metrics = Metric::ALL.iter().map(|metric| metric.short_name());
    fields.chain(others).chain(metrics)
}
