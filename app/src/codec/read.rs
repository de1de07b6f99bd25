//! From a JSON document to data.
//!
//! `serde_json` reads a struct in two ways, from an object and from an array, and for an object it compiles a search for
//! each field's name into every type: a third of the wasm was that. Here a struct is an object and nothing else, and its
//! fields are looked up by the names that its type lists, so that only the short way "one field after another" is
//! compiled. What is written by `serde_json` reads as `serde_json` would read it, with these limits: an optional field has no
//! default but `None`, names have no aliases, keys of maps are strings, and there are no bytes.

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::Value;

/// The data is not what the page takes it for: both were not built together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not fit this page; reload it")]
pub struct Misread;

// Nobody reads where: page and server are one build, or the page has to be loaded again. Texts would be in the wasm.
impl Error for Misread {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

/// Reads a document from its text.
///
/// # Errors
/// It is no JSON, or another's data.
pub fn text<T: DeserializeOwned>(text: &str) -> Result<T, Misread> {
    let document: Value = parse(text)?;
    value(&document)
}

/// The document behind a text.
///
/// # Errors
/// It is no JSON.
pub fn parse(text: &str) -> Result<Value, Misread> {
    serde_json::from_str(text).map_err(|_| Misread)
}

/// Reads a document that is there.
///
/// # Errors
/// It is another's data.
pub fn value<T: DeserializeOwned>(document: &Value) -> Result<T, Misread> {
    T::deserialize(Reader(document))
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    fn list(self) -> Result<List<'a>, Misread> {
        match self.0 {
            Value::Array(items) => Ok(List(items.iter())),
            _ => Err(Misread),
        }
    }

    fn object(self) -> Result<&'a serde_json::Map<String, Value>, Misread> {
        self.0.as_object().ok_or(Misread)
    }
}

/// One kind of value, read in one way.
macro_rules! reads {
    ($($method:ident => $visit:ident($get:ident)),* $(,)?) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
            visitor.$visit(self.0.$get().ok_or(Misread)?)
        }
    )*};
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = Misread;

    /// Only for what does not know what it reads: documents, and enums told apart by a field.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(*it),
            Value::Number(it) => match (it.as_u64(), it.as_i64()) {
                (Some(it), _) => visitor.visit_u64(it),
                (None, Some(it)) => visitor.visit_i64(it),
                (None, None) => visitor.visit_f64(it.as_f64().ok_or(Misread)?),
            },
            Value::String(it) => visitor.visit_borrowed_str(it),
            Value::Array(items) => visitor.visit_seq(List(items.iter())),
            Value::Object(fields) => visitor.visit_map(Entries {
                entries: fields.iter(),
                value: None,
            }),
        }
    }

    reads! {
        deserialize_bool => visit_bool(as_bool),
        deserialize_i8 => visit_i64(as_i64),
        deserialize_i16 => visit_i64(as_i64),
        deserialize_i32 => visit_i64(as_i64),
        deserialize_i64 => visit_i64(as_i64),
        deserialize_u8 => visit_u64(as_u64),
        deserialize_u16 => visit_u64(as_u64),
        deserialize_u32 => visit_u64(as_u64),
        deserialize_u64 => visit_u64(as_u64),
        deserialize_f32 => visit_f64(as_f64),
        deserialize_f64 => visit_f64(as_f64),
        deserialize_str => visit_borrowed_str(as_str),
        deserialize_string => visit_borrowed_str(as_str),
        deserialize_char => visit_borrowed_str(as_str),
        deserialize_identifier => visit_borrowed_str(as_str),
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        self.0.as_null().ok_or(Misread)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        let mut list = self.list()?;
        let read = visitor.visit_seq(&mut list)?;
        // A pair of three is no pair.
        list.0.next().map_or(Ok(read), |_| Err(Misread))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_map(Entries {
            entries: self.object()?.iter(),
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_seq(Fields {
            object: self.object()?,
            names: names.iter(),
        })
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        let (name, content) = match self.0 {
            Value::String(name) => (name, None),
            Value::Object(fields) if fields.len() == 1 => fields
                .iter()
                .next()
                .map(|(name, value)| (name, Some(value)))
                .ok_or(Misread)?,
            _ => return Err(Misread),
        };
        visitor.visit_enum(Variant { name, content })
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_unit()
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Misread> {
        Err(Misread)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Misread> {
        Err(Misread)
    }
}

/// A struct's fields in the order of its type. One that is absent is null where it can be, else told to be absent, which
/// its type may have a default for.
struct Fields<'a> {
    object: &'a serde_json::Map<String, Value>,
    names: std::slice::Iter<'static, &'static str>,
}

impl<'a> SeqAccess<'a> for Fields<'a> {
    type Error = Misread;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misread> {
        let Some(name) = self.names.next() else {
            return Ok(None);
        };
        let value = self.object.get(*name);
        // Called in one place only: it may be compiled into here.
        match seed.deserialize(Reader(value.unwrap_or(&Value::Null))) {
            Err(_) if value.is_none() => Ok(None),
            read => read.map(Some),
        }
    }
}

struct List<'a>(std::slice::Iter<'a, Value>);

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = Misread;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misread> {
        match self.0.next() {
            Some(value) => seed.deserialize(Reader(value)).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'a> {
    entries: serde_json::map::Iter<'a>,
    value: Option<&'a Value>,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misread> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<T::Value, Misread> {
        seed.deserialize(Reader(self.value.take().ok_or(Misread)?))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Misread;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<(T::Value, Self), Misread> {
        let name: BorrowedStrDeserializer<'a, Misread> = BorrowedStrDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> Variant<'a> {
    fn reader(self) -> Result<Reader<'a>, Misread> {
        self.content.map(Reader).ok_or(Misread)
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Misread;

    fn unit_variant(self) -> Result<(), Misread> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Misread),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Misread> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.reader()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.reader()?.deserialize_struct("", names, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Newtype(String);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Outside {
        Nothing,
        One(i64),
        Two(u8, Option<bool>),
        Named { first_name: String, rest: Vec<f64> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", tag = "kind")]
    enum Inside {
        Empty,
        Full { inner: Box<Leaf>, text: String },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", tag = "state", content = "reason")]
    enum Beside {
        Known(u32),
        Unknown,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Leaf {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rare: Option<String>,
        always: Option<i64>,
        #[serde(rename = "other name")]
        renamed: f64,
        #[serde(skip)]
        skipped: u8,
        pair: (bool, char),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Tree {
        id: Newtype,
        leaves: Vec<Leaf>,
        by_name: BTreeMap<String, Vec<Option<u8>>>,
        outside: Vec<Outside>,
        inside: Inside,
        beside: Beside,
        answer: Result<u64, Outside>,
        unit: (),
        small: i8,
    }

    fn leaf() -> impl Strategy<Value = Leaf> {
        (
            any::<Option<String>>(),
            any::<Option<i64>>(),
            -1e12..1e12_f64,
            any::<(bool, char)>(),
        )
            .prop_map(|(rare, always, renamed, pair)| Leaf {
                rare,
                always,
                renamed,
                skipped: 0,
                pair,
            })
    }

    fn outside() -> impl Strategy<Value = Outside> {
        prop_oneof![
            Just(Outside::Nothing),
            any::<i64>().prop_map(Outside::One),
            any::<(u8, Option<bool>)>().prop_map(|(a, b)| Outside::Two(a, b)),
            (
                any::<String>(),
                prop::collection::vec(-1e12..1e12_f64, 0..4)
            )
                .prop_map(|(first_name, rest)| Outside::Named { first_name, rest }),
        ]
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let inside = prop_oneof![
            Just(Inside::Empty),
            (leaf(), any::<String>()).prop_map(|(inner, text)| Inside::Full {
                inner: Box::new(inner),
                text
            }),
        ];
        let beside = prop_oneof![any::<u32>().prop_map(Beside::Known), Just(Beside::Unknown)];
        let answer = prop_oneof![any::<u64>().prop_map(Ok), outside().prop_map(Err)];
        (
            any::<String>(),
            prop::collection::vec(leaf(), 0..4),
            any::<BTreeMap<String, Vec<Option<u8>>>>(),
            prop::collection::vec(outside(), 0..4),
            inside,
            beside,
            answer,
            any::<i8>(),
        )
            .prop_map(
                |(id, leaves, by_name, outside, inside, beside, answer, small)| Tree {
                    id: Newtype(id),
                    leaves,
                    by_name,
                    outside,
                    inside,
                    beside,
                    answer,
                    unit: (),
                    small,
                },
            )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_as_serde_json_reads_it(tree in tree()) {
            let written = serde_json::to_string(&tree).unwrap();
            // Not the tree itself: the last digit of some numbers is another then, in both.
            prop_assert_eq!(text::<Tree>(&written).ok(), serde_json::from_str(&written).ok());
            let mut stripped = tree;
            stripped.leaves.clear();
            stripped.outside.clear();
            stripped.inside = Inside::Empty;
            stripped.answer = Ok(1);
            let written = serde_json::to_string(&stripped).unwrap();
            prop_assert_eq!(text::<Tree>(&written), Ok(stripped));
        }
    }

    #[test]
    fn others_data_is_an_error_and_more_than_asked_for_is_left() {
        let leaf = |text_: &str| text::<Leaf>(text_).is_ok();
        assert!(leaf(
            r#"{"always":null,"other name":1,"pair":[true,"x"],"more":[1,{}]}"#
        ));
        assert!(
            leaf(r#"{"other name":1,"pair":[true,"x"]}"#),
            "absent is null"
        );
        assert!(!leaf(r#"{"always":1,"pair":[true,"x"]}"#), "it lacks one");
        assert!(
            !leaf(r#"{"always":"1","other name":1,"pair":[true,"x"]}"#),
            "of another kind"
        );
        assert!(
            !leaf(r#"{"always":1,"other name":1,"pair":[true,"x",2]}"#),
            "three are no pair"
        );
        assert!(!leaf(r#"[null,1,1.5,[true,"x"]]"#), "a list is no struct");
        assert_eq!(text::<u8>("256"), Err(Misread));
        assert_eq!(text::<Outside>(r#"{"one":1,"two":2}"#), Err(Misread));
        assert_eq!(text::<Outside>(r#""else""#), Err(Misread));
        assert_eq!(text::<Vec<u8>>("[1,2"), Err(Misread));
    }
}
