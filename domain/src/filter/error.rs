//! What is wrong with a filter, where, and the way out.

use std::fmt;

use crate::text::clean_label;

/// Characters of a token that an error repeats.
const SHOWN_CHARS_MAX: usize = 40;
/// Keys that are offered for one that does not exist.
const NEAR_MAX: usize = 3;

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What is not understood, cleaned and cut.
    pub token: String,
    /// First byte of it in the text.
    pub start: usize,
    /// Byte behind it.
    pub end: usize,
    /// Its first character, counted from 1.
    pub position: usize,
    /// What is wrong and the way out, such as "is no key; did you mean `cluster`?".
    pub problem: String,
}

impl FilterError {
    pub(super) fn new(text: &str, start: usize, end: usize, problem: String) -> Self {
        let end = end.min(text.len());
        let start = start.min(end);
        let token = text.get(start..end).unwrap_or_default();
        Self {
            token: clean_label(&token.chars().take(SHOWN_CHARS_MAX).collect::<String>()),
            start,
            end,
            position: text.get(..start).map_or(0, |before| before.chars().count()) + 1,
            problem,
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            token,
            position,
            problem,
            ..
        } = self;
        if token.is_empty() {
            write!(out, "at character {position}: {problem}")
        } else {
            write!(out, "`{token}` at character {position}: {problem}")
        }
    }
}

impl std::error::Error for FilterError {}

/// "did you mean `cluster`?", or what there is.
pub(super) fn did_you_mean(
    typed: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<String> {
    let typed = typed.to_lowercase();
    let mut near: Vec<(bool, usize, &'static str)> = known
        .filter_map(|key| {
            let letters = distance(&typed, key);
            let begins = typed.len() >= 2 && (key.starts_with(&typed) || typed.starts_with(key));
            let allowed = if key.len() <= 3 { 1 } else { 2 };
            (letters <= allowed || begins).then_some((!begins, letters, key))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let names: Vec<String> = near
        .into_iter()
        .take(NEAR_MAX)
        .map(|(.., key)| format!("`{key}`"))
        .collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// Letters to insert, take away or change (Levenshtein), of the first 40 of each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(SHOWN_CHARS_MAX).collect(),
        b.chars().take(SHOWN_CHARS_MAX).collect(),
    );
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut last = i + 1;
        let mut next = vec![last];
        for ((to, above), above_left) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let changed = above_left + usize::from(from != to);
            last = changed.min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_are_counted() {
        for (a, b, letters) in [
            ("cluster", "cluster", 0),
            ("clster", "cluster", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), letters, "{a} {b}");
            assert_eq!(distance(b, a), letters, "{b} {a}");
        }
    }
}
