//! A page's data without its type, so that loading, waiting and following are compiled once and not once a page: that
//! was a tenth of the wasm.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use leptos::server::codee::{Decoder, Encoder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JsonText, read};

type Value = Box<dyn Any + Send + Sync>;

/// What a page shows: loaded here, or found in the page as text.
#[derive(Clone)]
pub struct Part(Arc<Known>);

enum Known {
    Value {
        value: Value,
        #[cfg(feature = "ssr")]
        to_text: fn(&Value) -> Result<String, serde_json::Error>,
    },
    /// Read when somebody asks who knows its type.
    Text {
        text: Box<str>,
        value: OnceLock<Option<Value>>,
    },
}

/// Data that can be a [`Part`].
pub trait Held: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Held for T {}

#[cfg(feature = "ssr")]
fn to_text<T: Held>(value: &Value) -> Result<String, serde_json::Error> {
    serde_json::to_string(&value.downcast_ref::<T>())
}

impl Part {
    /// Around what was loaded.
    pub fn of<T: Held>(value: T) -> Self {
        Self(Arc::new(Known::Value {
            value: Box::new(value),
            #[cfg(feature = "ssr")]
            to_text: to_text::<T>,
        }))
    }

    /// As what it was made of; `None` when the page was rendered with something else, which its own wasm never sees.
    pub fn get<T: Held>(&self) -> Option<&T> {
        let value = match &*self.0 {
            Known::Value { value, .. } => Some(value),
            Known::Text { text, value } => value
                .get_or_init(|| {
                    read::text::<T>(text)
                        .ok()
                        .map(|value| Box::new(value) as Value)
                })
                .as_ref(),
        };
        value?.downcast_ref()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part")
    }
}

impl Encoder<Part> for JsonText {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(part: &Part) -> Result<String, Self::Error> {
        match &*part.0 {
            #[cfg(feature = "ssr")]
            Known::Value { value, to_text } => to_text(value),
            #[cfg(not(feature = "ssr"))]
            Known::Value { .. } => Ok(String::new()),
            Known::Text { text, .. } => Ok(text.to_string()),
        }
    }
}

impl Decoder<Part> for JsonText {
    type Error = std::convert::Infallible;
    type Encoded = str;

    fn decode(text: &str) -> Result<Part, Self::Error> {
        Ok(Part(Arc::new(Known::Text {
            text: text.into(),
            value: OnceLock::new(),
        })))
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_rendered_with_is_what_the_browser_reads() {
        let data: Result<(u8, String), String> = Ok((7, "é\"<".to_owned()));
        let part = Part::of(data.clone());
        assert_eq!(part.get::<Result<(u8, String), String>>(), Some(&data));
        let text = JsonText::encode(&part).unwrap();
        let Ok(found) = <JsonText as Decoder<Part>>::decode(&text);
        assert_eq!(found.get::<Result<(u8, String), String>>(), Some(&data));
        let Ok(other) = <JsonText as Decoder<Part>>::decode("[]");
        assert_eq!(other.get::<Result<(u8, String), String>>(), None);
    }
}
