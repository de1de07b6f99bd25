//! Local commands: the same whether a server runs (through its socket) or not (on the data folder itself).

pub mod execute;
pub mod socket;

use domain::access::Role;
use serde::{Deserialize, Serialize};

use crate::enroll::service::NewToken;

/// One local command that needs the data folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// `user create`
    UserCreate {
        /// Sign-in name.
        name: String,
        /// What they may do.
        role: Role,
        /// As read from standard input.
        password: Secret,
    },
    /// `user set-password`
    UserSetPassword {
        /// Sign-in name.
        name: String,
        /// As read from standard input.
        password: Secret,
    },
    /// `user enable`
    UserEnable {
        /// Sign-in name.
        name: String,
    },
    /// `user disable`
    UserDisable {
        /// Sign-in name.
        name: String,
    },
    /// `user delete`
    UserDelete {
        /// Sign-in name.
        name: String,
    },
    /// `user list`
    UserList,
    /// `api-token create`
    ApiTokenCreate {
        /// What it is for.
        name: String,
        /// What it may do.
        role: Role,
        /// Such as `30d`.
        ttl: String,
    },
    /// `api-token list`
    ApiTokenList,
    /// `api-token revoke`
    ApiTokenRevoke {
        /// Public id.
        id: String,
    },
    /// `enroll-token create`
    EnrollTokenCreate(NewToken),
    /// `enroll-token list`
    EnrollTokenList,
    /// `enroll-token revoke`
    EnrollTokenRevoke {
        /// Public id.
        id: String,
    },
    /// `agent list`
    AgentList,
    /// `agent approve`
    AgentApprove {
        /// Public id of host or node.
        id: String,
    },
    /// `agent revoke`
    AgentRevoke {
        /// Public id of host or node.
        id: String,
    },
    /// `node remove`
    NodeRemove {
        /// Public id.
        id: String,
    },
    /// `audit verify`
    AuditVerify,
    /// `backup create`
    BackupCreate {
        /// Absolute: the server may run in another folder.
        file: std::path::PathBuf,
    },
}

/// A text that is not printed by accident.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(withheld)")
    }
}

/// What a command ended with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Exit code of the process.
    pub exit: u8,
    /// For people, on stdout.
    pub text: String,
    /// The same for programs.
    pub json: serde_json::Value,
    /// Why it failed, on stderr.
    pub error: Option<String>,
}

impl Answer {
    /// Done, with something to print.
    pub fn done(text: impl Into<String>, json: serde_json::Value) -> Self {
        Self {
            exit: 0,
            text: text.into(),
            json,
            error: None,
        }
    }

    /// Failed.
    pub fn failed(exit: u8, error: impl Into<String>) -> Self {
        Self {
            exit,
            error: Some(error.into()),
            ..Self::default()
        }
    }
}
