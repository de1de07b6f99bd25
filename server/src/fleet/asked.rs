//! What a list was asked to show, read and said again: its filter's terms, or what is wrong with it.

use app::fleet::view::{Chip, FilterProblem};
use domain::filter::{Filter, FilterError};

/// The filter, or the empty one and why the text is none.
pub fn read(text: &str) -> (Filter, Option<FilterProblem>) {
    match text.parse::<Filter>() {
        Ok(filter) => (filter, None),
        Err(error) => (Filter::default(), Some(problem(text, &error))),
    }
}

/// Each term, with the filter that is left without it.
pub fn chips(filter: &Filter) -> Vec<Chip> {
    filter
        .terms
        .iter()
        .enumerate()
        .map(|(place, term)| Chip {
            text: term.to_string(),
            without: filter.without(place).to_string(),
        })
        .collect()
}

fn problem(text: &str, error: &FilterError) -> FilterProblem {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let (before, after) = (part(0, error.start), part(error.end, text.len()));
    // From blank to blank: what is wrong may be the value, and a key alone would be wrong again.
    let kept = before.rsplit_once(char::is_whitespace);
    let kept = kept.map_or("", |(kept, _)| kept).trim();
    let behind = after.split_once(char::is_whitespace);
    let behind = behind.map_or("", |(_, behind)| behind).trim();
    FilterProblem {
        without: format!("{kept} {behind}").trim().to_owned(),
        before,
        token: part(error.start, error.end),
        after,
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_left_out_as_a_whole() {
        for (text, token, without) in [
            ("alp cpu>much beta", "much", "alp beta"),
            ("clster:x", "clster", ""),
            ("a  b status:ok,", "", "a  b"),
            ("\"x\"y z", "y", "z"),
        ] {
            let problem = read(text).1.unwrap();
            assert_eq!(
                (problem.token.as_str(), problem.without.as_str()),
                (token, without),
                "{text}"
            );
            assert_eq!(format!("{}{token}{}", problem.before, problem.after), text);
        }
    }
}
