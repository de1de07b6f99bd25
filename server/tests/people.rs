//! Signing in, and who may do so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::{PASSWORD, site};
use domain::access::Role;
use server::admin::{Command, Secret, execute::execute};
use server::events::{Actor, NewEvent, store};

#[tokio::test]
async fn the_first_administrator_is_made_once_with_the_code() {
    let site = site().await;
    let code = site.ops.setup.begin(site.clock.monotonic());
    assert_eq!(site.call("GET", "/").send().await.location, "/setup");
    let form = |code: &str, password: &str| {
        format!(
            "code={code}&user=Ada&password={}",
            password.replace(' ', "+")
        )
    };
    let wrong = site
        .call("POST", "/setup")
        .form(&form("nonsense", PASSWORD))
        .send()
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let weak = site
        .call("POST", "/setup")
        .form(&form(&code, "short"))
        .send()
        .await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(weak.body.contains("at least 12"), "{}", weak.body);
    assert!(
        weak.body.contains("value=\"ada\""),
        "what was typed is kept"
    );
    assert!(
        !weak.body.contains("value=\"short\""),
        "but not the password"
    );
    let made = site
        .call("POST", "/setup")
        .form(&form(&code, PASSWORD))
        .send()
        .await;
    assert_eq!(
        (made.status, made.location.as_str()),
        (StatusCode::SEE_OTHER, "/")
    );
    let cookie = made.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let again = site
        .call("POST", "/setup")
        .form(&form(&code, PASSWORD))
        .send()
        .await;
    assert_eq!(
        again.status,
        StatusCode::FORBIDDEN,
        "the code ends with the first administrator"
    );
    assert_eq!(site.call("GET", "/setup").send().await.location, "/login");
}

#[tokio::test]
async fn the_setup_code_lives_an_hour() {
    let site = site().await;
    let code = site.ops.setup.begin(site.clock.monotonic());
    site.clock.advance_ms(3_600_001);
    let late = site
        .call("POST", "/setup")
        .form(&format!(
            "code={code}&user=ada&password=correct+horse+battery"
        ))
        .send()
        .await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn signing_in_tells_nobody_which_half_was_wrong_and_leads_only_home() {
    let site = site().await;
    site.admin().await;
    let post = |user: &str, password: &str, next: &str| {
        format!(
            "user={user}&password={}&next={next}",
            password.replace(' ', "+")
        )
    };
    let nobody = site
        .call("POST", "/login")
        .form(&post("nobody", PASSWORD, "/"))
        .send()
        .await;
    let wrong = site
        .call("POST", "/login")
        .form(&post("ada", "not the password at all", "/"))
        .send()
        .await;
    assert_eq!(
        (nobody.status, wrong.status),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    for answer in [&nobody, &wrong] {
        assert!(
            answer.body.contains("User or password is wrong."),
            "{}",
            answer.body
        );
        assert!(answer.header("set-cookie").is_empty());
    }
    let right = site
        .call("POST", "/login")
        .form(&post("ADA", PASSWORD, "/nodes"))
        .send()
        .await;
    assert_eq!(
        (right.status, right.location.as_str()),
        (StatusCode::SEE_OTHER, "/nodes")
    );
    let foreign = site
        .call("POST", "/login")
        .form(&post("ada", PASSWORD, "//evil.example"))
        .send()
        .await;
    assert_eq!(foreign.location, "/");
}

#[tokio::test]
async fn guessing_is_slowed_before_any_hash_and_others_still_get_in() {
    let site = site().await;
    site.admin().await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = site
            .call("POST", "/login")
            .form("user=ada&password=guess+guess+guess&next=/")
            .send()
            .await;
        refused += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 20, "ten tries, then none");
    let told = site
        .call("POST", "/login")
        .form("user=ada&password=x&next=/")
        .send()
        .await;
    assert!(!told.header("retry-after").is_empty());
    site.clock.advance_ms(150_000);
    let right = site
        .call("POST", "/login")
        .form("user=ada&password=correct+horse+battery+staple&next=/")
        .send()
        .await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn sessions_end_when_idle_when_old_when_signed_out_and_when_the_person_goes() {
    let site = site().await;
    site.admin().await;
    let works = async |cookie: &str| {
        site.call("GET", "/").cookie(cookie).send().await.status == StatusCode::OK
    };
    let cookie = site.sign_in_as(Role::Viewer).await;
    assert!(works(&cookie).await);
    site.clock.advance_ms(11 * 3_600_000);
    assert!(works(&cookie).await, "used within twelve hours");
    site.clock.advance_ms(13 * 3_600_000);
    assert!(!works(&cookie).await, "idle for more than twelve hours");
    let operator = site.sign_in_as(Role::Operator).await;
    for _ in 0..17 {
        site.clock.advance_ms(10 * 3_600_000);
        works(&operator).await;
    }
    assert!(!works(&operator).await, "older than seven days");
    let admin = site.sign_in_as(Role::Admin).await;
    let out = site.call("POST", "/logout").cookie(&admin).send().await;
    assert_eq!(out.location, "/login");
    assert!(!works(&admin).await);
    let form = "user=person-admin&password=correct+horse+battery+staple&next=/";
    let back = site.call("POST", "/login").form(form).send().await;
    let cookie = back
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(works(&cookie).await);
    execute(
        &site.ops,
        0,
        Command::UserDisable {
            name: "person-admin".to_owned(),
        },
    )
    .await;
    assert!(!works(&cookie).await);
}

#[tokio::test]
async fn people_are_managed_by_commands_with_clear_refusals() {
    let site = site().await;
    let run = async |command: Command| execute(&site.ops, 0, command).await;
    let create = |name: &str, password: &str| Command::UserCreate {
        name: name.to_owned(),
        role: Role::Admin,
        password: Secret(password.to_owned()),
    };
    let weak = run(create("a b", "short")).await;
    assert_eq!(weak.exit, 2);
    let error = weak.error.unwrap();
    assert!(
        error.contains("user:") && error.contains("password:"),
        "both are named: {error}"
    );
    assert_eq!(run(create("ada", PASSWORD)).await.exit, 0);
    assert_eq!(
        run(create("ADA", PASSWORD)).await.exit,
        1,
        "names are the same in any case"
    );
    let last = run(Command::UserDelete {
        name: "ada".to_owned(),
    })
    .await;
    assert_eq!(last.exit, 1);
    assert!(last.error.unwrap().contains("last administrator"));
    assert_eq!(
        run(Command::UserDisable {
            name: "nobody".to_owned()
        })
        .await
        .exit,
        1
    );
    let listed = run(Command::UserList).await;
    assert_eq!(listed.json["items"][0]["name"], "ada");
    assert!(!listed.text.contains("argon2"));
}

#[tokio::test]
async fn every_change_is_in_the_log_and_the_log_shows_when_it_was_changed() {
    let site = site().await;
    site.admin().await;
    site.sign_in_as(Role::Viewer).await;
    site.api_token(Role::Viewer).await;
    let whole = execute(&site.ops, 0, Command::AuditVerify).await;
    assert_eq!((whole.exit, whole.text.as_str()), (0, "ok 4"));
    let event = NewEvent {
        at: site.clock.now(),
        actor: &Actor::Server,
        verb: "tested",
        subject: "log".to_owned(),
        node_id: None,
        detail: String::new(),
    };
    for (sql, bad) in [
        ("DELETE FROM event WHERE seq = 4", "4"),
        // What comes after a truncated log does not hide it.
        ("", "4"),
        ("DELETE FROM event WHERE seq > 3", "4"),
        ("DELETE FROM event_head", "4"),
        ("UPDATE event SET detail = x'ff00' WHERE seq = 3", "3"),
        (
            "UPDATE event SET subject = 'somebody else' WHERE seq = 2",
            "2",
        ),
        ("DELETE FROM event WHERE seq = 3", "2"),
        ("UPDATE event SET seq = 0 WHERE seq = 1", "1"),
    ] {
        let mut tx = site.ops.state.write().await.unwrap();
        if sql.is_empty() {
            store::append(&mut tx, event.clone()).await.unwrap();
        } else {
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        let broken = execute(&site.ops, 0, Command::AuditVerify).await;
        assert_eq!((broken.exit, broken.text.as_str()), (1, bad), "{sql}");
    }
}

#[tokio::test]
async fn no_secret_is_found_in_the_data_folder() {
    let site = site().await;
    let code = site.ops.setup.begin(site.clock.monotonic());
    site.admin().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let api_token = site.api_token(Role::Viewer).await;
    let enrollment = site.token(|_| ()).await.reveal();
    let secrets = [
        PASSWORD,
        cookie.split('=').nth(1).unwrap(),
        &api_token,
        &enrollment,
        &code,
    ];
    for file in std::fs::read_dir(site.folder.path())
        .unwrap()
        .flatten()
        .filter(|file| file.path().is_file())
    {
        let bytes = std::fs::read(file.path()).unwrap();
        for secret in secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", file.path().display());
        }
    }
}

/// Live connections ask for their session together: what one of them was told is no older than a second.
#[tokio::test]
async fn live_connections_lose_their_session_within_a_second() {
    let site = site().await;
    site.admin().await;
    let token = async |role: Role| {
        let cookie = site.sign_in_as(role).await;
        cookie.split('=').nth(1).unwrap().to_owned()
    };
    let is_open = async |token: &str| {
        site.ops
            .open_sessions
            .is_open(&site.ops, token)
            .await
            .unwrap()
    };
    let viewer = token(Role::Viewer).await;
    assert!(is_open(&viewer).await);
    assert!(!is_open("not a token").await);
    let operator = token(Role::Operator).await;
    assert!(is_open(&operator).await, "newer than what was read");
    let signed_out = site
        .call("POST", "/logout")
        .cookie(&format!("opscenter={operator}"))
        .send()
        .await;
    assert_eq!(signed_out.location, "/login");
    let disable = Command::UserDisable {
        name: "person-viewer".to_owned(),
    };
    site.clock.advance_ms(1_000);
    assert!(!is_open(&operator).await && is_open(&viewer).await);
    execute(&site.ops, 0, disable).await;
    site.clock.advance_ms(1_000);
    assert!(!is_open(&viewer).await);
    // Looking is using: a page that is open for a day does not end its session by saying nothing.
    let admin = token(Role::Admin).await;
    for _ in 0..25 {
        site.clock.advance_ms(3_600_000);
        assert!(is_open(&admin).await);
    }
    site.clock.advance_ms(12 * 3_600_000 + 1);
    assert!(!is_open(&admin).await, "nobody looked for twelve hours");
}
