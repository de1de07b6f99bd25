//! Who may do what: the one table that every route, server function and local command asks.
//!
//! Called by the server's gate for each request and again by the services that act. It deliberately knows nothing of
//! cookies, tokens or URLs.

use serde::{Deserialize, Serialize};

/// What a person or a program is trusted with. Each role may do all that the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks and acts on nodes.
    Operator,
    /// Also decides who may do so.
    Admin,
}

/// A role that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a role: write viewer, operator or admin")]
pub struct RoleError {
    /// What was given, shortened to 64 characters.
    pub value: String,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// As written in commands, forms and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError {
                value: text.chars().take(64).collect(),
            })
    }
}

/// Something that somebody may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// See nodes, series, events and the server's own health.
    ViewFleet,
    /// Change one's own preferences, password and sessions.
    ManageSelf,
    /// Make, list and revoke enrollment tokens.
    EnrollNodes,
    /// Say which cluster a node is in and what it is called, accept what was found, set what a cluster promises.
    ArrangeFleet,
    /// Revoke an agent, remove a node.
    RetireNodes,
    /// Make and change users and API tokens.
    ManagePeople,
}

impl Action {
    /// Every action, for tests that cover the whole table.
    pub const ALL: [Action; 6] = [
        Action::ViewFleet,
        Action::ManageSelf,
        Action::EnrollNodes,
        Action::ArrangeFleet,
        Action::RetireNodes,
        Action::ManagePeople,
    ];

    /// The least role that may do it.
    pub fn least_role(self) -> Role {
        match self {
            Action::ViewFleet | Action::ManageSelf => Role::Viewer,
            Action::EnrollNodes | Action::ArrangeFleet => Role::Operator,
            Action::RetireNodes | Action::ManagePeople => Role::Admin,
        }
    }

    /// In words that complete "may not …".
    pub fn describe(self) -> &'static str {
        match self {
            Action::ViewFleet => "see the fleet",
            Action::ManageSelf => "change their own settings",
            Action::EnrollNodes => "add nodes",
            Action::ArrangeFleet => "arrange nodes and clusters",
            Action::RetireNodes => "revoke agents and remove nodes",
            Action::ManagePeople => "manage users and tokens",
        }
    }
}

/// Why something was not allowed: said to the person, with the role they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("role {} may not {}: it needs role {}; an administrator can grant it", .role.as_str(), .action.describe(), .action.least_role().as_str())]
pub struct Denied {
    /// What the asker has.
    pub role: Role,
    /// What was asked.
    pub action: Action,
}

/// May `role` do `action`?
///
/// # Errors
/// [`Denied`] with the role that would be needed.
pub fn authorize(role: Role, action: Action) -> Result<(), Denied> {
    if role >= action.least_role() {
        Ok(())
    } else {
        Err(Denied { role, action })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for action in Action::ALL {
            let row: Vec<&str> = Role::ALL
                .iter()
                .map(|role| {
                    if authorize(*role, action).is_ok() {
                        "yes"
                    } else {
                        "-"
                    }
                })
                .collect();
            table.push_str(&format!("{}: {}\n", action.describe(), row.join(" ")));
        }
        assert_eq!(
            table,
            "see the fleet: yes yes yes\n\
             change their own settings: yes yes yes\n\
             add nodes: - yes yes\n\
             arrange nodes and clusters: - yes yes\n\
             revoke agents and remove nodes: - - yes\n\
             manage users and tokens: - - yes\n"
        );
    }

    #[test]
    fn a_denial_names_the_role_needed() {
        let denied = authorize(Role::Viewer, Action::EnrollNodes).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "role viewer may not add nodes: it needs role operator; an administrator can grant it"
        );
    }
}
