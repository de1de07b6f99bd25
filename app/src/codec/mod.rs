//! How the console's data goes over the wire: as JSON, read in one way wherever it comes from — a server function's
//! answer, the live line, the data a page was rendered with. A second way would be the same code once more in the wasm,
//! for every type; see [`read`] for what the one way leaves out.

pub mod part;
pub mod read;

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::server_fn::codec::Post;
use leptos::server_fn::{Bytes, ContentType, Decodes, Encodes, Format, FormatType};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use part::{Held, Part};
use read::Misread;

/// JSON as text.
#[derive(Debug, Clone, Copy)]
pub struct JsonText;

/// What server functions answer with.
pub type Answer = Post<JsonText>;

/// A page's own data: rendered on the server, read again by the browser from the page.
pub struct PageData<T> {
    /// Without its type: see [`Part`].
    pub part: Resource<Part, JsonText>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for PageData<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PageData<T> {}

/// Loads a page's own data before the page is sent, and again when `source` changes.
pub fn page_data<T, S, F>(
    source: impl Fn() -> S + Clone + Send + Sync + 'static,
    load: impl Fn(S) -> F + Send + Sync + 'static,
) -> PageData<T>
where
    T: Held,
    S: Serialize + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let now = source.clone();
    let key = move || serde_json::to_string(&source()).unwrap_or_default();
    let load = move |_: String| -> Loading {
        let loading = load(untrack(&now));
        Box::pin(async move { Part::of(loading.await) })
    };
    PageData {
        part: resource(Box::new(key), Box::new(load)),
        of: PhantomData,
    }
}

type Loading = Pin<Box<dyn Future<Output = Part> + Send>>;

/// One for all kinds of data.
fn resource(
    key: Box<dyn Fn() -> String + Send + Sync>,
    load: Box<dyn Fn(String) -> Loading + Send + Sync>,
) -> Resource<Part, JsonText> {
    Resource::new_with_options(key, load, true)
}

impl<T: Held> PageData<T> {
    /// Loads it again.
    pub fn refetch(self) {
        self.part.refetch();
    }

    /// What is there, if it is.
    pub fn with<U>(self, look: impl FnOnce(Option<&T>) -> U) -> U {
        look(self.part.get().as_ref().and_then(Part::get))
    }

    /// The same without being told of changes.
    pub fn with_untracked<U>(self, look: impl FnOnce(Option<&T>) -> U) -> U {
        look(self.part.get_untracked().as_ref().and_then(Part::get))
    }
}

impl<T: Held + Clone> IntoFuture for PageData<T> {
    type Output = T;
    type IntoFuture = Pin<Box<dyn Future<Output = T> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.part.await.get::<T>().cloned() {
                Some(value) => value,
                // What was rendered stays as it is.
                None => std::future::pending().await,
            }
        })
    }
}

impl ContentType for JsonText {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for JsonText {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for JsonText {
    type Error = serde_json::Error;

    fn encode(output: &T) -> Result<Bytes, Self::Error> {
        serde_json::to_vec(output).map(Bytes::from)
    }
}

impl<T: DeserializeOwned> Decodes<T> for JsonText {
    type Error = Misread;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        read::text(std::str::from_utf8(&bytes).map_err(|_| Misread)?)
    }
}
