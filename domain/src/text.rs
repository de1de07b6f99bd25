//! Text that came from a host is data, never markup, terminal control or a lie about direction.

/// Longest label kept, in characters (host names have at most 253).
pub const LABEL_CHARS_MAX: usize = 255;

/// Is this character invisible, directional or a control, so that showing it could deceive?
///
/// C0 and C1 controls, line and paragraph separators, bidirectional controls (Unicode UAX #9), zero-width characters,
/// the byte order mark, tags and interlinear annotations.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// A label fit to be stored and shown: deceptive characters become `\u{FFFD}`, length is bounded, ends are trimmed.
///
/// `<script>` stays `<script>`: escaping is the business of whoever writes markup.
pub fn clean_label(raw: &str) -> String {
    let cleaned: String = raw
        .trim()
        .chars()
        .take(LABEL_CHARS_MAX)
        .map(|c| if is_deceptive(c) { '\u{FFFD}' } else { c })
        .collect();
    cleaned.trim().to_owned()
}

/// Is this a slug for systems and clusters: `[a-z0-9-]{1,63}`?
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_direction_marks_are_made_visible_and_markup_is_left_alone() {
        assert_eq!(clean_label("web\u{1b}[31m-1"), "web\u{FFFD}[31m-1");
        assert_eq!(clean_label("safe\u{202E}gnp.exe"), "safe\u{FFFD}gnp.exe");
        assert_eq!(clean_label("a\u{200B}b\nc"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(
            clean_label("<script>alert(1)</script>"),
            "<script>alert(1)</script>"
        );
        assert_eq!(
            clean_label("  köln-01\n"),
            "köln-01",
            "files end in a newline; names do not"
        );
        assert_eq!(
            clean_label(&"x".repeat(10_000)).chars().count(),
            LABEL_CHARS_MAX
        );
    }

    #[test]
    fn slugs_are_lower_case_and_short() {
        assert!(is_slug("app-eu") && is_slug("a") && is_slug(&"a".repeat(63)));
        assert!(
            !is_slug("")
                && !is_slug("App")
                && !is_slug("a_b")
                && !is_slug(&"a".repeat(64))
                && !is_slug("ä")
        );
    }
}
