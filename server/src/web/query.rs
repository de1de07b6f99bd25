//! Parameters of requests, refused in our own words.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use domain::filter::{Filter, FilterError};
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
            Err(error) => Err(OpsError::field("query", error.body_text())),
        }
    }
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
        self.limit_within(LIMIT_DEFAULT, LIMIT_MAX)
    }

    fn limit_within(&self, default: u32, most: u32) -> Result<u32, OpsError> {
        let Some(text) = &self.limit else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| {
                let shown = domain::text::clean_label(&text.chars().take(40).collect::<String>());
                OpsError::field(
                    "limit",
                    format!("`{shown}` is not a number from 1 to {most}"),
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

    /// Which part is asked for.
    ///
    /// # Errors
    /// See [`ListQuery::limit`].
    pub fn page(&self) -> Result<Page, OpsError> {
        self.page_within(LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// The same of a list whose items are large.
    ///
    /// # Errors
    /// See [`ListQuery::limit`].
    pub fn page_within(&self, default: u32, most: u32) -> Result<Page, OpsError> {
        Ok(Page {
            limit: self.limit_within(default, most)?,
            after: self.cursor.clone(),
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
