//! Tags: `key=value` labels of nodes and clusters, by which lists are filtered and grouped.
//!
//! A host's agent suggests tags; people say others, change them, or hide them. A server has its host's where it has none of
//! its own. Pure.

use std::collections::BTreeMap;

use crate::text::{clean_label, is_deceptive};

/// Tags of a node or a cluster.
pub type Tags = BTreeMap<String, String>;
/// What people said about tags: a value, or that the one underneath is hidden.
pub type GivenTags = BTreeMap<String, Option<String>>;

/// Tags of one object at most.
pub const TAGS_MAX: usize = 32;
/// Longest name.
pub const TAG_NAME_CHARS_MAX: usize = 63;
/// Longest value.
pub const TAG_VALUE_CHARS_MAX: usize = 120;

fn shown(text: &str) -> String {
    clean_label(&text.chars().take(64).collect::<String>())
}

/// Reads one tag, `key=value`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn read_tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        format!(
            "`{}` is no tag: write key=value, such as tier=edge",
            shown(text)
        )
    })?;
    let (name, value) = (name.trim(), value.trim());
    read_tag_name(name)?;
    if value.chars().count() > TAG_VALUE_CHARS_MAX || value.chars().any(is_deceptive) {
        return Err(format!(
            "the value of `{}` must be visible text of at most {TAG_VALUE_CHARS_MAX} characters",
            shown(name)
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Is this a tag's name?
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn read_tag_name(name: &str) -> Result<(), String> {
    let fits = (1..=TAG_NAME_CHARS_MAX).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{}` is no name of a tag: use 1 to {TAG_NAME_CHARS_MAX} letters, digits, dots, dashes, slashes and underscores",
            shown(name)
        ))
    }
}

/// Reads tags, one a line.
///
/// # Errors
/// What is wrong with the first line that is none, or that there are too many.
pub fn read_tags(text: &str) -> Result<Tags, String> {
    let mut tags = Tags::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = read_tag(line)?;
        if tags.insert(name.clone(), value).is_some() {
            return Err(format!(
                "`{}` stands there twice: give each tag one value",
                shown(&name)
            ));
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(format!(
            "{} tags are too many: give at most {TAGS_MAX}",
            tags.len()
        ));
    }
    Ok(tags)
}

/// As [`read_tags`] reads them.
pub fn write_tags(tags: &Tags) -> String {
    let lines: Vec<String> = tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    lines.join("\n")
}

/// `tier=edge, az=b`, for one line.
pub fn tags_in_words(tags: &Tags) -> String {
    write_tags(tags).replace('\n', ", ")
}

/// What holds where people said `given` over what was there without them.
pub fn merged_tags(below: &Tags, given: &GivenTags) -> Tags {
    let mut tags = below.clone();
    for (name, value) in given {
        match value {
            Some(value) => tags.insert(name.clone(), value.clone()),
            None => tags.remove(name),
        };
    }
    tags
}

/// What people must have said so that exactly `wanted` holds over `below`.
pub fn given_tags(below: &Tags, wanted: &Tags) -> GivenTags {
    let said = wanted
        .iter()
        .filter(|(name, value)| below.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), Some(value.clone())));
    let hidden = below
        .keys()
        .filter(|name| !wanted.contains_key(*name))
        .map(|name| (name.clone(), None));
    said.chain(hidden).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_read_and_what_is_none_is_named() {
        let tags = read_tags(" tier = edge \n\naz=b\nurl=https://x/?a=b\nempty=\n").unwrap();
        assert_eq!(
            write_tags(&tags),
            "az=b\nempty=\ntier=edge\nurl=https://x/?a=b"
        );
        for (text, part) in [
            ("tier", "`tier` is no tag: write key=value"),
            ("a b=c", "`a b` is no name of a tag"),
            ("=c", "`` is no name of a tag"),
            ("a=1\na=2", "`a` stands there twice"),
            ("a=\u{202E}x", "the value of `a` must be visible text"),
        ] {
            let error = read_tags(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: String = (0..=TAGS_MAX).map(|n| format!("t{n}=x\n")).collect();
        assert!(
            read_tags(&many)
                .unwrap_err()
                .contains("33 tags are too many")
        );
        assert!(read_tags(&format!("a={}", "x".repeat(121))).is_err());
    }

    fn tags() -> impl Strategy<Value = Tags> {
        proptest::collection::btree_map("[abc]", "[xy]", 0..4)
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_what_holds(below in tags(), wanted in tags()) {
            let given = given_tags(&below, &wanted);
            prop_assert_eq!(merged_tags(&below, &given), wanted.clone());
            prop_assert!(given_tags(&wanted, &wanted).is_empty());
        }

        #[test]
        fn tags_written_read_back(text in "\\PC{0,60}") {
            if let Ok(tags) = read_tags(&text) {
                prop_assert_eq!(read_tags(&write_tags(&tags)), Ok(tags));
            }
        }
    }
}
