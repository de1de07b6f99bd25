//! Local commands: given to the running server, or done on the folder itself.

use std::io::Read;
use std::path::Path;

use clap::Subcommand;
use domain::access::Role;

use super::{DataArgs, chain, complain, print, runtime};
use crate::admin::{self, Answer, Command, Secret, socket};
use crate::enroll::service::NewToken;
use crate::serve;

#[derive(Debug, Subcommand)]
pub(super) enum UserAction {
    /// Make a user
    #[command(
        after_help = "Example:\n  echo 'correct horse battery' | operations-center user create ada --role admin --password-stdin"
    )]
    Create {
        /// Sign-in name
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// Read the password from standard input; one newline at its end is removed
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Change a password; the user's sessions end
    #[command(
        after_help = "Example:\n  operations-center user set-password ada --password-stdin < password"
    )]
    SetPassword {
        /// Sign-in name
        name: String,
        /// Read the password from standard input; one newline at its end is removed
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List users
    #[command(after_help = "Example:\n  operations-center user list --json")]
    List,
    /// Let a user sign in again
    #[command(after_help = "Example:\n  operations-center user enable ada")]
    Enable {
        /// Sign-in name
        name: String,
    },
    /// Let a user no longer sign in; their sessions end
    #[command(after_help = "Example:\n  operations-center user disable ada")]
    Disable {
        /// Sign-in name
        name: String,
    },
    /// Remove a user; their name stays in the log
    #[command(after_help = "Example:\n  operations-center user delete ada")]
    Delete {
        /// Sign-in name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ApiTokenAction {
    /// Make a token; it is printed once
    #[command(
        after_help = "Example:\n  operations-center api-token create --name dashboard --role viewer --ttl 90d"
    )]
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// How long it works
        #[arg(long, default_value = "30d")]
        ttl: String,
    },
    /// List tokens
    #[command(after_help = "Example:\n  operations-center api-token list --json")]
    List,
    /// Take a token back
    #[command(after_help = "Example:\n  operations-center api-token revoke a0123456789abcdef")]
    Revoke {
        /// Id of the token
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum EnrollTokenAction {
    /// Make a token; it is printed once
    #[command(
        after_help = "Example:\n  operations-center enroll-token create --cluster app-eu --uses 14"
    )]
    Create {
        /// Cluster of its nodes; made when missing
        #[arg(long)]
        cluster: String,
        /// System of the cluster; made when missing
        #[arg(long, default_value = "default")]
        system: String,
        /// Role of its nodes in the cluster
        #[arg(long)]
        node_role: Option<String>,
        /// How long it works
        #[arg(long, default_value = "10m")]
        ttl: String,
        /// How many nodes may use it
        #[arg(long, default_value_t = 1)]
        uses: i64,
        /// Its nodes wait for an administrator
        #[arg(long)]
        review: bool,
        /// Its hosts, and servers found on them, may go into the clusters that their own configuration names
        #[arg(long)]
        allow_suggestions: bool,
    },
    /// List tokens
    #[command(after_help = "Example:\n  operations-center enroll-token list --json")]
    List,
    /// Take a token back
    #[command(after_help = "Example:\n  operations-center enroll-token revoke e0123456789abcdef")]
    Revoke {
        /// Id of the token
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AgentAction {
    /// List agents
    #[command(after_help = "Example:\n  operations-center agent list --json")]
    List,
    /// Say yes to an agent that waits for review
    #[command(after_help = "Example:\n  operations-center agent approve n0123456789abcdef")]
    Approve {
        /// Id of agent or node
        id: String,
    },
    /// Take an agent's right to report, at once
    #[command(after_help = "Example:\n  operations-center agent revoke n0123456789abcdef")]
    Revoke {
        /// Id of agent or node
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum NodeAction {
    /// Take a node out of view; its history stays
    #[command(after_help = "Example:\n  operations-center node remove n0123456789abcdef")]
    Remove {
        /// Id of the node
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditAction {
    /// Print `ok COUNT`, or the first entry that was changed
    #[command(after_help = "Example:\n  operations-center audit verify")]
    Verify,
}

pub(super) fn user(data: &DataArgs, action: UserAction) -> u8 {
    let command = match action {
        UserAction::Create { name, role, .. } => {
            read_password().map(|password| Command::UserCreate {
                name,
                role,
                password,
            })
        }
        UserAction::SetPassword { name, .. } => {
            read_password().map(|password| Command::UserSetPassword { name, password })
        }
        UserAction::List => Ok(Command::UserList),
        UserAction::Enable { name } => Ok(Command::UserEnable { name }),
        UserAction::Disable { name } => Ok(Command::UserDisable { name }),
        UserAction::Delete { name } => Ok(Command::UserDelete { name }),
    };
    match command {
        Ok(command) => local(data, command),
        Err(problem) => {
            complain(&problem);
            2
        }
    }
}

/// Everything on standard input but one newline at its end.
fn read_password() -> Result<Secret, String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |text| {
        text.strip_suffix('\r').unwrap_or(text)
    });
    if password.is_empty() {
        return Err("standard input holds no password; pipe one in, such as `echo 'correct horse battery' | …`".to_owned());
    }
    Ok(Secret(password.to_owned()))
}

pub(super) fn api_token(action: ApiTokenAction) -> Command {
    match action {
        ApiTokenAction::Create { name, role, ttl } => Command::ApiTokenCreate { name, role, ttl },
        ApiTokenAction::List => Command::ApiTokenList,
        ApiTokenAction::Revoke { id } => Command::ApiTokenRevoke { id },
    }
}

pub(super) fn enroll_token(action: EnrollTokenAction) -> Command {
    match action {
        EnrollTokenAction::Create {
            cluster,
            system,
            node_role,
            ttl,
            uses,
            review,
            allow_suggestions,
        } => Command::EnrollTokenCreate(NewToken {
            system,
            cluster,
            node_role,
            ttl,
            uses,
            review,
            allows_suggestions: allow_suggestions,
        }),
        EnrollTokenAction::List => Command::EnrollTokenList,
        EnrollTokenAction::Revoke { id } => Command::EnrollTokenRevoke { id },
    }
}

pub(super) fn agent(action: AgentAction) -> Command {
    match action {
        AgentAction::List => Command::AgentList,
        AgentAction::Approve { id } => Command::AgentApprove { id },
        AgentAction::Revoke { id } => Command::AgentRevoke { id },
    }
}

/// Gives a command to the running server, or does it on the folder itself.
pub(super) fn local(data: &DataArgs, command: Command) -> u8 {
    let answer = match socket::ask(&data.data, &command) {
        Ok(Some(answer)) => answer,
        Ok(None) => match without_server(&data.data, &command) {
            Ok(answer) => answer,
            Err(problem) => Answer::failed(1, problem),
        },
        Err(error) => Answer::failed(error.exit_code(), error.to_string()),
    };
    if let Some(error) = &answer.error {
        complain(error);
    }
    let has_result = answer.exit == 0 || !answer.json.is_null();
    if data.json && has_result {
        print(&answer.json.to_string());
    } else if !answer.text.is_empty() {
        print(&answer.text);
    }
    answer.exit
}

fn without_server(data: &Path, command: &Command) -> Result<Answer, String> {
    let runtime = runtime().map_err(|_| "threads cannot be started".to_owned())?;
    runtime.block_on(async {
        match serve::open_for_command(data).await {
            Ok(ops) => {
                let uid = nix::unistd::getuid().as_raw();
                let answer = admin::execute::execute(&ops, uid, command.clone()).await;
                ops.close().await;
                Ok(answer)
            }
            // A server may have started while we waited for the lock.
            Err(error) if serve::is_locked(&error) => match socket::ask(data, command) {
                Ok(Some(answer)) => Ok(answer),
                Err(error) => Ok(Answer::failed(error.exit_code(), error.to_string())),
                Ok(None) => Err(error.to_string()),
            },
            Err(error) => Err(chain(&error)),
        }
    })
}
