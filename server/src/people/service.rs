//! People, their sign-in and their sessions; API tokens of programs.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use domain::access::{Action, Role, authorize};
use domain::id::{ApiTokenId, UserId};
use domain::text::clean_label;
use domain::time::{Timestamp, format_utc, parse_duration_ms};
use protocol::keys::digest;
use protocol::session::to_base64;

use super::store::{self, ApiTokenRecord, PersonRecord};
use crate::error::{FieldError, OpsError, StoreError};
use crate::events::{self, Actor, NewEvent};
use crate::ops::Ops;
use crate::random;

/// A session ends after so long without a request.
pub const SESSION_IDLE_MS: i64 = 12 * 3_600_000;
/// A session ends after so long in any case.
pub const SESSION_LIFE_MS: i64 = 7 * 86_400_000;
/// How exact "last seen" is: one write a minute and session, not one a request.
pub const SEEN_STEP_MS: i64 = 60_000;
/// Shortest password.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password: enough for any sentence, too little to keep a processor busy.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
const API_TOKEN_TTL_MS_MAX: i64 = 3_660 * 86_400_000;

/// Who asks for something, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As written into events.
    pub actor: Actor,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// Somebody who may use the data folder may do everything: they could change the files themselves.
    pub fn command_line(uid: u32) -> Self {
        Self {
            actor: Actor::CommandLine(uid),
            role: Role::Admin,
        }
    }

    /// A signed-in person.
    pub fn person(name: &str, role: Role) -> Self {
        Self {
            actor: Actor::person(name),
            role,
        }
    }

    /// May this caller do `action`?
    ///
    /// # Errors
    /// [`OpsError::Denied`]
    pub fn may(&self, action: Action) -> Result<(), OpsError> {
        Ok(authorize(self.role, action)?)
    }
}

/// argon2id, 46 MiB, one pass, one lane: the first of OWASP's equivalent settings.
fn argon2() -> Argon2<'static> {
    let params = Params::new(46 * 1024, 1, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

async fn hash_password(password: String) -> Result<String, OpsError> {
    let salt: [u8; 16] = random::bytes();
    let hashing = tokio::task::spawn_blocking(move || {
        argon2()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
    });
    match hashing.await {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(error)) => {
            tracing::error!(%error, "hashing a password failed");
            Err(OpsError::Store)
        }
        Err(error) => {
            tracing::error!(%error, "hashing a password was interrupted");
            Err(OpsError::Store)
        }
    }
}

/// Is this the password? Takes as long for a name that does not exist.
pub async fn verify_password(
    person: Option<PersonRecord>,
    password: String,
) -> Option<PersonRecord> {
    let checking = tokio::task::spawn_blocking(move || {
        // A hash of nothing anybody knows, with the same cost.
        const NOBODY: &str = "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let stored = person
            .as_ref()
            .map_or(NOBODY, |person| person.password_hash.as_str());
        let hash = PasswordHash::new(stored).ok()?;
        argon2().verify_password(password.as_bytes(), &hash).ok()?;
        person
    });
    checking.await.ok().flatten()
}

/// Names what is wrong with a name and a password.
fn check_person(name: &str, password: &str) -> Result<String, OpsError> {
    let mut errors = Vec::new();
    let name = name.trim().to_lowercase();
    let fits = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@-".contains(&b));
    if !fits {
        let shown = clean_label(&name.chars().take(70).collect::<String>());
        let detail = format!(
            "`{shown}` is not a user name: use 1 to 64 of a-z, 0-9, dot, dash, underscore and @"
        );
        errors.push(FieldError {
            field: "user".to_owned(),
            detail,
        });
    }
    // The log would not tell a person of this name from the server itself.
    if name == "server" {
        errors.push(FieldError {
            field: "user".to_owned(),
            detail: "`server` is how this server calls itself in the log: choose another name"
                .to_owned(),
        });
    }
    if let Err(detail) = check_password(&name, password) {
        errors.push(FieldError {
            field: "password".to_owned(),
            detail,
        });
    }
    if errors.is_empty() {
        Ok(name)
    } else {
        Err(OpsError::Invalid(errors))
    }
}

fn check_password(name: &str, password: &str) -> Result<(), String> {
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return Err(format!(
            "it has {chars} characters; at least {PASSWORD_CHARS_MIN} are needed (a sentence is easy to remember)"
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!(
            "it has {} bytes; at most {PASSWORD_BYTES_MAX} are taken",
            password.len()
        ));
    }
    let mut distinct: Vec<char> = password.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 4 {
        return Err("it repeats fewer than 4 different characters; choose another".to_owned());
    }
    if name.len() >= 4 && password.to_lowercase().contains(name) && password.len() < name.len() + 8
    {
        return Err("it is little more than the user name; choose another".to_owned());
    }
    Ok(())
}

/// Makes a person.
///
/// # Errors
/// Not allowed, wrong fields, a name that is taken, or the database.
pub async fn create_person(
    ops: &Ops,
    who: &Caller,
    name: &str,
    role: Role,
    password: String,
) -> Result<PersonRecord, OpsError> {
    who.may(Action::ManagePeople)?;
    let name = check_person(name, &password)?;
    insert_person(ops, &who.actor, name, role, password, OnlyFirstAdmin::No).await
}

/// Makes the first administrator; whoever brings the one-time code is trusted with it, once.
///
/// # Errors
/// Wrong code or fields, an administrator who exists already, or the database.
pub async fn create_first_admin(
    ops: &Ops,
    code: &str,
    name: &str,
    password: String,
) -> Result<PersonRecord, OpsError> {
    if !ops.setup.matches(code, ops.clock.monotonic()) {
        return Err(OpsError::field(
            "code",
            "this set-up link is not valid (any more): restart the server, it prints a new one",
        ));
    }
    let name = check_person(name, &password)?;
    let actor = Actor::person(&name);
    let person = insert_person(
        ops,
        &actor,
        name,
        Role::Admin,
        password,
        OnlyFirstAdmin::Yes,
    )
    .await?;
    Ok(person)
}

#[derive(PartialEq)]
enum OnlyFirstAdmin {
    Yes,
    No,
}

async fn insert_person(
    ops: &Ops,
    actor: &Actor,
    name: String,
    role: Role,
    password: String,
    only_first: OnlyFirstAdmin,
) -> Result<PersonRecord, OpsError> {
    let now = ops.clock.now();
    let person = PersonRecord {
        id: UserId::from_random(random::bytes()).to_string(),
        name,
        role,
        password_hash: hash_password(password).await?,
        enabled: true,
        created_at_ms: now.0,
    };
    let mut tx = ops.state.write().await?;
    if only_first == OnlyFirstAdmin::Yes && store::count_admins(&mut tx).await? > 0 {
        return Err(OpsError::Conflict(
            "there is an administrator already; sign in".to_owned(),
        ));
    }
    if !store::insert_person(&mut tx, &person).await? {
        return Err(OpsError::Conflict(format!(
            "there is a user {} already; choose another name",
            person.name
        )));
    }
    let event = NewEvent {
        at: now,
        actor,
        verb: "user created",
        subject: format!("{} ({})", person.name, role.as_str()),
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a user"))?;
    if role == Role::Admin {
        ops.setup.end();
    }
    Ok(person)
}

/// What may be changed of a person who exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonChange {
    /// Another password; all sessions end.
    Password(String),
    /// May sign in again.
    Enable,
    /// May no longer; all sessions end.
    Disable,
    /// Gone; all sessions end.
    Delete,
}

/// Changes a person. The last administrator stays.
///
/// # Errors
/// Not allowed, no such person, a wrong password, the last administrator, or the database.
pub async fn change_person(
    ops: &Ops,
    who: &Caller,
    name: &str,
    change: PersonChange,
) -> Result<(), OpsError> {
    who.may(Action::ManagePeople)?;
    let name = name.trim().to_lowercase();
    let hash = match &change {
        PersonChange::Password(password) => {
            check_password(&name, password)
                .map_err(|detail| OpsError::field("password", detail))?;
            Some(hash_password(password.clone()).await?)
        }
        PersonChange::Enable | PersonChange::Disable | PersonChange::Delete => None,
    };
    let mut tx = ops.state.write().await?;
    let (found, verb) = match (&change, &hash) {
        (PersonChange::Password(_), Some(hash)) => (
            store::set_password(&mut tx, &name, hash).await?,
            "password changed",
        ),
        (PersonChange::Enable, _) => (
            store::set_enabled(&mut tx, &name, true).await?,
            "user enabled",
        ),
        (PersonChange::Disable, _) => (
            store::set_enabled(&mut tx, &name, false).await?,
            "user disabled",
        ),
        (PersonChange::Delete, _) | (PersonChange::Password(_), None) => {
            (store::delete_person(&mut tx, &name).await?, "user deleted")
        }
    };
    if !found {
        return Err(OpsError::not_found("user", &name));
    }
    let closes_door = matches!(change, PersonChange::Disable | PersonChange::Delete);
    if closes_door && store::count_admins(&mut tx).await? == 0 {
        let detail = format!("{name} is the last administrator; make another one first");
        return Err(OpsError::Conflict(detail));
    }
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &who.actor,
        verb,
        subject: name,
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a change of a user"))?;
    Ok(())
}

/// All people.
///
/// # Errors
/// Not allowed, or the database.
pub async fn list_people(ops: &Ops, who: &Caller) -> Result<Vec<PersonRecord>, OpsError> {
    who.may(Action::ManagePeople)?;
    Ok(store::list_people(ops.state.read()).await?)
}

/// Is nobody there who could administer?
///
/// # Errors
/// When the database refuses.
pub async fn needs_setup(ops: &Ops) -> Result<bool, StoreError> {
    Ok(!store::list_people(ops.state.read())
        .await?
        .iter()
        .any(|person| person.role == Role::Admin && person.enabled))
}

/// A fresh session for a person who just proved themselves; gives the cookie's value.
///
/// # Errors
/// When the database refuses.
pub async fn begin_session(ops: &Ops, person: &PersonRecord) -> Result<String, OpsError> {
    let token = to_base64(&random::bytes::<32>());
    let now = ops.clock.now();
    let mut tx = ops.state.write().await?;
    store::delete_sessions_before(&mut tx, now.0 - SESSION_LIFE_MS, now.0 - SESSION_IDLE_MS)
        .await?;
    store::insert_session(&mut tx, &digest(token.as_bytes()), &person.id, now.0).await?;
    let event = NewEvent {
        at: now,
        actor: &Actor::person(&person.name),
        verb: "signed in",
        subject: person.name.clone(),
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a session"))?;
    Ok(token)
}

const API_TOKEN_PREFIX: &str = "oca_";

/// Is this the secret of an API token, and no session's?
pub fn is_api_token(text: &str) -> bool {
    text.starts_with(API_TOKEN_PREFIX)
}

/// Who has this session, if it is still good. A viewer's API token is one, too: that of a wall (`auth::kiosk`).
///
/// # Errors
/// When the database refuses.
pub async fn find_session(ops: &Ops, token: &str) -> Result<Option<(String, Role)>, StoreError> {
    if is_api_token(token) {
        let found = find_program(ops, token).await?;
        return Ok(found.filter(|(_, role)| *role == Role::Viewer));
    }
    let hash = digest(token.as_bytes());
    let now_ms = ops.clock.now().0;
    let Some(session) = store::find_session(ops.state.read(), &hash).await? else {
        return Ok(None);
    };
    let over = now_ms - session.created_at_ms > SESSION_LIFE_MS
        || now_ms - session.last_seen_at_ms > SESSION_IDLE_MS;
    if over {
        return Ok(None);
    }
    if now_ms - session.last_seen_at_ms > SEEN_STEP_MS {
        match touch(ops, &hash, now_ms).await {
            Err(error) if error.is_storage_unavailable() => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that a session was used could not be noted; it stays good all the same"
            ),
            touched => touched?,
        }
    }
    Ok(Some((session.name, session.role)))
}

async fn touch(ops: &Ops, hash: &[u8; 32], now_ms: i64) -> Result<(), StoreError> {
    let mut tx = ops.state.write().await?;
    store::touch_session(&mut tx, hash, now_ms).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a session's last use"))
}

/// Ends a session.
///
/// # Errors
/// When the database refuses.
pub async fn end_session(ops: &Ops, token: &str, name: &str) -> Result<(), OpsError> {
    let mut tx = ops.state.write().await?;
    store::delete_session(&mut tx, &digest(token.as_bytes())).await?;
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &Actor::person(name),
        verb: "signed out",
        subject: name.to_owned(),
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing the end of a session"))?;
    Ok(())
}

/// An API token just made; the only time its secret is seen.
#[derive(Debug, Clone)]
pub struct MadeApiToken {
    /// Public id.
    pub id: String,
    /// The whole token (`oca_…`).
    pub token: String,
    /// Until when it works.
    pub expires_at_ms: i64,
}

/// Makes an API token.
///
/// # Errors
/// Not allowed, wrong fields, or the database.
pub async fn create_api_token(
    ops: &Ops,
    who: &Caller,
    name: &str,
    role: Role,
    ttl: &str,
) -> Result<MadeApiToken, OpsError> {
    who.may(Action::ManagePeople)?;
    let mut errors = Vec::new();
    let name = clean_label(name);
    if name.is_empty() || name.chars().count() > 64 {
        errors.push(FieldError {
            field: "name".to_owned(),
            detail: "say in 1 to 64 characters what it is for".to_owned(),
        });
    }
    let ttl_ms = parse_duration_ms(ttl)
        .map_err(|error| error.to_string())
        .and_then(|ms| {
            if ms <= API_TOKEN_TTL_MS_MAX {
                Ok(ms)
            } else {
                Err("a token lives at most ten years".to_owned())
            }
        });
    if let Err(detail) = &ttl_ms {
        errors.push(FieldError {
            field: "ttl".to_owned(),
            detail: detail.clone(),
        });
    }
    let (true, Ok(ttl_ms)) = (errors.is_empty(), ttl_ms) else {
        return Err(OpsError::Invalid(errors));
    };
    let token = format!("{API_TOKEN_PREFIX}{}", to_base64(&random::bytes::<24>()));
    let now = ops.clock.now();
    let record = ApiTokenRecord {
        id: ApiTokenId::from_random(random::bytes()).to_string(),
        name,
        role,
        created_by: who.actor.to_string(),
        created_at_ms: now.0,
        expires_at_ms: now.plus_ms(ttl_ms).0,
        revoked_at_ms: None,
    };
    let mut tx = ops.state.write().await?;
    store::insert_api_token(&mut tx, &record, &digest(token.as_bytes())).await?;
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb: "API token created",
        subject: format!("{} {} ({})", record.id, record.name, role.as_str()),
        node_id: None,
        detail: format!("until {}", format_utc(Timestamp(record.expires_at_ms))),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing an API token"))?;
    Ok(MadeApiToken {
        id: record.id,
        token,
        expires_at_ms: record.expires_at_ms,
    })
}

/// All API tokens.
///
/// # Errors
/// Not allowed, or the database.
pub async fn list_api_tokens(ops: &Ops, who: &Caller) -> Result<Vec<ApiTokenRecord>, OpsError> {
    who.may(Action::ManagePeople)?;
    Ok(store::list_api_tokens(ops.state.read()).await?)
}

/// Takes an API token back.
///
/// # Errors
/// Not allowed, no such token, or the database.
pub async fn revoke_api_token(ops: &Ops, who: &Caller, id: &str) -> Result<(), OpsError> {
    who.may(Action::ManagePeople)?;
    let now = ops.clock.now();
    let mut tx = ops.state.write().await?;
    if !store::revoke_api_token(&mut tx, id, now.0).await? {
        return Err(OpsError::not_found("API token that still works", id));
    }
    let event = NewEvent {
        at: now,
        actor: &who.actor,
        verb: "API token revoked",
        subject: id.to_owned(),
        node_id: None,
        detail: String::new(),
    };
    events::store::append(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("committing a revocation"))?;
    Ok(())
}

/// What program has this token, if it still works.
///
/// # Errors
/// When the database refuses.
pub async fn find_program(ops: &Ops, token: &str) -> Result<Option<(String, Role)>, StoreError> {
    let found = store::find_api_token(ops.state.read(), &digest(token.as_bytes())).await?;
    let now_ms = ops.clock.now().0;
    Ok(found
        .filter(|token| token.revoked_at_ms.is_none() && token.expires_at_ms > now_ms)
        .map(|token| (format!("API token {}", token.name), token.role)))
}
