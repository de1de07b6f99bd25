//! Notes as markup: Markdown in, HTML that may stand in a page out.
//!
//! Called for notes of nodes and clusters, which people write. Invariant, tested: what comes out holds no markup but what
//! is written here. Raw HTML is shown as the text it is; links lead to http, https and mailto only; pictures become links.

use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

/// Renders notes.
pub fn render(notes: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let parser = Parser::new_ext(notes, options);
    let mut out = String::new();
    html::push_html(&mut out, parser.map(safe));
    out
}

fn safe(event: Event<'_>) -> Event<'_> {
    match event {
        // Whatever it is, it is text.
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Event::Start(Tag::Link {
                link_type: LinkType::Inline,
                dest_url: harmless(dest_url),
                title: CowStr::Borrowed(""),
                id: CowStr::Borrowed(""),
            })
        }
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        // The page and its panel have their own headings, and ids belong to the page.
        Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
            level: below(level),
            id: None,
            classes: Vec::new(),
            attrs: Vec::new(),
        }),
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        // `inline style` is not allowed, and columns of notes need no alignment.
        Event::Start(Tag::Table(columns)) => Event::Start(Tag::Table(
            columns
                .iter()
                .map(|_| pulldown_cmark::Alignment::None)
                .collect(),
        )),
        other => other,
    }
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// Addresses within this console and those of the web; everything else leads nowhere.
fn harmless(url: CowStr<'_>) -> CowStr<'_> {
    let lower = url.trim().to_ascii_lowercase();
    let is_own = lower.starts_with('/') || lower.starts_with('#');
    let is_of_the_web = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    if is_own || is_of_the_web {
        url
    } else {
        CowStr::Borrowed("#")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn notes_are_markup() {
        assert_eq!(
            render(
                "# On call\n\nAsk *Ann*, see [the runbook](https://wiki/x?a=1&b=2).\n\n- `restart`\n- [ ] later"
            ),
            "<h3>On call</h3>\n<p>Ask <em>Ann</em>, see <a href=\"https://wiki/x?a=1&amp;b=2\">the runbook</a>.</p>\n\
             <ul>\n<li><code>restart</code></li>\n<li><input disabled=\"\" type=\"checkbox\"/>\nlater</li>\n</ul>\n"
        );
    }

    #[test]
    fn what_could_harm_is_text_or_leads_nowhere() {
        for (notes, wanted) in [
            (
                "<script>alert(1)</script>",
                "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
            ),
            (
                "a <img src=x onerror=alert(1)> b",
                "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n",
            ),
            ("[x](javascript:alert(1))", "<p><a href=\"#\">x</a></p>\n"),
            ("[x](  JaVaScRiPt:alert(1))", "<p><a href=\"#\">x</a></p>\n"),
            ("[x](data:text/html,y)", "<p><a href=\"#\">x</a></p>\n"),
            (
                "![pic](https://tracker/p.png \"t\")",
                "<p><a href=\"https://tracker/p.png\">pic</a></p>\n",
            ),
            (
                "<https://ok/\"x>",
                "<p><a href=\"https://ok/%22x\">https://ok/&quot;x</a></p>\n",
            ),
        ] {
            let html = render(notes);
            assert!(
                !html.contains("<script") && !html.contains("<img"),
                "{html}"
            );
            assert_eq!(
                html.replace("&quot;", "\""),
                wanted.replace("&quot;", "\""),
                "{notes}"
            );
        }
    }

    /// Names of elements in what was rendered.
    fn elements(html: &str) -> Vec<String> {
        html.split('<')
            .skip(1)
            .map(|part| {
                part.trim_start_matches('/')
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn nothing_but_known_markup_comes_out(notes in "([a-z \\n\"'=:/!&<>*_`#()\\[\\]|~-]|<script>|javascript:|style=|\\PC){0,80}") {
            let html = render(&notes);
            const KNOWN: &[&str] = &["p", "a", "em", "strong", "del", "code", "pre", "ul", "ol", "li", "h3", "h4", "h5", "h6",
                "blockquote", "hr", "br", "table", "thead", "tbody", "tr", "th", "td", "input"];
            for element in elements(&html) {
                prop_assert!(KNOWN.contains(&element.as_str()), "{element} in {html}");
            }
            prop_assert!(!html.contains(" style=\"") && !html.to_lowercase().contains("href=\"javascript"), "{}", html);
        }
    }
}
