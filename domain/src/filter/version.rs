//! Versions of products, compared the way people read them.

use std::cmp::Ordering;

/// A stretch of digits or of letters.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Number(&'a str),
    Word(&'a str),
}

/// Older is less: numbers by value, `2.4-rc1` before `2.4`, `2.4` the same as `2.4.0`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(part), None) => beside_nothing(&part),
            (None, Some(part)) => beside_nothing(&part).reverse(),
            (Some(Part::Number(a)), Some(Part::Number(b))) => numbers(a, b),
            (Some(Part::Word(a)), Some(Part::Word(b))) => {
                a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase())
            }
            (Some(Part::Number(_)), Some(Part::Word(_))) => Ordering::Greater,
            (Some(Part::Word(_)), Some(Part::Number(_))) => Ordering::Less,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn beside_nothing(part: &Part<'_>) -> Ordering {
    match part {
        Part::Number(digits) => numbers(digits, ""),
        // A word behind a version is what came before it: alpha, beta, rc, SNAPSHOT.
        Part::Word(_) => Ordering::Less,
    }
}

/// Of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|piece| {
            let mut rest = piece;
            std::iter::from_fn(move || {
                let is_number = rest.chars().next()?.is_ascii_digit();
                let end = rest
                    .find(|c: char| c.is_ascii_digit() != is_number)
                    .unwrap_or(rest.len());
                let (part, behind) = rest.split_at(end);
                rest = behind;
                Some(if is_number {
                    Part::Number(part)
                } else {
                    Part::Word(part)
                })
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_is_less() {
        let ascending = [
            "1.0-alpha",
            "1.0-rc1",
            "1.0-rc2",
            "1.0",
            "1.0.1",
            "1.2",
            "1.9.12",
            "1.10",
            "2.4-rc1",
            "2.4",
            "10.0",
            "184467440737095516160",
        ];
        for (place, older) in ascending.iter().enumerate() {
            for newer in ascending.iter().skip(place + 1) {
                assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
                assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
            }
        }
        for (a, b) in [
            ("2.4", "2.4.0"),
            ("2.04", "2.4"),
            ("v", "V"),
            ("9.0.98_1", "9.0.98-1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
