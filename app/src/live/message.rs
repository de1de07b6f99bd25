//! What goes over the live connection: the whole of what a page follows once, then what changed.
//!
//! The server encodes a body once for all who follow the same ([`Body`]); a browser keeps what it shows as a document,
//! applies changes to it ([`super::delta`]) and reads the page's data from it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::UiError;
#[cfg(feature = "hydrate")]
use crate::fleet::view::LiveUpdate;

/// From the server to the page, at most one a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveMessage {
    /// Server's wall clock.
    pub now_ms: i64,
    /// Version of the server: when it differs from the page's, offer to reload.
    pub version: String,
    /// What there is to know; empty when only the line is open.
    pub payload: Vec<LivePayload>,
}

/// A state, or what leads to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivePayload {
    /// All of it: a [`crate::fleet::view::LiveUpdate`].
    Whole {
        /// Number of the state.
        seq: u32,
        /// Encoded.
        body: Body,
    },
    /// What changed since the state before.
    Change {
        /// Number of the state that it leads to.
        seq: u32,
        /// A patch, see [`super::delta`].
        body: Body,
    },
}

/// A JSON document in its text, shared by everybody it is sent to.
#[derive(Debug, Clone)]
pub struct Body(std::sync::Arc<RawValue>);

impl Body {
    /// Encodes once.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, UiError> {
        serde_json::value::to_raw_value(value)
            .map(|raw| Self(raw.into()))
            .map_err(|_| UiError::Unavailable("this page cannot be sent".to_owned()))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

/// What a page shows, as the server last told it.
#[cfg(feature = "hydrate")]
#[derive(Debug, Default)]
pub struct Shown(Option<(u32, serde_json::Value)>);

#[cfg(feature = "hydrate")]
impl Shown {
    /// Takes over what came; gives the page's data when it is news.
    ///
    /// # Errors
    /// It does not follow what is shown: everything has to be asked for again.
    pub fn take(
        &mut self,
        payload: Vec<LivePayload>,
    ) -> Result<Option<LiveUpdate>, super::delta::Misfit> {
        use super::delta::{Misfit, apply};
        let parse = |body: &Body| serde_json::from_str(body.text()).map_err(|_| Misfit);
        let is_news = !payload.is_empty();
        for part in payload {
            match part {
                LivePayload::Whole { seq, body } => self.0 = Some((seq, parse(&body)?)),
                LivePayload::Change { seq, body } => {
                    let (shown, value) = self.0.as_mut().ok_or(Misfit)?;
                    if shown.wrapping_add(1) != seq {
                        return Err(Misfit);
                    }
                    apply(value, &parse(&body)?)?;
                    *shown = seq;
                }
            }
        }
        let Some((_, value)) = self.0.as_ref().filter(|_| is_news) else {
            return Ok(None);
        };
        // By its text, so that there is one way from JSON to the page's data, and not two in the wasm.
        serde_json::from_str(&value.to_string())
            .map(Some)
            .map_err(|_| Misfit)
    }
}
