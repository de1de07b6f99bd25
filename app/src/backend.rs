//! How the console reaches the server: small ports, one umbrella, given once as context.

use domain::access::{Action, Role, authorize};

use crate::account::AccountPort;
use crate::clusters::ClustersPort;
use crate::enroll::EnrollPort;
use crate::error::UiError;
use crate::events::EventsPort;
use crate::fleet::FleetPort;
use crate::search::api::SearchPort;
use crate::topology::TopologyPort;

/// Who is asking: every port method takes it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Sign-in name, written into events.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The session they came with, so that a live connection ends with it.
    pub session: Option<String>,
    /// Where the request came from, for the audit log.
    pub address: Option<String>,
    /// Its id, as in the server's log.
    pub request_id: Option<String>,
}

impl Operator {
    /// May this operator do `action`?
    ///
    /// # Errors
    /// [`UiError::Forbidden`] with the role needed.
    pub fn may(&self, action: Action) -> Result<(), UiError> {
        authorize(self.role, action).map_err(|denied| UiError::Forbidden(denied.to_string()))
    }
}

/// Everything the console needs of the server.
pub trait Backend:
    FleetPort + ClustersPort + EventsPort + TopologyPort + EnrollPort + AccountPort + SearchPort
{
}
impl<
    T: FleetPort + ClustersPort + EventsPort + TopologyPort + EnrollPort + AccountPort + SearchPort,
> Backend for T
{
}

/// The backend given to this request. Only server functions call it, never component bodies.
///
/// # Errors
/// When the server did not provide one.
pub fn backend() -> Result<std::sync::Arc<dyn Backend>, UiError> {
    leptos::prelude::use_context()
        .ok_or_else(|| UiError::Unavailable("the server gave this request no backend".to_owned()))
}

/// Who is asking.
///
/// # Errors
/// [`UiError::SignedOut`] when nobody is.
pub fn operator() -> Result<Operator, UiError> {
    leptos::prelude::use_context().ok_or(UiError::SignedOut)
}
