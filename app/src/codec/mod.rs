//! How the console's data goes over the wire: as JSON, read in one way wherever it comes from — a server function's
//! answer, the live line, the data a page was rendered with. A second way would be the same code once more in the wasm,
//! for every type; see [`read`] for what the one way leaves out.

pub mod read;

use leptos::prelude::Resource;
use leptos::server::codee::{Decoder, Encoder};
use leptos::server_fn::codec::Post;
use leptos::server_fn::{Bytes, ContentType, Decodes, Encodes, Format, FormatType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use read::Misread;

/// JSON as text.
#[derive(Debug, Clone, Copy)]
pub struct JsonText;

/// What server functions answer with.
pub type Answer = Post<JsonText>;

/// A page's own data: rendered on the server, read again by the browser from the page.
pub type PageData<T> = Resource<T, JsonText>;

/// Loads a page's own data before the page is sent.
pub fn page_data<T, S, F>(
    source: impl Fn() -> S + Send + Sync + 'static,
    load: impl Fn(S) -> F + Send + Sync + 'static,
) -> PageData<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: PartialEq + Clone + Send + Sync + 'static,
    F: Future<Output = T> + Send + 'static,
{
    Resource::new_with_options(source, load, true)
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

impl<T: Serialize> Encoder<T> for JsonText {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(value: &T) -> Result<String, Self::Error> {
        serde_json::to_string(value)
    }
}

impl<T: DeserializeOwned> Decoder<T> for JsonText {
    type Error = Misread;
    type Encoded = str;

    fn decode(text: &str) -> Result<T, Self::Error> {
        read::text(text)
    }
}
