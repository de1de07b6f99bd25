//! Backups: whole while reports come in, refused when anything of them was changed, restored into an empty folder, made
//! when they are due, and made before a schema changes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{Site, site, site_in};
use domain::access::Role;
use server::backup::{BackupError, create, restore, schedule, verify};
use server::db::Db;
use server::events::Actor;

const DAY_MS: u64 = 86_400_000;

/// How many backups under load; all of them with `--long`.
fn rounds() -> usize {
    if std::env::var_os("OPSCENTER_TEST_LONG").is_some() {
        50
    } else {
        5
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn restored(file: &Path) -> Site {
    let folder = scratch();
    restore::restore(file, folder.path(), Actor::CommandLine(0))
        .await
        .unwrap();
    site_in(folder).await
}

#[tokio::test]
async fn backups_under_load_are_whole_and_hold_what_was_acknowledged_before() {
    let site = site().await;
    let folder = scratch();
    let mut agent = site.agent(1).await;
    let mut acknowledged = 0;
    for round in 0..rounds() {
        for _ in 0..20 {
            let record = agent.record(500);
            agent.send(&site, &[record]).await.unwrap();
            acknowledged += 1;
        }
        let file = folder.path().join(format!("{round}.tar"));
        let more = agent.record(501);
        let (made, sent) = tokio::join!(
            create::create(&site.ops, &file),
            agent.send(&site, std::slice::from_ref(&more))
        );
        made.unwrap();
        sent.unwrap();
        acknowledged += 1;
        let verified = verify::verify(&file).await.unwrap();
        assert!(verified.events > 0);
        let copy = restored(&file).await;
        let stored = copy.stored(&agent).await.len();
        assert!(
            stored == acknowledged || stored == acknowledged - 1,
            "{stored} of {acknowledged}"
        );
    }
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|kind| kind != "tar"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_restored_server_is_the_same_one_and_says_that_it_was_restored() {
    let site = site().await;
    let folder = scratch();
    let file = folder.path().join("oc.tar");
    site.sign_in_as(Role::Admin).await;
    let mut agent = site.agent(1).await;
    let record = agent.record(500);
    agent.send(&site, &[record]).await.unwrap();
    create::create(&site.ops, &file).await.unwrap();
    // What comes after the backup is lost with the disk, and the agent has let go of it.
    for cpu in 0..3 {
        let record = agent.record(cpu);
        agent.send(&site, &[record]).await.unwrap();
    }
    let copy = restored(&file).await;
    assert_eq!(
        copy.ops.server_key.public(),
        site.ops.server_key.public(),
        "agents trust this key alone"
    );
    let token = copy.api_token(Role::Viewer).await;
    agent.hello(&copy).await.unwrap();
    let record = agent.record(7);
    agent.send(&copy, &[record]).await.unwrap();
    assert_eq!(copy.stored(&agent).await.len(), 2);
    let events = copy
        .call("GET", "/api/v1/events")
        .bearer(&token)
        .send()
        .await
        .body;
    assert!(events.contains("server restored from a backup"), "{events}");
    assert!(
        events.contains("server holds less than it acknowledged"),
        "{events}"
    );
    let gaps: Vec<String> = sqlx::query_scalar("SELECT reason FROM gap")
        .fetch_all(copy.ops.metrics.read())
        .await
        .unwrap();
    assert_eq!(gaps, ["server_restored"]);
}

#[tokio::test]
async fn a_changed_or_cut_backup_is_refused_and_nothing_is_restored() {
    let site = site().await;
    let folder = scratch();
    let file = folder.path().join("oc.tar");
    create::create(&site.ops, &file).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let bad = folder.path().join("bad.tar");
    let content = |name: &str| {
        let at = whole
            .windows(name.len())
            .rposition(|bytes| bytes == name.as_bytes())
            .unwrap();
        at + 512
    };
    let flips = ["state.db", "metrics.db", "server.key"]
        .map(|name| (format!("flipped in {name}"), content(name)));
    for (name, at) in flips {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&bad, bytes).unwrap();
        assert!(verify::verify(&bad).await.is_err(), "{name}");
    }
    for length in (0..whole.len() - 1_024).step_by(7_919) {
        std::fs::write(&bad, &whole[..length]).unwrap();
        let error = verify::verify(&bad).await.unwrap_err();
        assert!(
            matches!(error, BackupError::NotWhole { .. }),
            "{length}: {error}"
        );
        let target = folder.path().join("target");
        let refused = restore::restore(&bad, &target, Actor::CommandLine(0)).await;
        assert!(refused.is_err());
        assert!(!target.exists(), "what could not be restored is not there");
    }
    std::fs::write(&bad, b"something else").unwrap();
    let error = verify::verify(&bad).await.unwrap_err().to_string();
    assert!(error.contains("bad.tar is not a whole backup"), "{error}");
}

#[tokio::test]
async fn product_packs_are_in_a_backup_and_checked_and_restored() {
    let site = site().await;
    let packs = site.folder.path().join("packs");
    std::fs::create_dir(&packs).unwrap();
    std::fs::write(packs.join("shop.toml"), "name = \"shop\"").unwrap();
    std::fs::write(packs.join("notes.txt"), "no pack").unwrap();
    let folder = scratch();
    let file = folder.path().join("oc.tar");
    let manifest = create::create(&site.ops, &file).await.unwrap();
    let last = manifest.files.last().unwrap();
    assert_eq!(
        (manifest.files.len(), last.name.as_str()),
        (4, "packs/shop.toml")
    );
    let copy = restored(&file).await;
    let text = std::fs::read_to_string(copy.folder.path().join("packs/shop.toml")).unwrap();
    assert_eq!(text, "name = \"shop\"");
    assert_eq!(copy.ops.packs.packs.len(), 1);

    let whole = std::fs::read(&file).unwrap();
    let replace = |from: &[u8], to: &[u8]| {
        let mut bytes = whole.clone();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
        std::fs::write(folder.path().join("bad.tar"), bytes).unwrap();
        folder.path().join("bad.tar")
    };
    for (from, to) in [
        ("name = \"shop\"", "name = \"shoq\""),
        ("packs/shop.toml", "packs/../op.toml"),
    ] {
        let bad = replace(from.as_bytes(), to.as_bytes());
        let error = verify::verify(&bad).await.unwrap_err();
        assert!(
            matches!(error, BackupError::NotWhole { .. }),
            "{to}: {error}"
        );
    }
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let site = site().await;
    let folder = scratch();
    let file = folder.path().join("oc.tar");
    create::create(&site.ops, &file).await.unwrap();
    let before = std::fs::read(&file).unwrap();
    let again = create::create(&site.ops, &file).await.unwrap_err();
    assert!(matches!(again, BackupError::Exists { .. }), "{again}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let full = scratch();
    std::fs::write(full.path().join("precious"), "x").unwrap();
    let refused = restore::restore(&file, full.path(), Actor::CommandLine(0))
        .await
        .unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    assert_eq!(std::fs::read_dir(full.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_backup_is_made_each_day_and_three_are_kept() {
    let site = site().await;
    let folder = site.folder.path().join("backups");
    let count = || std::fs::read_dir(&folder).unwrap().count();
    assert!(
        schedule::make_what_is_due(&site.ops)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        schedule::make_what_is_due(&site.ops)
            .await
            .unwrap()
            .is_none()
    );
    for day in 2..6 {
        site.clock.advance_ms(DAY_MS);
        let made = schedule::make_what_is_due(&site.ops)
            .await
            .unwrap()
            .unwrap();
        verify::verify(&made).await.unwrap();
        assert_eq!(count(), day.min(3));
    }
}

#[tokio::test]
async fn a_database_is_copied_before_its_schema_changes() {
    let folder = scratch();
    let versions = folder.path().join("migrations");
    std::fs::create_dir(&versions).unwrap();
    let step = |name: &str, sql: &str| std::fs::write(versions.join(name), sql).unwrap();
    let path = folder.path().join("state.db");
    step("0001_first.sql", "CREATE TABLE thing (name TEXT NOT NULL);");
    let old = sqlx::migrate::Migrator::new(versions.as_path())
        .await
        .unwrap();
    let db = Db::open(&path, &old).await.unwrap();
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO thing VALUES ('kept')")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    assert!(
        !folder.path().join("backups").exists(),
        "a new one has nothing to lose"
    );

    step("0002_worse.sql", "DELETE FROM thing;");
    let new = sqlx::migrate::Migrator::new(versions.as_path())
        .await
        .unwrap();
    Db::open(&path, &new).await.unwrap().close().await;
    let copy = folder.path().join("backups/state-before-schema-2.db");
    let kept = Db::open(&copy, &old).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM thing")
        .fetch_all(kept.read())
        .await
        .unwrap();
    assert_eq!(names, ["kept"]);
}
