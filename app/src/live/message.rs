//! What goes over the live connection: the whole of what a page follows once, then what changed.
//!
//! The server encodes a body once for all who follow the same ([`Body`]); a browser keeps what it shows as a document,
//! applies changes to it ([`super::delta`]) and reads the page's data from it.

use serde::{Deserialize, Serialize};

#[cfg(feature = "hydrate")]
use crate::fleet::view::LiveUpdate;

/// One text frame from the server; after an error comes no other.
pub type LiveFrame = Result<LiveMessage, crate::error::UiError>;

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

/// A JSON document: on the server in its text, shared by everybody it is sent to; in a browser as what was read of it.
#[cfg(not(feature = "hydrate"))]
#[derive(Debug, Clone)]
pub struct Body(std::sync::Arc<serde_json::value::RawValue>);

/// A JSON document, as it was read.
#[cfg(feature = "hydrate")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Body(serde_json::Value);

#[cfg(not(feature = "hydrate"))]
impl Body {
    /// Encodes once.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, crate::error::UiError> {
        serde_json::value::to_raw_value(value)
            .map(|raw| Self(raw.into()))
            .map_err(|_| crate::error::UiError::Unavailable("this page cannot be sent".to_owned()))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

#[cfg(not(feature = "hydrate"))]
impl Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

#[cfg(not(feature = "hydrate"))]
impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<serde_json::value::RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
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
        let is_news = !payload.is_empty();
        for part in payload {
            match part {
                LivePayload::Whole { seq, body } => self.0 = Some((seq, body.0)),
                LivePayload::Change { seq, body } => {
                    let (shown, value) = self.0.as_mut().ok_or(Misfit)?;
                    if shown.wrapping_add(1) != seq {
                        return Err(Misfit);
                    }
                    apply(value, &body.0)?;
                    *shown = seq;
                }
            }
        }
        let Some((_, value)) = self.0.as_ref().filter(|_| is_news) else {
            return Ok(None);
        };
        crate::codec::read::value(value)
            .map(Some)
            .map_err(|_| Misfit)
    }
}
