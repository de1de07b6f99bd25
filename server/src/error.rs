//! From what went wrong to what the other side is told.
//!
//! `StoreError` is logged once, with its chain, where it becomes an `OpsError`; an `OpsError` is closed and says only
//! what may be said; problem documents, exit codes and pages are made from it and from nothing else.

use app::error::UiError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::Denied;
use protocol::http::Code;
use serde::Serialize;

/// SQLite's primary result code.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<u32>().ok()? & 0xff)
}

/// Does SQLite say that a file is damaged, or no database at all?
pub fn is_damage(error: &sqlx::Error) -> bool {
    // SQLITE_CORRUPT, SQLITE_NOTADB and their extended codes.
    matches!(sqlite_code(error), Some(11 | 26))
}

/// Does SQLite say that there is no room?
pub fn is_full(error: &sqlx::Error) -> bool {
    sqlite_code(error) == Some(13)
}

/// The database did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement failed.
    #[error("database: {doing}")]
    Sql {
        /// What was being done, such as "reading nodes".
        doing: &'static str,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// A row holds what we never write.
    #[error("database: {what} is corrupt: {detail}")]
    Corrupt {
        /// Which row.
        what: String,
        /// How.
        detail: String,
    },
}

impl StoreError {
    /// Names what was being done when a statement failed.
    pub fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { doing, source }
    }

    /// Of a copy; its damage is not that of the database.
    pub fn of_copy(error: &sqlx::Error) -> Self {
        Self::Corrupt {
            what: "a copy".to_owned(),
            detail: error.to_string(),
        }
    }

    /// Is the disk full or refusing writes, so that the same may succeed later?
    pub fn is_storage_unavailable(&self) -> bool {
        // SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY, SQLITE_BUSY and their extended codes.
        match self {
            Self::Sql { source, .. } => matches!(sqlite_code(source), Some(5 | 8 | 10 | 13)),
            Self::Corrupt { .. } => false,
        }
    }
}

/// One wrong field: which, and what is wrong with the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Name as in the form, flag or JSON.
    pub field: String,
    /// What is wrong with the value, and what would be right.
    pub detail: String,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// No credential, or one that is no longer good.
    #[error("no valid credential: sign in, or send `Authorization: Bearer oca_…`")]
    SignedOut,
    /// Not allowed.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Refused for another reason than the role.
    #[error("{0}")]
    Refused(String),
    /// There is none.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// As asked for, cleaned.
        id: String,
    },
    /// Fields are wrong; all of them are named.
    #[error("{}", .0.iter().map(|f| format!("{}: {}", f.field, f.detail)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The address is right, the method is not.
    #[error("this address does not take this method; use {allow}")]
    Method {
        /// Methods that it takes, as in the header.
        allow: String,
    },
    /// The request as a whole makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Somebody else was faster, or it exists already.
    #[error("{0}")]
    Conflict(String),
    /// Too many tries.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooMany {
        /// When it makes sense again.
        retry_after_s: u64,
    },
    /// Too much is under way.
    #[error("the server is busy; try again in {retry_after_s} s")]
    Busy {
        /// When it makes sense again.
        retry_after_s: u64,
    },
    /// An agent's request was refused; the code is what it decides by.
    #[error("{detail}")]
    Agent {
        /// Machine-readable reason.
        code: Code,
        /// For people.
        detail: String,
    },
    /// The database failed; details are in the log.
    #[error("the database could not do this; nothing was changed, and the server's log says why")]
    Store,
    /// The database cannot be written now.
    #[error(
        "the server cannot write its database now (is the disk full?); nothing was stored, try again later"
    )]
    StorageUnavailable,
}

impl From<StoreError> for OpsError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "database error");
        if error.is_storage_unavailable() {
            OpsError::StorageUnavailable
        } else {
            OpsError::Store
        }
    }
}

impl OpsError {
    /// One wrong field.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError {
            field: field.into(),
            detail: detail.into(),
        }])
    }

    /// A thing that is not there; the id is cleaned and shortened because it came from outside.
    pub fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound {
            what,
            id: domain::text::clean_label(&id.chars().take(80).collect::<String>()),
        }
    }

    /// An agent's request refused.
    pub fn agent(code: Code, detail: impl Into<String>) -> Self {
        Self::Agent {
            code,
            detail: detail.into(),
        }
    }

    /// HTTP status that says the same.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Denied(_) | Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Agent { code, .. } => match code {
                Code::SessionUnknown
                | Code::MacInvalid
                | Code::AgentUnknown
                | Code::SignatureInvalid => StatusCode::UNAUTHORIZED,
                Code::TokenUnknown | Code::TokenExpired | Code::TokenUsed | Code::TokenRevoked => {
                    StatusCode::FORBIDDEN
                }
                Code::AgentRevoked | Code::AgentQuarantined | Code::ReplaceRefused => {
                    StatusCode::FORBIDDEN
                }
                Code::SequenceForked => StatusCode::CONFLICT,
                Code::Malformed | Code::ProtocolUnsupported => StatusCode::UNPROCESSABLE_ENTITY,
                Code::Overloaded | Code::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Store => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy { .. } | Self::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Exit code of a local command that ended so (contracts.md).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) | Self::BadRequest(_) | Self::Method { .. } => 2,
            Self::SignedOut | Self::Denied(_) | Self::Agent { .. } => 3,
            Self::Refused(_)
            | Self::NotFound { .. }
            | Self::Conflict(_)
            | Self::TooMany { .. }
            | Self::Busy { .. }
            | Self::Store
            | Self::StorageUnavailable => 1,
        }
    }

    /// After how many seconds it makes sense again, where that is all there is to do.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after_s } | Self::Busy { retry_after_s } => Some(*retry_after_s),
            Self::StorageUnavailable => Some(30),
            Self::Agent {
                code: Code::Overloaded | Code::StorageUnavailable,
                ..
            } => Some(30),
            _ => None,
        }
    }
}

impl From<OpsError> for UiError {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::SignedOut => UiError::SignedOut,
            OpsError::Denied(_) | OpsError::Refused(_) => UiError::Forbidden(error.to_string()),
            OpsError::NotFound { .. } => UiError::NotFound(error.to_string()),
            OpsError::Invalid(fields) => UiError::Invalid(
                fields
                    .into_iter()
                    .map(|field| (field.field, field.detail))
                    .collect(),
            ),
            OpsError::Conflict(text) => UiError::Conflict(text),
            other => UiError::Unavailable(other.to_string()),
        }
    }
}

/// RFC 9457 problem document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Kind of problem: `about:blank`, the status says it all.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened and the way out.
    pub detail: String,
    /// Machine-readable reason, for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Wrong fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// What a status says where nobody said more.
    pub fn of(status: StatusCode, detail: String) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("error"),
            status: status.as_u16(),
            detail,
            code: None,
            errors: Vec::new(),
        }
    }
}

impl IntoResponse for OpsError {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after_s = self.retry_after_s();
        let code = match &self {
            Self::Agent { code, .. } => Some(code.as_str()),
            Self::StorageUnavailable => Some(Code::StorageUnavailable.as_str()),
            Self::Busy { .. } => Some(Code::Overloaded.as_str()),
            _ => None,
        };
        let detail = self.to_string();
        let (errors, allow) = match self {
            Self::Invalid(errors) => (errors, None),
            Self::Method { allow } => (Vec::new(), HeaderValue::try_from(allow).ok()),
            _ => (Vec::new(), None),
        };
        let problem = Problem {
            code,
            errors,
            ..Problem::of(status, detail)
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
