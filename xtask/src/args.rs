//! Command line options: `--name VALUE`, `--name=VALUE` and switches; no positional words.
//!
//! A dozen lines instead of a library, because everything here is compiled before the first build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Wrong usage: names the word that is wrong and the way out. Exit code 2.
#[derive(Debug)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[derive(Debug, Default)]
pub struct Args {
    values: BTreeMap<String, String>,
    switches: BTreeSet<String>,
}

impl Args {
    pub fn parse(
        command: &str,
        words: Vec<String>,
        valued: &[&str],
        switches: &[&str],
    ) -> Result<Self, UsageError> {
        let wrong =
            |what: String| UsageError(format!("{what}; see `cargo xtask {command} --help`"));
        let mut args = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    (name.to_owned(), Some(value.to_owned()))
                }
                _ => (word, None),
            };
            if switches.contains(&name.as_str()) {
                if inline.is_some() {
                    return Err(wrong(format!("`{name}` takes no value")));
                }
                args.switches.insert(name);
            } else if valued.contains(&name.as_str()) {
                let value = match inline.or_else(|| words.next()) {
                    Some(value) if !value.is_empty() => value,
                    _ => return Err(wrong(format!("`{name}` needs a value"))),
                };
                if args.values.insert(name.clone(), value).is_some() {
                    return Err(wrong(format!("`{name}` is given twice")));
                }
            } else {
                return Err(wrong(format!("`{command}` does not know `{name}`")));
            }
        }
        Ok(args)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.switches.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Args::parse("run", words, &["--listen", "--data"], &["--long"])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_come_after_a_space_or_an_equals_sign() {
        let args = parse(&["--listen", "127.0.0.1:0", "--data=/tmp/a=b", "--long"]).unwrap();
        assert_eq!(args.value("--listen"), Some("127.0.0.1:0"));
        assert_eq!(args.value("--data"), Some("/tmp/a=b"));
        assert!(args.has("--long"));
        assert_eq!(parse(&[]).unwrap().value("--data"), None);
    }

    #[test]
    fn a_wrong_word_is_named_with_the_way_out() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["--lsten", "x"],
                "`run` does not know `--lsten`; see `cargo xtask run --help`",
            ),
            (
                &["fast"],
                "`run` does not know `fast`; see `cargo xtask run --help`",
            ),
            (
                &["--data"],
                "`--data` needs a value; see `cargo xtask run --help`",
            ),
            (
                &["--data="],
                "`--data` needs a value; see `cargo xtask run --help`",
            ),
            (
                &["--long=yes"],
                "`--long` takes no value; see `cargo xtask run --help`",
            ),
            (
                &["--data", "a", "--data", "b"],
                "`--data` is given twice; see `cargo xtask run --help`",
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(&parse(words).unwrap_err(), expected);
        }
    }
}
