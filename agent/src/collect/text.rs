//! Small readers for the kernel's text.

use domain::text::clean_label;
use protocol::INSTANCE_BYTES_MAX;

/// Lines of bytes, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// Words between blanks.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b' ' || *b == b'\t')
        .filter(|word| !word.is_empty())
}

/// A whole number.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number with a point, such as `0.42`.
pub fn decimal(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word)
        .ok()?
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && *value >= 0.0)
}

/// A name fit for the wire: no control or direction characters, at most [`INSTANCE_BYTES_MAX`] bytes.
pub fn instance(raw: &[u8]) -> String {
    let mut name = clean_label(&String::from_utf8_lossy(raw));
    if name.len() > INSTANCE_BYTES_MAX {
        let end = (0..=INSTANCE_BYTES_MAX)
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or(0);
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_none_is_not() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"1x", b"18446744073709551616", b" 1"] {
            assert_eq!(number(bad), None);
        }
        assert_eq!(decimal(b"0.42"), Some(0.42));
        for bad in [&b"nan"[..], b"inf", b"-0.5", b"", b"\xff"] {
            assert_eq!(decimal(bad), None);
        }
    }

    #[test]
    fn hostile_names_are_defused_and_cut_at_a_character() {
        assert_eq!(instance(b"/mnt/\x1b[31mred"), "/mnt/\u{FFFD}[31mred");
        assert_eq!(instance("/mnt/\u{202E}cod".as_bytes()), "/mnt/\u{FFFD}cod");
        assert_eq!(instance(b"<script>"), "<script>");
        let long = instance("ä".repeat(400).as_bytes());
        assert!(long.len() <= INSTANCE_BYTES_MAX && long.len() >= INSTANCE_BYTES_MAX - 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            for line in lines(&bytes) {
                for word in words(line) {
                    let _ = (number(word), decimal(word));
                    prop_assert!(instance(word).len() <= INSTANCE_BYTES_MAX);
                }
            }
        }
    }
}
