//! What people declare about a cluster: its kind, the least that must be available, the order of its roles, notes.
//!
//! Read from the settings form and from the database by the same rules. Invariant: a field that is refused is named, with
//! the value and the way out, and all fields are judged at once. It decides nothing about nodes.

use serde::{Deserialize, Serialize};

use super::{MinAvailable, Tags, read_tags, write_tags};
use crate::text::{LABEL_CHARS_MAX, clean_label, is_deceptive};

/// Most roles in an order.
pub const ROLES_MAX: usize = 20;
/// Longest notes, in characters.
pub const NOTES_CHARS_MAX: usize = 4_000;

/// How the nodes of a cluster stand in for one another.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ClusterKind {
    /// Any node does any of the work.
    #[default]
    Stateless,
    /// Nodes hold copies of the same data.
    Replicated,
    /// One node writes, the others follow.
    PrimarySecondary,
    /// Exactly one node does the work.
    Singleton,
}

impl ClusterKind {
    /// All of them, the most common first.
    pub const ALL: [ClusterKind; 4] = [
        ClusterKind::Stateless,
        ClusterKind::Replicated,
        ClusterKind::PrimarySecondary,
        ClusterKind::Singleton,
    ];

    /// As stored and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterKind::Stateless => "stateless",
            ClusterKind::Replicated => "replicated",
            ClusterKind::PrimarySecondary => "primary_secondary",
            ClusterKind::Singleton => "singleton",
        }
    }

    /// As on a page.
    pub fn label(self) -> &'static str {
        match self {
            ClusterKind::Stateless => "Stateless",
            ClusterKind::Replicated => "Replicated",
            ClusterKind::PrimarySecondary => "Primary and secondaries",
            ClusterKind::Singleton => "Singleton",
        }
    }

    /// As [`ClusterKind::as_str`] writes it.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What was declared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// How its nodes stand in for one another.
    pub kind: ClusterKind,
    /// `None`: not declared, so every loss counts in full.
    pub min_available: Option<MinAvailable>,
    /// Roles in the order in which they are shown, and in which a change would go through them; others follow by name.
    pub role_order: Vec<String>,
    /// For whoever is called at night: what it is, whom to ask, where the runbook is. Markdown.
    pub notes: String,
    /// Free labels.
    #[serde(default)]
    pub tags: Tags,
}

/// The settings as somebody wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterForm {
    /// As [`ClusterKind::as_str`].
    pub kind: String,
    /// As [`MinAvailable`] is read; empty for not declared.
    pub min_available: String,
    /// Names with commas between them.
    pub role_order: String,
    /// Any text, read as Markdown.
    pub notes: String,
    /// One `key=value` a line.
    #[serde(default)]
    pub tags: String,
}

/// A field of [`ClusterForm`] that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Name of the field.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl ClusterForm {
    /// Reads all fields.
    ///
    /// # Errors
    /// Every field that is refused, in the order of the form.
    pub fn read(&self) -> Result<ClusterSettings, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, message: String| {
            errors.push(FieldError {
                field: field.to_owned(),
                message,
            });
        };
        let kind = ClusterKind::from_stored(self.kind.trim());
        if kind.is_none() {
            let kinds = ClusterKind::ALL.map(ClusterKind::as_str).join(", ");
            refuse(
                "kind",
                format!("`{}` is no kind: write one of {kinds}", shown(&self.kind)),
            );
        }
        let min_available = match self.min_available.trim() {
            "" => None,
            text => text
                .parse()
                .map_err(|error: super::MinAvailableError| {
                    refuse("min_available", clean_label(&error.to_string()));
                })
                .ok(),
        };
        let role_order = read_roles(&self.role_order)
            .map_err(|message| refuse("role_order", message))
            .unwrap_or_default();
        let notes = read_notes(&self.notes)
            .map_err(|message| refuse("notes", message))
            .unwrap_or_default();
        let tags = read_tags(&self.tags)
            .map_err(|message| refuse("tags", message))
            .unwrap_or_default();
        match (kind, errors.is_empty()) {
            (Some(kind), true) => Ok(ClusterSettings {
                kind,
                min_available,
                role_order,
                notes,
                tags,
            }),
            _ => Err(errors),
        }
    }
}

/// What becomes of a form whose writer did not see what is stored by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// What they wrote, and in fields that they left alone what is stored now.
    pub form: ClusterForm,
    /// Fields that changed meanwhile, in words.
    pub changed: Vec<&'static str>,
    /// Fields that both changed, with what is stored now.
    pub disputed: Vec<(&'static str, String)>,
}

impl ClusterForm {
    /// Fields as a form names them, and in words.
    fn fields(&mut self) -> [(&'static str, &'static str, &mut String); 5] {
        [
            (
                "min_available",
                "minimum available",
                &mut self.min_available,
            ),
            ("kind", "kind", &mut self.kind),
            ("role_order", "order of roles", &mut self.role_order),
            ("tags", "tags", &mut self.tags),
            ("notes", "notes", &mut self.notes),
        ]
    }

    /// Brings a form up to what is stored `now`, written by somebody who had `seen` something else; `None` where that is
    /// what they saw.
    pub fn rebased(mut self, mut seen: ClusterForm, mut now: ClusterForm) -> Option<Rebased> {
        // Browsers end lines in their own way.
        let plain = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        let (mut changed, mut disputed) = (Vec::new(), Vec::new());
        let others = seen.fields().into_iter().zip(now.fields());
        for ((field, words, mine), ((.., seen), (.., now))) in self.fields().into_iter().zip(others)
        {
            if plain(seen) == plain(now) {
                continue;
            }
            changed.push(words);
            if plain(mine) == plain(seen) {
                mine.clone_from(now);
            } else if plain(mine) != plain(now) {
                disputed.push((field, now.clone()));
            }
        }
        (!changed.is_empty()).then_some(Rebased {
            form: self,
            changed,
            disputed,
        })
    }
}

/// As [`ClusterForm::read`] reads it.
impl From<&ClusterSettings> for ClusterForm {
    fn from(settings: &ClusterSettings) -> Self {
        Self {
            kind: settings.kind.as_str().to_owned(),
            min_available: settings
                .min_available
                .map(|minimum| minimum.to_string())
                .unwrap_or_default(),
            role_order: settings.role_order.join(", "),
            notes: settings.notes.clone(),
            tags: write_tags(&settings.tags),
        }
    }
}

impl ClusterSettings {
    /// What differs from `before`, in words for the log; empty when nothing does.
    pub fn changes_since(&self, before: &ClusterSettings) -> Vec<String> {
        let (old, new) = (ClusterForm::from(before), ClusterForm::from(self));
        let mut changes = Vec::new();
        let mut told = |name: &str, old: &str, new: &str| {
            if old != new {
                let or_none = |text: &str| if text.is_empty() { "none" } else { text }.to_owned();
                changes.push(format!("{name} {} → {}", or_none(old), or_none(new)));
            }
        };
        told("kind", &old.kind, &new.kind);
        told("min available", &old.min_available, &new.min_available);
        told("role order", &old.role_order, &new.role_order);
        let words = |tags: &str| tags.replace('\n', ", ");
        told("tags", &words(&old.tags), &words(&new.tags));
        if old.notes != new.notes {
            changes.push("notes".to_owned());
        }
        changes
    }

    /// The same in lines, for the log's "before" and "after".
    pub fn in_words(&self) -> String {
        let form = ClusterForm::from(self);
        let parts = [
            ("kind", form.kind),
            ("min available", form.min_available),
            ("role order", form.role_order),
            ("tags", form.tags.replace('\n', ", ")),
            ("notes", form.notes),
        ];
        let lines: Vec<String> = parts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        lines.join("\n")
    }

    /// Where a role stands: its place in the order, then all others.
    pub fn role_place(&self, role: Option<&str>) -> usize {
        role.and_then(|role| self.role_order.iter().position(|known| known == role))
            .unwrap_or(self.role_order.len())
    }
}

fn shown(text: &str) -> String {
    clean_label(&text.chars().take(64).collect::<String>())
}

fn read_roles(text: &str) -> Result<Vec<String>, String> {
    let mut roles: Vec<String> = Vec::new();
    for role in text
        .split(',')
        .map(str::trim)
        .filter(|role| !role.is_empty())
    {
        if role.chars().count() > LABEL_CHARS_MAX.min(63) || role.chars().any(is_deceptive) {
            return Err(format!(
                "`{}` is no role: write names of at most 63 characters with commas between them, such as manager, worker",
                shown(role)
            ));
        }
        if roles.iter().any(|known| known == role) {
            return Err(format!(
                "`{}` stands there twice: name each role once",
                shown(role)
            ));
        }
        roles.push(role.to_owned());
    }
    if roles.len() > ROLES_MAX {
        return Err(format!(
            "{} roles are too many: name at most {ROLES_MAX}, the others follow by name",
            roles.len()
        ));
    }
    Ok(roles)
}

/// Notes in Markdown: line ends become `\n`; other controls and marks of direction are made visible.
///
/// # Errors
/// How many characters are too many.
pub fn read_notes(text: &str) -> Result<String, String> {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let cleaned: String = unified
        .trim()
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if is_deceptive(c) => '\u{FFFD}',
            c => c,
        })
        .collect();
    let count = cleaned.chars().count();
    if count > NOTES_CHARS_MAX {
        return Err(format!(
            "{count} characters are too many: write at most {NOTES_CHARS_MAX} and link to the rest"
        ));
    }
    Ok(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(kind: &str, min_available: &str, role_order: &str, notes: &str) -> ClusterForm {
        ClusterForm {
            kind: kind.to_owned(),
            min_available: min_available.to_owned(),
            role_order: role_order.to_owned(),
            notes: notes.to_owned(),
            tags: String::new(),
        }
    }

    #[test]
    fn two_who_write_at_once_lose_nothing() {
        let form = |min: &str, tags: &str, notes: &str| ClusterForm {
            kind: "stateless".to_owned(),
            min_available: min.to_owned(),
            role_order: String::new(),
            notes: notes.to_owned(),
            tags: tags.to_owned(),
        };
        let seen = || form("2", "az=a\ntier=edge", "ask Ann");
        assert_eq!(
            form("3", "az=a\r\ntier=edge", "ask Ann\r\n").rebased(seen(), seen()),
            None
        );
        let now = form("4", "az=b", "ask Ann");
        let rebased = form("3", "az=a\r\ntier=edge", "ask Bob")
            .rebased(seen(), now.clone())
            .unwrap();
        assert_eq!(rebased.form, form("3", "az=b", "ask Bob"));
        assert_eq!(rebased.changed, ["minimum available", "tags"]);
        assert_eq!(rebased.disputed, [("min_available", "4".to_owned())]);
        // Both wrote the same: nothing to decide, and still they are told.
        let same = form("4", "az=b", "ask Ann").rebased(seen(), now).unwrap();
        assert_eq!(same.disputed, []);
    }

    #[test]
    fn a_form_is_read() {
        let read = form(
            "replicated",
            " 50 %",
            "manager, worker ,,",
            "  ask Ann\r\n24/7 ",
        )
        .read();
        let settings = ClusterSettings {
            kind: ClusterKind::Replicated,
            min_available: Some(MinAvailable::Percent(50)),
            role_order: vec!["manager".to_owned(), "worker".to_owned()],
            notes: "ask Ann\n24/7".to_owned(),
            tags: Tags::new(),
        };
        assert_eq!(read, Ok(settings.clone()));
        assert_eq!(
            form("stateless", "", "", "").read(),
            Ok(ClusterSettings::default())
        );
        let places = ["worker", "manager", "other"].map(|role| settings.role_place(Some(role)));
        assert_eq!((places, settings.role_place(None)), ([1, 0, 2], 2));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let errors = form("fast", "most", "a, b, a", &"x".repeat(4_001))
            .read()
            .expect_err("all is wrong");
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["kind", "min_available", "role_order", "notes"]);
        for (error, part) in errors.iter().zip([
            "`fast`",
            "`most`",
            "`a` stands there twice",
            "4001 characters",
        ]) {
            assert!(error.message.contains(part), "{error}");
        }
        for (roles, part) in [
            ("a\u{202E}b".to_owned(), "`a\u{FFFD}b` is no role"),
            ("r".repeat(64), "is no role"),
            (
                (0..21)
                    .map(|n| format!("r{n}"))
                    .collect::<Vec<_>>()
                    .join(","),
                "21 roles are too many",
            ),
        ] {
            let errors = form("stateless", "", &roles, "")
                .read()
                .expect_err("refused");
            assert!(
                errors.iter().any(|error| error.message.contains(part)),
                "{errors:?}"
            );
        }
        let notes = form("stateless", "", "", "a\u{1b}[31mb\n\tc")
            .read()
            .map(|read| read.notes);
        assert_eq!(notes, Ok("a\u{FFFD}[31mb\n\tc".to_owned()));
    }

    #[test]
    fn changes_are_told() {
        let before = ClusterSettings::default();
        let after = form("singleton", "1", "", "n").read().expect("a form");
        assert_eq!(
            after.changes_since(&before),
            [
                "kind stateless → singleton",
                "min available none → 1",
                "notes"
            ]
        );
        assert!(after.changes_since(&after).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_back(kind in proptest::sample::select(ClusterKind::ALL.to_vec()), min in "([1-9][0-9]{0,4}|[1-9][0-9]?%)?", roles in "[a-z ,]{0,20}", notes in "\\PC{0,40}") {
            if let Ok(settings) = form(kind.as_str(), &min, &roles, &notes).read() {
                prop_assert_eq!(ClusterForm::from(&settings).read(), Ok(settings));
            }
        }

        #[test]
        fn any_text_is_settings_or_named_errors(kind in ".{0,20}", min in ".{0,20}", roles in ".{0,200}", notes in ".{0,200}") {
            if let Err(errors) = form(&kind, &min, &roles, &notes).read() {
                prop_assert!(!errors.is_empty());
            }
        }
    }
}
