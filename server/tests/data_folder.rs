//! The data folder of the real program: for its owner alone, never silently replaced, never served from when damaged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the real clock"
)]

#[path = "support/ledger.rs"]
mod ledger;
mod support;

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use support::{Server, cli, cli_ok, program};

const LISTEN: &str = "127.0.0.1:0";

/// What a server that must not start says.
fn refused(data: &Path) -> String {
    // One that does start would go on.
    let mut command = std::process::Command::new("timeout");
    let output = command
        .arg("60")
        .arg(program(&[]).get_program())
        .args(["serve", "--listen", LISTEN, "--data"])
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "it said that it is ready");
    said
}

/// Everything after the first page becomes something else.
fn damage(file: &Path) {
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(length - 4096).unwrap()])
        .unwrap();
}

async fn run_sql(file: &Path, sql: &'static str) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

#[test]
fn databases_are_for_their_owner_alone_also_those_of_older_versions() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let assert_private = || {
        let mut seen = 0;
        for entry in std::fs::read_dir(&data).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if entry.file_name().to_string_lossy().contains(".db") {
                assert_eq!(mode, 0o600, "{}: {mode:o}", entry.path().display());
                seen += 1;
            }
        }
        assert!(seen >= 4, "both, and what SQLite puts beside them: {seen}");
    };
    let server = Server::start(&data, LISTEN);
    assert_private();
    server.kill();
    for file in ["state.db", "state.db-wal", "metrics.db", "keys/server.key"] {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(data.join(file), open).unwrap();
    }
    let _server = Server::start(&data, LISTEN);
    assert_private();
    let key = std::fs::metadata(data.join("keys/server.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_database_that_is_gone_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Server::start(&data, LISTEN).stop();
    let (state, kept) = (data.join("state.db"), data.join("kept"));
    std::fs::rename(&state, &kept).unwrap();
    for is_emptied in [false, true] {
        if is_emptied {
            std::fs::write(&state, "").unwrap();
        }
        let said = refused(&data);
        for part in [
            "state.db is missing or empty",
            "backup restore",
            "move this folder away",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let length = std::fs::metadata(&state).map_or(0, |meta| meta.len());
        assert_eq!(length, 0, "nothing was made");
    }
    std::fs::rename(&kept, &state).unwrap();
    // Without hosts no samples are missed.
    std::fs::remove_file(data.join("metrics.db")).unwrap();
    Server::start(&data, LISTEN).stop();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(enroll_one(&data));
    std::fs::write(data.join("metrics.db"), "").unwrap();
    let said = refused(&data);
    assert!(said.contains("metrics.db is missing or empty"), "{said}");
    assert_eq!(std::fs::metadata(data.join("metrics.db")).unwrap().len(), 0);
}

async fn enroll_one(data: &Path) {
    let server = Server::start(data, LISTEN);
    let fleet = ledger::fleet(data, &server.url, 1, 1_000, 1).await;
    ledger::wait_for_acknowledgements(&fleet, 1, &server).await;
    fleet.stopper().stop();
    let _outcome = fleet.finish().await;
    server.stop();
}

#[test]
fn a_damaged_database_ends_the_server_and_is_found_before_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, LISTEN);
    let token = cli_ok(
        &data,
        &["api-token", "create", "--name", "x", "--role", "viewer"],
    );
    server.stop();
    let server = Server::start(&data, LISTEN);
    damage(&data.join("state.db"));
    let mut stream = std::net::TcpStream::connect(server.listen()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(
        stream,
        "GET /api/v1/nodes HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    let _ended = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let log = data.with_file_name("server.log");
    assert_eq!(server.wait().code(), Some(1));
    let said = std::fs::read_to_string(log).unwrap();
    assert!(
        said.contains("is damaged") && said.contains("backup restore"),
        "{said}"
    );
    let said = refused(&data);
    assert!(said.contains("state.db: the database is damaged"), "{said}");
    let command = cli(&data, &["audit", "verify"]);
    assert_eq!(command.status.code(), Some(1));
}

#[test]
fn after_a_kill_the_databases_are_checked_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Server::start(&data, LISTEN).stop();
    // An index that lacks its entries is nothing that a start stumbles over.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run_sql(
        &data.join("metrics.db"),
        "CREATE TABLE t (a INTEGER NOT NULL); INSERT INTO t VALUES (1); PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = 'CREATE TABLE t (a TEXT NOT NULL, b TEXT NOT NULL)' WHERE name = 't'",
    ));
    let server = Server::start(&data, LISTEN);
    server.kill();
    let said = refused(&data);
    assert!(
        said.contains("metrics.db: the database is damaged"),
        "{said}"
    );
}
