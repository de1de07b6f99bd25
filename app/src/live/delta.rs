//! What changed between two states of a page's data, as a small JSON document, and how a browser takes it over.
//!
//! The server makes one for each topic and hands the same bytes to everybody who follows it; pure on both sides. Invariant,
//! tested: `apply(before, diff(before, after))` is `after`, whatever the two are. A patch that does not fit what it is
//! applied to is an error, never a guess: the page then asks for everything.
//!
//! `{"=": value}` replaces. `{".": {key: patch}, "-": [key]}` changes and removes fields. `{"@": [place before, or −1],
//! "#": [[place, patch]], "+": [value]}` rearranges a list: first the order (left out where it did not change), then what
//! changed, then what is new at each −1.

use serde_json::{Map, Value, json};

/// A patch that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a change does not fit what is shown")]
pub struct Misfit;

/// What changed; `None` when nothing did.
pub fn diff(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some(object(before, after)),
        (Value::Array(before), Value::Array(after)) => Some(list(before, after)),
        _ => Some(json!({ "=": after })),
    }
}

fn object(before: &Map<String, Value>, after: &Map<String, Value>) -> Value {
    let mut changed = Map::new();
    for (key, value) in after {
        let patch = match before.get(key) {
            Some(old) => diff(old, value),
            None => Some(json!({ "=": value })),
        };
        if let Some(patch) = patch {
            changed.insert(key.clone(), patch);
        }
    }
    let removed: Vec<&String> = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .collect();
    let mut patch = Map::new();
    if !changed.is_empty() {
        patch.insert(".".to_owned(), Value::Object(changed));
    }
    if !removed.is_empty() {
        patch.insert("-".to_owned(), json!(removed));
    }
    Value::Object(patch)
}

/// Rows keep their identity when they move: by their `id` where they have one, else by their place.
fn list(before: &[Value], after: &[Value]) -> Value {
    let ids: std::collections::BTreeMap<&str, usize> = before
        .iter()
        .enumerate()
        .filter_map(|(place, value)| Some((id_of(value)?, place)))
        .collect();
    let mut order: Vec<i64> = Vec::with_capacity(after.len());
    let mut changed: Vec<Value> = Vec::new();
    let mut added: Vec<&Value> = Vec::new();
    for (place, value) in after.iter().enumerate() {
        let source = match id_of(value) {
            Some(id) => ids.get(id).copied(),
            None => (place < before.len()).then_some(place),
        };
        match source.and_then(|source| Some((source, before.get(source)?))) {
            Some((source, old)) => {
                order.push(i64::try_from(source).unwrap_or(-1));
                if let Some(patch) = diff(old, value) {
                    changed.push(json!([place, patch]));
                }
            }
            None => {
                order.push(-1);
                added.push(value);
            }
        }
    }
    let is_same_order =
        order.len() == before.len() && (0..).zip(&order).all(|(n, from)| n == *from);
    let mut patch = Map::new();
    if !is_same_order {
        patch.insert("@".to_owned(), json!(order));
    }
    if !changed.is_empty() {
        patch.insert("#".to_owned(), Value::Array(changed));
    }
    if !added.is_empty() {
        patch.insert("+".to_owned(), json!(added));
    }
    Value::Object(patch)
}

fn id_of(value: &Value) -> Option<&str> {
    value.get("id")?.as_str()
}

/// Takes a change over.
///
/// # Errors
/// The change was made from something else.
pub fn apply(base: &mut Value, patch: &Value) -> Result<(), Misfit> {
    let patch = patch.as_object().ok_or(Misfit)?;
    if let Some(value) = patch.get("=") {
        *base = value.clone();
        return Ok(());
    }
    match base {
        Value::Object(fields) => apply_fields(fields, patch),
        Value::Array(rows) => apply_rows(rows, patch),
        _ => Err(Misfit),
    }
}

fn apply_fields(fields: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Misfit> {
    if let Some(changed) = patch.get(".") {
        for (key, patch) in changed.as_object().ok_or(Misfit)? {
            match fields.get_mut(key) {
                Some(field) => apply(field, patch)?,
                None => {
                    let value = patch.get("=").ok_or(Misfit)?;
                    fields.insert(key.clone(), value.clone());
                }
            }
        }
    }
    if let Some(removed) = patch.get("-") {
        for key in removed.as_array().ok_or(Misfit)? {
            fields.remove(key.as_str().ok_or(Misfit)?).ok_or(Misfit)?;
        }
    }
    Ok(())
}

fn apply_rows(rows: &mut Vec<Value>, patch: &Map<String, Value>) -> Result<(), Misfit> {
    let mut added = match patch.get("+") {
        Some(added) => added.as_array().ok_or(Misfit)?.iter(),
        None => [].iter(),
    };
    if let Some(order) = patch.get("@") {
        let mut next = Vec::new();
        for from in order.as_array().ok_or(Misfit)? {
            let row = match usize::try_from(from.as_i64().ok_or(Misfit)?) {
                Ok(from) => rows.get(from).ok_or(Misfit)?.clone(),
                Err(_) => added.next().ok_or(Misfit)?.clone(),
            };
            next.push(row);
        }
        *rows = next;
    }
    if let Some(changed) = patch.get("#") {
        for change in changed.as_array().ok_or(Misfit)? {
            let place = change.get(0).and_then(Value::as_u64).ok_or(Misfit)?;
            let place = usize::try_from(place).map_err(|_| Misfit)?;
            let row = rows.get_mut(place).ok_or(Misfit)?;
            apply(row, change.get(1).ok_or(Misfit)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-5i64..5).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let keys = prop_oneof![Just("id".to_owned()), "[=.@#+a-c-]".prop_map(|key| key)];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(keys, inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_change_leads_from_before_to_after(before in value(), after in value()) {
            let mut shown = before.clone();
            match diff(&before, &after) {
                None => prop_assert_eq!(&before, &after),
                Some(patch) => {
                    prop_assert_ne!(&before, &after);
                    prop_assert_eq!(apply(&mut shown, &patch), Ok(()));
                }
            }
            prop_assert_eq!(shown, after);
        }

        #[test]
        fn any_patch_fits_or_is_refused(base in value(), patch in value()) {
            let mut base = base;
            let _fits = apply(&mut base, &patch);
        }
    }

    #[test]
    fn a_row_that_moves_is_not_sent_again() {
        let row =
            |id: &str, cpu: i64| json!({ "id": id, "name": "a long name that costs", "cpu": cpu });
        let before = json!({ "rows": [row("a", 1), row("b", 2), row("c", 3)], "total": 3 });
        let after = json!({ "rows": [row("c", 3), row("a", 9), row("d", 4)], "total": 3 });
        let patch = diff(&before, &after).unwrap();
        assert_eq!(
            patch,
            json!({ ".": { "rows": { "@": [2, 0, -1], "#": [[1, { ".": { "cpu": { "=": 9 } } }]], "+": [row("d", 4)] } } })
        );
        let mut elsewhere = json!({ "rows": [] });
        assert_eq!(apply(&mut elsewhere, &patch), Err(Misfit));
    }
}
