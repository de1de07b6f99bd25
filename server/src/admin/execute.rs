//! What each local command does. The one who may open the data folder may do everything.

use serde_json::json;

use super::{Answer, Command};
use crate::agents;
use crate::backup;
use crate::enroll;
use crate::error::OpsError;
use crate::events::{self, ChainState};
use crate::fleet::live::HostLive;
use crate::fleet::store::HostState;
use crate::ops::Ops;
use crate::people::service::{self as people, Caller, PersonChange};

/// Runs a command for the user `uid` of this machine.
pub async fn execute(ops: &Ops, uid: u32, command: Command) -> Answer {
    let who = Caller::command_line(uid);
    match run(ops, &who, command).await {
        Ok(answer) => answer,
        Err(error) => Answer::failed(error.exit_code(), error.to_string()),
    }
}

async fn run(ops: &Ops, who: &Caller, command: Command) -> Result<Answer, OpsError> {
    Ok(match command {
        Command::UserCreate {
            name,
            role,
            password,
        } => {
            let person = people::create_person(ops, who, &name, role, password.0).await?;
            Answer::done(
                &*person.name,
                json!({ "name": person.name, "role": person.role.as_str() }),
            )
        }
        Command::UserSetPassword { name, password } => {
            change(ops, who, &name, PersonChange::Password(password.0)).await?
        }
        Command::UserEnable { name } => change(ops, who, &name, PersonChange::Enable).await?,
        Command::UserDisable { name } => change(ops, who, &name, PersonChange::Disable).await?,
        Command::UserDelete { name } => change(ops, who, &name, PersonChange::Delete).await?,
        Command::UserList => {
            let people = people::list_people(ops, who).await?;
            let rows = people
                .iter()
                .map(|p| {
                    vec![
                        p.name.clone(),
                        p.role.as_str().to_owned(),
                        if p.enabled { "enabled" } else { "disabled" }.to_owned(),
                    ]
                })
                .collect();
            let items: Vec<_> = people
                .iter()
                .map(|p| json!({ "name": p.name, "role": p.role.as_str(), "enabled": p.enabled, "created_at_ms": p.created_at_ms }))
                .collect();
            Answer::done(
                table(&["NAME", "ROLE", "STATE"], rows),
                json!({ "items": items }),
            )
        }
        Command::ApiTokenCreate { name, role, ttl } => {
            let made = people::create_api_token(ops, who, &name, role, &ttl).await?;
            made_token(made.id, made.token, made.expires_at_ms)
        }
        Command::ApiTokenList => {
            let tokens = people::list_api_tokens(ops, who).await?;
            let now_ms = ops.clock.now().0;
            let state = |revoked: Option<i64>, expires: i64| match revoked {
                Some(_) => "revoked",
                None if expires <= now_ms => "expired",
                None => "valid",
            };
            let rows = tokens
                .iter()
                .map(|t| {
                    let state = state(t.revoked_at_ms, t.expires_at_ms).to_owned();
                    vec![
                        t.id.clone(),
                        t.name.clone(),
                        t.role.as_str().to_owned(),
                        state,
                        instant(t.expires_at_ms),
                        t.created_by.clone(),
                    ]
                })
                .collect();
            let items: Vec<_> = tokens
                .iter()
                .map(|t| {
                    json!({ "id": t.id, "name": t.name, "role": t.role.as_str(), "state": state(t.revoked_at_ms, t.expires_at_ms),
                        "expires_at_ms": t.expires_at_ms, "created_at_ms": t.created_at_ms, "created_by": t.created_by })
                })
                .collect();
            Answer::done(
                table(
                    &["ID", "NAME", "ROLE", "STATE", "EXPIRES", "CREATED BY"],
                    rows,
                ),
                json!({ "items": items }),
            )
        }
        Command::ApiTokenRevoke { id } => {
            people::revoke_api_token(ops, who, &id).await?;
            Answer::done("", json!({ "id": id }))
        }
        Command::EnrollTokenCreate(new) => {
            let made = enroll::service::create(ops, who, &new).await?;
            made_token(made.id, made.token, made.expires_at_ms)
        }
        Command::EnrollTokenList => {
            let tokens = enroll::service::list(ops, who, false).await?;
            let now_ms = ops.clock.now().0;
            let state = |t: &enroll::store::TokenRecord| match t.revoked_at_ms {
                Some(_) => "revoked",
                None if t.expires_at_ms <= now_ms => "expired",
                None if t.used >= t.uses => "used",
                None => "valid",
            };
            let rows = tokens
                .iter()
                .map(|t| {
                    let uses = format!("{}/{}", t.used, t.uses);
                    vec![
                        t.id.clone(),
                        t.system.clone(),
                        t.cluster.clone(),
                        uses,
                        state(t).to_owned(),
                        instant(t.expires_at_ms),
                        t.created_by.clone(),
                    ]
                })
                .collect();
            let items: Vec<_> = tokens
                .iter()
                .map(|t| {
                    json!({ "id": t.id, "system": t.system, "cluster": t.cluster, "node_role": t.node_role, "uses": t.uses, "used": t.used,
                        "review": t.review, "state": state(t), "expires_at_ms": t.expires_at_ms, "created_by": t.created_by })
                })
                .collect();
            Answer::done(
                table(
                    &[
                        "ID",
                        "SYSTEM",
                        "CLUSTER",
                        "USED",
                        "STATE",
                        "EXPIRES",
                        "CREATED BY",
                    ],
                    rows,
                ),
                json!({ "items": items }),
            )
        }
        Command::EnrollTokenRevoke { id } => {
            enroll::service::revoke(ops, who, &id).await?;
            Answer::done("", json!({ "id": id }))
        }
        Command::AgentList => agent_list(ops),
        Command::AgentApprove { id } => {
            let host = agents::decide::approve(ops, who, &id).await?;
            decided(&host, HostState::Active)
        }
        Command::AgentRevoke { id } => {
            let host = agents::decide::revoke(ops, who, &id).await?;
            decided(&host, HostState::Revoked)
        }
        Command::NodeRemove { id } => {
            let host = agents::decide::remove(ops, who, &id).await?;
            Answer::done("", json!({ "id": host.record.node_id }))
        }
        Command::BackupCreate { file } => return Ok(backup_create(ops, who, &file).await),
        Command::AuditVerify => match events::store::verify(ops.state.read()).await? {
            ChainState::Whole { count } => {
                Answer::done(format!("ok {count}"), json!({ "ok": true, "count": count }))
            }
            ChainState::Broken { first_bad_seq } => Answer {
                exit: 1,
                text: first_bad_seq.to_string(),
                json: json!({ "ok": false, "first_bad_seq": first_bad_seq }),
                error: Some(format!(
                    "the audit log was changed: entry {first_bad_seq} is missing or not as it was written"
                )),
            },
        },
    })
}

async fn backup_create(ops: &Ops, who: &Caller, file: &std::path::Path) -> Answer {
    let made = match backup::create::create(ops, file).await {
        Ok(made) => made,
        Err(error) => return Answer::failed(1, crate::cli::chain(&error)),
    };
    let bytes: u64 = made.files.iter().map(|file| file.bytes).sum();
    let event = events::NewEvent {
        at: ops.clock.now(),
        actor: &who.actor,
        verb: "backup made",
        subject: "server".to_owned(),
        node_id: None,
        detail: domain::text::clean_label(&file.display().to_string()),
    };
    let noted = async {
        let mut tx = ops.state.write().await?;
        events::store::append(&mut tx, event).await?;
        tx.commit()
            .await
            .map_err(crate::error::StoreError::doing("committing an event"))
    };
    if let Err(error) = noted.await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the event could not be written"
        );
    }
    let json = json!({ "file": file, "bytes": bytes, "created_at_ms": made.created_at_ms });
    Answer::done(file.display().to_string(), json)
}

async fn change(
    ops: &Ops,
    who: &Caller,
    name: &str,
    change: PersonChange,
) -> Result<Answer, OpsError> {
    people::change_person(ops, who, name, change).await?;
    Ok(Answer::done(
        "",
        json!({ "name": name.trim().to_lowercase() }),
    ))
}

fn made_token(id: String, token: String, expires_at_ms: i64) -> Answer {
    let json = json!({ "id": id, "token": token, "expires_at_ms": expires_at_ms });
    Answer::done(token, json)
}

fn decided(host: &HostLive, state: HostState) -> Answer {
    Answer::done(
        "",
        json!({ "id": host.record.id, "node_id": host.record.node_id, "state": state.as_str() }),
    )
}

fn agent_list(ops: &Ops) -> Answer {
    let mut rows = Vec::new();
    let mut items = Vec::new();
    let now = ops.clock.monotonic();
    ops.live.for_each(|host| {
        let liveness = host.liveness(now);
        let last = host.last_report_at_ms.map_or_else(|| "never".to_owned(), instant);
        rows.push(vec![
            host.record.id.clone(),
            host.record.node_id.clone(),
            host.name().to_owned(),
            host.record.cluster.clone(),
            host.record.state.as_str().to_owned(),
            liveness.as_str().to_owned(),
            last,
            host.record.agent_version.clone(),
        ]);
        items.push(json!({ "id": host.record.id, "node_id": host.record.node_id, "name": host.name(), "system": host.record.system,
            "cluster": host.record.cluster, "state": host.record.state.as_str(), "liveness": liveness.as_str(),
            "last_report_at_ms": host.last_report_at_ms, "agent_version": host.record.agent_version }));
    });
    let head = [
        "ID",
        "NODE",
        "NAME",
        "CLUSTER",
        "STATE",
        "LIVENESS",
        "LAST REPORT",
        "VERSION",
    ];
    Answer::done(table(&head, rows), json!({ "items": items }))
}

fn instant(ms: i64) -> String {
    domain::time::format_utc(domain::time::Timestamp(ms))
}

/// Columns as wide as their widest cell.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(head.get(column).map(|cell| cell.len()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}
