//! The style sheet: `style/main.css` with everything it imports, in one small file.
//!
//! Bundled and minified, not rewritten for older browsers: nesting and `light-dark()` stay as they
//! are written.

use std::path::Path;

use anyhow::anyhow;
use lightningcss::bundler::{Bundler, FileProvider};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions};
use lightningcss::targets::{Browsers, Targets};

/// Major versions of 2024: what the console supports.
fn targets() -> Targets {
    let major = |version: u32| Some(version << 16);
    Targets::from(Browsers {
        chrome: major(125),
        edge: major(125),
        firefox: major(128),
        safari: major(18),
        ios_saf: major(18),
        ..Browsers::default()
    })
}

pub fn bundle(entry: &Path) -> anyhow::Result<String> {
    let files = FileProvider::new();
    let mut bundler = Bundler::new(&files, None, ParserOptions::default());
    let wrong = |error: String| anyhow!("{}: {error}", entry.display());
    let mut sheet = bundler
        .bundle(entry)
        .map_err(|error| wrong(error.to_string()))?;
    sheet
        .minify(MinifyOptions {
            targets: targets(),
            ..MinifyOptions::default()
        })
        .map_err(|error| wrong(error.to_string()))?;
    let options = PrinterOptions {
        minify: true,
        targets: targets(),
        ..PrinterOptions::default()
    };
    Ok(sheet
        .to_css(options)
        .map_err(|error| wrong(error.to_string()))?
        .code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled(files: &[(&str, &str)]) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("ui"))?;
        for (name, css) in files {
            std::fs::write(folder.path().join(name), css)?;
        }
        bundle(&folder.path().join("main.css"))
    }

    #[test]
    fn imports_are_bundled_in_layers_and_modern_css_stays() {
        let css = bundled(&[
            ("main.css", "@layer tokens, ui;\n@import \"tokens.css\" layer(tokens);\n@import \"ui/card.css\" layer(ui);"),
            ("tokens.css", ":root { color-scheme: light dark; --ink: light-dark(#111, #eee); }"),
            ("ui/card.css", ".card { color: var(--ink); &:hover { color: light-dark(red, blue); } }"),
        ])
        .unwrap();
        assert!(
            css.starts_with("@layer tokens,ui;") || css.starts_with("@layer tokens{"),
            "{css}"
        );
        assert!(
            !css.contains("@import") && css.contains("@layer ui{"),
            "{css}"
        );
        assert!(
            css.contains("light-dark(#111,#eee)") && css.contains("light-dark(red"),
            "{css}"
        );
        assert!(css.contains("&:hover{"), "{css}");
    }

    #[test]
    fn a_mistake_is_placed() {
        let error = bundled(&[("main.css", "@import \"ui/gone.css\";")]).unwrap_err();
        assert!(error.to_string().contains("main.css"), "{error}");
        let error = bundled(&[("main.css", "a { color: }}")]).unwrap_err();
        assert!(error.to_string().contains("main.css"), "{error}");
    }
}
