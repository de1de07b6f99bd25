//! A filter written out, so that it reads back as itself.

use std::fmt;

use super::{Condition, Filter, Term, parse};

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            if place > 0 {
                out.write_str(" ")?;
            }
            write!(out, "{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negated {
            out.write_str("-")?;
        }
        write!(out, "{}", self.condition)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Text(text) if parse::is_plain_word(text) => out.write_str(text),
            Condition::Text(text) => quoted(out, text),
            Condition::Is { field, values } => {
                write!(out, "{}:", field.key())?;
                list(out, values)
            }
            Condition::Status(all) => {
                let words: Vec<&str> = all.iter().map(|status| status.as_str()).collect();
                write!(out, "status:{}", words.join(","))
            }
            Condition::Liveness(all) => {
                let words: Vec<&str> = all.iter().map(|liveness| liveness.as_str()).collect();
                write!(out, "liveness:{}", words.join(","))
            }
            Condition::Tag { name, values } => {
                out.write_str("tag:")?;
                if parse::is_plain_value(name) && !name.contains('=') {
                    out.write_str(name)?;
                } else {
                    quoted(out, name)?;
                }
                if values.is_empty() {
                    return Ok(());
                }
                out.write_str("=")?;
                list(out, values)
            }
            Condition::Metric {
                metric,
                comparison,
                quantity,
            } => write!(
                out,
                "{}{}{quantity}",
                metric.short_name(),
                comparison.as_str()
            ),
            Condition::Seen {
                comparison,
                quantity,
            } => write!(out, "seen{}{quantity}", comparison.as_str()),
            Condition::Version {
                comparison,
                version,
            } => {
                write!(out, "version{}", comparison.as_str())?;
                value(out, version)
            }
        }
    }
}

fn list(out: &mut fmt::Formatter<'_>, values: &[String]) -> fmt::Result {
    for (place, text) in values.iter().enumerate() {
        if place > 0 {
            out.write_str(",")?;
        }
        value(out, text)?;
    }
    Ok(())
}

fn value(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if parse::is_plain_value(text) {
        out.write_str(text)
    } else {
        quoted(out, text)
    }
}

fn quoted(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    write!(out, "\"{escaped}\"")
}
