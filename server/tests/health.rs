//! The server about itself: its metrics are valid, its lanes turn away, a full disk stores nothing and loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::site;
use domain::access::Role;
use domain::disk::{DiskLevel, DiskSpace};
use server::health::lanes::Lane;

const GIB: u64 = 1 << 30;

#[tokio::test]
async fn metrics_count_what_happened() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    agent.hello(&site).await.unwrap();
    let record = agent.record(500);
    agent.send(&site, &[record]).await.unwrap();
    let token = site.api_token(Role::Viewer).await;
    let answer = site.call("GET", "/metrics").bearer(&token).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    for line in [
        "opscenter_reports_total{outcome=\"stored\"} 1",
        "opscenter_agents{liveness=\"live\"} 1",
        "opscenter_report_commit_seconds_count 1",
        "opscenter_shed_total{lane=\"people\"} 0",
    ] {
        assert!(
            answer.body.lines().any(|found| found == line),
            "{line}\n{}",
            answer.body
        );
    }
    let about = site
        .call("GET", "/api/v1/about")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(about.json()["reports_stored"], 1);
    assert_eq!(about.json()["disk_level"], "ok");
}

#[tokio::test]
async fn metrics_pass_promtool() {
    let site = site().await;
    let token = site.api_token(Role::Viewer).await;
    let answer = site.call("GET", "/metrics").bearer(&token).send().await;
    let checked = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            common::skipped(
                "metrics_pass_promtool",
                &format!("promtool (Debian's prometheus) cannot be run: {error}"),
            );
            return;
        }
    };
    std::io::Write::write_all(&mut checked.stdin.take().unwrap(), answer.body.as_bytes()).unwrap();
    let output = checked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn a_full_disk_stores_nothing_and_acknowledges_nothing_until_there_is_room() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    agent.hello(&site).await.unwrap();
    let record = agent.record(500);
    let full = DiskSpace {
        free_bytes: GIB / 2,
        usable_bytes: 10 * GIB,
    };
    site.ops.disk.set(full);
    assert_eq!(site.ops.disk.level(), DiskLevel::NoSamples);
    let refused = agent
        .send(&site, std::slice::from_ref(&record))
        .await
        .unwrap_err();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "storage_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert!(site.stored(&agent).await.is_empty());
    // People are told on every page, and only they.
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site.call("GET", "/nodes").cookie(&cookie).send().await;
    assert!(
        page.body.contains("reports are not stored"),
        "{}",
        page.body
    );
    let door = site.call("GET", "/login").send().await;
    assert!(!door.body.contains("reports are not stored"));

    site.ops.disk.set(DiskSpace {
        free_bytes: 8 * GIB,
        usable_bytes: 10 * GIB,
    });
    agent.send(&site, &[record]).await.unwrap();
    assert_eq!(site.stored(&agent).await.len(), 1);
}

#[tokio::test]
async fn a_look_at_the_disk_tells_its_size_and_notes_a_change() {
    let site = site().await;
    server::health::disk::look(&site.ops).await;
    let space = site.ops.disk.space();
    assert!(space.usable_bytes > 0 && space.free_bytes <= space.usable_bytes);
    if site.ops.disk.level() == DiskLevel::Ok {
        let before = site.event_count().await;
        site.ops.disk.set(DiskSpace {
            free_bytes: 0,
            usable_bytes: GIB,
        });
        server::health::disk::look(&site.ops).await;
        // A disk of this machine that is nearly full by itself comes back to a warning only.
        assert!(matches!(
            site.ops.disk.level(),
            DiskLevel::Ok | DiskLevel::Warning
        ));
        assert_eq!(site.event_count().await, before + 1);
    }
}

#[tokio::test]
async fn a_full_lane_is_said_with_when_to_come_back_and_the_others_go_on() {
    let site = site().await;
    let token = site.api_token(Role::Viewer).await;
    let places: Vec<_> = (0..Lane::Programs.room())
        .map(|_| site.ops.lanes.enter(Lane::Programs).unwrap())
        .collect();
    let refused = site
        .call("GET", "/api/v1/nodes")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.is_problem());
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 2);
    let mut agent = site.agent(1).await;
    agent.hello(&site).await.unwrap();
    drop(places);
    let answer = site
        .call("GET", "/api/v1/nodes")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}
