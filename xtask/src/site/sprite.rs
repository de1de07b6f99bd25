//! One SVG file with the icons named in `style/icons.txt`, from Lucide.
//!
//! Pages use `<svg><use href="/assets/icons.HASH.svg#NAME"/></svg>`; size and colour come from the
//! style sheet, so a symbol says only what all icons share.

use std::path::Path;

use anyhow::{Context as _, bail};

/// Thinner than Lucide's 2: icons sit beside text of 13 to 15 pixels.
const STROKE_WIDTH: &str = "1.75";

/// The icon names of a list (one a line, `#` starts a comment), sorted, each once. No list, no icons.
pub fn read_names(path: &Path) -> anyhow::Result<Vec<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(names(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn names(list: &str) -> Vec<String> {
    let mut names: Vec<String> = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The sprite; an icon that Lucide does not have is an error that names it.
pub fn build(names: &[String], folder: &Path) -> anyhow::Result<String> {
    let mut sprite = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\">\n");
    let mut missing = Vec::new();
    for name in names {
        match std::fs::read_to_string(folder.join(format!("{name}.svg"))) {
            Ok(svg) => sprite.push_str(&symbol(name, &svg)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing.push(name.as_str())
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read the icon {name}"));
            }
        }
    }
    if !missing.is_empty() {
        bail!(
            "style/icons.txt names icons that Lucide does not have: {}",
            missing.join(", ")
        );
    }
    sprite.push_str("</svg>\n");
    Ok(sprite)
}

fn symbol(name: &str, svg: &str) -> anyhow::Result<String> {
    let shapes = shapes(svg).with_context(|| format!("the icon {name} is not an SVG file"))?;
    Ok(format!(
        "<symbol id=\"{name}\" viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" \
         stroke-width=\"{STROKE_WIDTH}\" stroke-linecap=\"round\" stroke-linejoin=\"round\">{shapes}</symbol>\n"
    ))
}

/// What is inside the `svg` element, without line breaks.
fn shapes(svg: &str) -> Option<String> {
    let (_, from_tag) = svg.split_once("<svg")?;
    let (_, inside) = from_tag.split_once('>')?;
    let (inside, _) = inside.rsplit_once("</svg>")?;
    Some(inside.lines().map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "<!-- @license lucide-static - ISC -->\n<svg\n  width=\"24\"\n>\n  <rect x=\"2\" />\n  <line y1=\"6\" />\n</svg>\n";

    #[test]
    fn lists_have_comments_and_may_repeat() {
        assert_eq!(
            names("# nav\nserver\n\nbell # alerts\nserver\n"),
            ["bell", "server"]
        );
    }

    #[test]
    fn a_symbol_has_the_shapes_and_the_id() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.svg"), SERVER).unwrap();
        let sprite = build(&["server".to_owned()], folder.path()).unwrap();
        assert!(
            sprite.contains("<symbol id=\"server\" viewBox=\"0 0 24 24\""),
            "{sprite}"
        );
        assert!(
            sprite.contains("><rect x=\"2\" /><line y1=\"6\" /></symbol>"),
            "{sprite}"
        );
    }

    #[test]
    fn missing_icons_are_all_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = build(&["bel".to_owned(), "sever".to_owned()], folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("bel, sever"), "{error}");
    }

    #[test]
    fn no_icons_make_an_empty_sprite() {
        assert!(
            read_names(Path::new("/nonexistent/icons.txt"))
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            build(&[], Path::new("/nonexistent"))
                .unwrap()
                .lines()
                .count(),
            2
        );
    }
}
