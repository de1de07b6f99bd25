//! Parameters of requests, refused in our own words.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use domain::filter::{Filter, FilterError};
use domain::id::NodeId;
use domain::text::is_slug;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::OpsError;

/// As axum's `Query`, with a problem document where it does not fit.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = OpsError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OpsError> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => {
                let text = error.body_text();
                Err(OpsError::field(
                    named_field(&text).unwrap_or("query"),
                    text.as_str(),
                ))
            }
        }
    }
}

/// The parameter that serde names: "unknown field `x`", "duplicate field `x`", "missing field `x`".
fn named_field(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once("field `")?;
    behind.split_once('`').map(|(name, _)| name)
}

/// Items in one answer when nothing is said.
const LIMIT_DEFAULT: u32 = 100;
/// Items in one answer at most.
const LIMIT_MAX: u32 = 1_000;

/// What every list takes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Items at most: 1 to 1000, default 100.
    pub limit: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// In the filter language, such as `cluster:app-eu status:critical cpu>80`.
    pub filter: Option<String>,
}

/// A part of a list.
#[derive(Debug)]
pub struct Page {
    limit: u32,
    after: Option<String>,
}

impl ListQuery {
    /// Items at most.
    ///
    /// # Errors
    /// Not a number from 1 to 1000.
    pub fn limit(&self) -> Result<u32, OpsError> {
        let Some(text) = &self.limit else {
            return Ok(LIMIT_DEFAULT);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| {
                let shown = domain::text::clean_label(&text.chars().take(40).collect::<String>());
                OpsError::field(
                    "limit",
                    format!("`{shown}` is not a number from 1 to {LIMIT_MAX}"),
                )
            })
    }

    /// What the list is narrowed by.
    ///
    /// # Errors
    /// The text is no filter; names the token, its place and the way out.
    pub fn filter(&self) -> Result<Filter, OpsError> {
        let text = self.filter.as_deref().unwrap_or_default();
        text.parse()
            .map_err(|error: FilterError| OpsError::field("filter", error.to_string()))
    }

    /// The cursor, where it has the form of those that this list gives.
    ///
    /// # Errors
    /// It has not.
    pub fn cursor<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, OpsError> {
        let Some(text) = self.cursor.as_deref() else {
            return Ok(None);
        };
        read(text).map(Some).ok_or_else(|| {
            let shown = domain::text::clean_label(&text.chars().take(40).collect::<String>());
            OpsError::field(
                "cursor",
                format!("`{shown}` is not one that this list gave; leave it out to begin anew"),
            )
        })
    }

    /// Which part of a list by slug is asked for.
    ///
    /// # Errors
    /// See [`ListQuery::limit`] and [`ListQuery::cursor`].
    pub fn page(&self) -> Result<Page, OpsError> {
        Ok(Page {
            limit: self.limit()?,
            after: self.cursor(|text| is_slug(text).then(|| text.to_owned()))?,
        })
    }

    /// Which part of a list by public id of a node is asked for.
    ///
    /// # Errors
    /// See [`ListQuery::limit`] and [`ListQuery::cursor`].
    pub fn page_of_nodes(&self) -> Result<Page, OpsError> {
        let node = |text: &str| NodeId::parse(text).ok().map(|id| id.as_str().to_owned());
        Ok(Page {
            limit: self.limit()?,
            after: self.cursor(node)?,
        })
    }
}

impl Page {
    /// Takes this part of a list that ascends by `key`, and gives the cursor of the next.
    pub fn take<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let mut rest: Vec<T> = items
            .into_iter()
            .filter(|item| self.after.as_ref().is_none_or(|after| key(item) > *after))
            .collect();
        let more = rest.len() > self.limit as usize;
        rest.truncate(self.limit as usize);
        let next = rest.last().filter(|_| more).map(key);
        (rest, next)
    }
}
