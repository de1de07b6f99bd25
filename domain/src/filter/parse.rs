//! From text to a filter.

use std::str::FromStr;

use super::error::did_you_mean;
use super::{
    CHARS_MAX, Comparison, Condition, Field, Filter, FilterError, Quantity, TERMS_MAX, Term,
    VALUES_MAX, keys,
};
use crate::fleet::{Liveness, Status};
use crate::metric::{Metric, Unit};

/// Between a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Colon,
    Compare(Comparison),
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Operator::Colon => ":",
            Operator::Compare(comparison) => comparison.as_str(),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if let Some((start, _)) = text.char_indices().nth(CHARS_MAX) {
            let problem = format!("a filter has at most {CHARS_MAX} characters");
            return Err(FilterError::new(text, start, text.len(), problem));
        }
        let mut reader = Reader { text, at: 0 };
        let mut terms = Vec::new();
        loop {
            reader.skip_spaces();
            let start = reader.at;
            if reader.rest().is_empty() {
                return Ok(Self { terms });
            }
            let term = reader.term()?;
            if terms.len() == TERMS_MAX {
                let problem = format!("a filter has at most {TERMS_MAX} terms");
                return Err(FilterError::new(text, start, reader.at, problem));
            }
            terms.push(term);
        }
    }
}

/// Reads back as the same word without quotes?
pub(super) fn is_plain_word(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c == '"')
        && !text.starts_with(['-', '!'])
        && key_and_operator(text).is_none()
}

/// Reads back as the same value without quotes?
pub(super) fn is_plain_value(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == ',')
        // `version>` in front of `=2` would be another comparison.
        && !text.starts_with(['!', '='])
}

/// `cluster:…`: a key is letters, digits, `_` and `.`, a letter first, so that `10.0.0.7:80` and `<b>` stay words.
fn key_and_operator(text: &str) -> Option<(&str, Operator)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))?;
    let (key, behind) = text.split_at(end);
    if !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    if behind.starts_with(':') {
        return Some((key, Operator::Colon));
    }
    Comparison::ALL
        .into_iter()
        .find(|comparison| behind.starts_with(comparison.as_str()))
        .map(|comparison| (key, Operator::Compare(comparison)))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Up to the first character of this kind.
    fn until(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (taken, _) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        self.at += taken.len();
        taken
    }

    fn take(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    fn is_at_end_of_term(&self) -> bool {
        self.rest().chars().next().is_none_or(char::is_whitespace)
    }

    fn error(&self, start: usize, problem: impl Into<String>) -> FilterError {
        FilterError::new(self.text, start, self.at, problem.into())
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        let first = self.rest().chars().next();
        let is_sign = matches!(first, Some('-' | '!'));
        if is_sign {
            self.at += 1;
            if self.is_at_end_of_term() {
                self.at -= 1;
                return Ok(self.word(false));
            }
        }
        if self.rest().starts_with('"') {
            let start = self.at;
            let text = self.quoted()?;
            if text.is_empty() {
                return Err(self.error(start, "is empty; write a word between the quotes"));
            }
            self.end_of_term()?;
            return Ok(Term {
                is_negated: is_sign,
                condition: Condition::Text(text),
            });
        }
        let Some((key, operator)) = key_and_operator(self.rest()) else {
            return Ok(self.word(is_sign));
        };
        let start = self.at;
        self.at += key.len() + operator.as_str().len();
        // `cluster:!app` says the same as `-cluster:app`.
        let is_turned = operator == Operator::Colon && self.take("!");
        let condition = self.keyed(start, key, operator)?;
        self.end_of_term()?;
        Ok(Term {
            is_negated: is_sign != is_turned,
            condition,
        })
    }

    fn word(&mut self, is_negated: bool) -> Term {
        let text = self.until(char::is_whitespace).to_owned();
        Term {
            is_negated,
            condition: Condition::Text(text),
        }
    }

    fn end_of_term(&mut self) -> Result<(), FilterError> {
        if self.is_at_end_of_term() {
            return Ok(());
        }
        let start = self.at;
        self.until(char::is_whitespace);
        Err(self.error(
            start,
            "is not understood here; a space goes before the next term",
        ))
    }

    fn keyed(
        &mut self,
        start: usize,
        key: &str,
        operator: Operator,
    ) -> Result<Condition, FilterError> {
        let lower = key.to_ascii_lowercase();
        let field = Field::ALL
            .iter()
            .copied()
            .find(|field| field.key() == lower);
        let metric = Metric::ALL
            .iter()
            .copied()
            .find(|metric| metric.short_name() == lower || metric.name() == lower);
        match (operator, field, metric, lower.as_str()) {
            (Operator::Compare(comparison), Some(Field::Version), ..) => Ok(Condition::Version {
                comparison,
                version: self.value("version")?,
            }),
            (Operator::Colon, Some(field), ..) => Ok(Condition::Is {
                field,
                values: self.values(field.key())?,
            }),
            (Operator::Compare(comparison), _, Some(metric), _) => Ok(Condition::Metric {
                metric,
                comparison,
                quantity: self.quantity(metric.unit())?,
            }),
            (Operator::Compare(comparison), _, _, "seen") => Ok(Condition::Seen {
                comparison,
                quantity: self.quantity(Unit::Seconds)?,
            }),
            (Operator::Colon, _, _, "status") => self
                .known("status", &Status::ALL, Status::as_str)
                .map(Condition::Status),
            (Operator::Colon, _, _, "liveness") => self
                .known("liveness", &Liveness::ALL, Liveness::as_str)
                .map(Condition::Liveness),
            (Operator::Colon, _, _, "tag") => self.tag(),
            (Operator::Colon, _, Some(_), _) | (Operator::Colon, _, _, "seen") => {
                self.until(char::is_whitespace);
                let problem = format!("is a number; compare it, such as {lower}>5");
                Err(self.error(start, problem))
            }
            (Operator::Compare(_), Some(_), ..)
            | (Operator::Compare(_), _, _, "status" | "liveness" | "tag") => {
                self.until(char::is_whitespace);
                Err(self.error(start, format!("is text; write {lower}:… instead")))
            }
            _ => Err(FilterError::new(
                self.text,
                start,
                start + key.len(),
                unknown_key(key),
            )),
        }
    }

    fn tag(&mut self) -> Result<Condition, FilterError> {
        let start = self.at;
        let name = if self.rest().starts_with('"') {
            self.quoted()?
        } else {
            self.until(|c| c.is_whitespace() || matches!(c, ',' | '=' | '"'))
                .to_owned()
        };
        if name.is_empty() {
            return Err(self.error(start, "a tag's name is missing, such as tag:tier=edge"));
        }
        let values = if self.take("=") {
            self.values("tag")?
        } else {
            Vec::new()
        };
        Ok(Condition::Tag { name, values })
    }

    fn known<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<Vec<T>, FilterError> {
        let mut known = Vec::new();
        loop {
            let start = self.at;
            let word = self.value(key)?;
            let found = all
                .iter()
                .find(|one| name(**one).eq_ignore_ascii_case(&word));
            let Some(one) = found else {
                let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
                return Err(self.error(start, format!("is no {key}; one of {}", names.join(", "))));
            };
            known.push(*one);
            if !self.next_value(known.len())? {
                return Ok(known);
            }
        }
    }

    fn values(&mut self, key: &'static str) -> Result<Vec<String>, FilterError> {
        let mut values = Vec::new();
        loop {
            values.push(self.value(key)?);
            if !self.next_value(values.len())? {
                return Ok(values);
            }
        }
    }

    /// Is there one more alternative?
    fn next_value(&mut self, count: usize) -> Result<bool, FilterError> {
        let start = self.at;
        if !self.take(",") {
            return Ok(false);
        }
        if count == VALUES_MAX {
            self.until(char::is_whitespace);
            return Err(self.error(start, format!("a term has at most {VALUES_MAX} values")));
        }
        if self.rest().starts_with('!') {
            self.until(|c| c.is_whitespace());
            return Err(self.error(
                start,
                "only a whole term can be negated; write it as its own with -",
            ));
        }
        Ok(true)
    }

    fn value(&mut self, key: &'static str) -> Result<String, FilterError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let start = self.at;
        let value = self.until(|c| c.is_whitespace() || c == ',');
        if value.is_empty() {
            let problem = format!("a value of `{key}` is missing; write \"\" for “none”");
            return Err(FilterError::new(self.text, start, start, problem));
        }
        // A quote inside reads back only within quotes, and there it is one; nothing else is special here.
        Ok(value.to_owned())
    }

    fn quantity(&mut self, unit: Unit) -> Result<Quantity, FilterError> {
        let start = self.at;
        let text = self.until(char::is_whitespace);
        Quantity::parse(text, unit).map_err(|problem| self.error(start, problem))
    }

    /// From a quote to the next one; `\"` and `\\` stand for themselves.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((place, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + place + 1;
                    return Ok(text);
                }
                '\\' => {
                    let escaped = chars.next_if(|(_, next)| matches!(next, '"' | '\\'));
                    text.push(escaped.map_or('\\', |(_, next)| next));
                }
                _ => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.error(start, "the quote has no end; add \" behind the last word"))
    }
}

fn unknown_key(key: &str) -> String {
    match did_you_mean(key, keys()) {
        Some(near) => format!("is no key; {near} Words with `:`, `<`, `>` or `=` go into quotes"),
        None => {
            "is no key; there are cluster, status, kind, tag, cpu, memory, disk, seen and more. \
                 Words with `:`, `<`, `>` or `=` go into quotes"
                .to_owned()
        }
    }
}
