//! Who may report: tokens, review, revocation, replacement, and agents of another version, against a whole server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::site;
use domain::access::Role;
use domain::fleet::Liveness;
use server::admin::{Command, execute::execute};

#[tokio::test]
async fn each_wrong_token_is_refused_by_name() {
    let site = site().await;
    let once = site.token(|_| ()).await;
    let agent = site.enroll(&once, 1, "a").await.ok().unwrap();
    let same = site.enroll(&once, 1, "a").await.ok().unwrap();
    assert_eq!(
        same.node_id, agent.node_id,
        "the same agent asking again gets the same answer"
    );
    assert_eq!(
        site.enroll(&once, 2, "b").await.err().unwrap().code(),
        "token_used"
    );
    let short = site.token(|new| new.ttl = "1s".to_owned()).await;
    site.clock.advance_ms(1_001);
    let expired = site.enroll(&short, 3, "c").await.err().unwrap();
    assert_eq!(
        (expired.status, expired.code().as_str()),
        (StatusCode::FORBIDDEN, "token_expired")
    );
    let other_site = common::site().await;
    let foreign = other_site.token(|_| ()).await;
    let fingerprint = protocol::keys::fingerprint(&site.ops.server_key.public());
    assert_ne!(
        foreign.server_fingerprint, fingerprint,
        "an agent stops here, before it sends anything"
    );
    let unknown = protocol::token::EnrollmentToken::new([9; 10], [9; 20], fingerprint);
    assert_eq!(
        site.enroll(&unknown, 4, "d").await.err().unwrap().code(),
        "token_unknown"
    );
    let guessed = protocol::token::EnrollmentToken::new(once.id, [0; 20], fingerprint);
    assert_eq!(
        site.enroll(&guessed, 5, "e").await.err().unwrap().code(),
        "signature_invalid"
    );
    let revoked = site.token(|_| ()).await;
    let id = domain::id::TokenId::from_random(revoked.id).to_string();
    server::enroll::service::revoke(&site.ops, &site.root(), &id)
        .await
        .ok()
        .unwrap();
    assert_eq!(
        site.enroll(&revoked, 6, "f").await.err().unwrap().code(),
        "token_revoked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_makes_one_node_however_many_ask_at_once() {
    let site = std::sync::Arc::new(site().await);
    for round in 0..20u8 {
        let token = site.token(|_| ()).await;
        let asking = (0..8u8).map(|i| {
            let (site, token) = (site.clone(), token.clone());
            tokio::spawn(async move { site.enroll(&token, 1 + round * 8 + i, "x").await.is_ok() })
        });
        let mut made = 0;
        for asked in asking.collect::<Vec<_>>() {
            made += u32::from(asked.await.unwrap());
        }
        assert_eq!(made, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_revoked_agent_is_refused_at_once_and_a_removed_node_is_gone() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let revoked = execute(
        &site.ops,
        0,
        Command::AgentRevoke {
            id: agent.host_id.clone(),
        },
    )
    .await;
    assert_eq!(revoked.exit, 0);
    let record = agent.record(2);
    assert_eq!(
        agent.send(&site, &[record]).await.err().unwrap().code(),
        "session_unknown"
    );
    assert_eq!(
        agent.hello(&site).await.err().unwrap().code(),
        "agent_revoked"
    );
    assert_eq!(site.stored(&agent).await.len(), 1);
    assert_eq!(
        execute(
            &site.ops,
            0,
            Command::NodeRemove {
                id: agent.node_id.clone()
            }
        )
        .await
        .exit,
        0
    );
    assert_eq!(
        agent.hello(&site).await.err().unwrap().code(),
        "agent_unknown"
    );
    let token = site.api_token(Role::Viewer).await;
    let gone = site
        .call("GET", &format!("/api/v1/nodes/{}", agent.node_id))
        .bearer(&token)
        .send()
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_node_with_a_token_for_review_waits_until_somebody_says_yes() {
    let site = site().await;
    let token = site.token(|new| new.review = true).await;
    let mut agent = site.enroll(&token, 1, "web-1").await.ok().unwrap();
    assert!(agent.hello(&site).await.ok().unwrap().pending_review);
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let liveness = || {
        site.ops
            .live
            .host_by_id(&agent.host_id)
            .unwrap()
            .liveness(site.clock.monotonic())
    };
    assert_eq!(liveness(), Liveness::PendingReview);
    assert_eq!(
        execute(
            &site.ops,
            0,
            Command::AgentApprove {
                id: agent.host_id.clone()
            }
        )
        .await
        .exit,
        0
    );
    assert_eq!(liveness(), Liveness::Live);
}

#[tokio::test]
async fn a_lost_node_is_replaced_and_a_living_one_is_not() {
    let site = site().await;
    let mut old = site.agent(1).await;
    let record = old.record(1);
    old.send(&site, &[record]).await.ok().unwrap();
    let token = site.token(|new| new.uses = 5).await;
    let refused = site
        .enroll_with(&token, 2, "new", Some(old.node_id.clone()))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "replace_refused");
    site.clock.advance_ms(34_000);
    let mut new = site
        .enroll_with(&token, 2, "new", Some(old.node_id.clone()))
        .await
        .ok()
        .unwrap();
    assert_eq!(
        (&new.node_id, &new.host_id),
        (&old.node_id, &old.host_id),
        "place and history stay"
    );
    assert_eq!(
        old.hello(&site).await.err().unwrap().code(),
        "signature_invalid",
        "the old key is no longer good"
    );
    new.hello(&site).await.ok().unwrap();
}

#[tokio::test]
async fn an_agent_of_another_protocol_is_told_which_side_to_update_and_served_once_it_was() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.unwrap();
    for (protocol, way_out) in [
        (protocol::OLDEST_ACCEPTED - 1, "update the agent"),
        (protocol::CURRENT + 1, "update this server"),
    ] {
        agent.protocol = protocol;
        let refused = agent.hello(&site).await.err().unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.code(), "protocol_unsupported");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains(&format!("protocol {protocol} ")) && detail.contains(way_out),
            "{detail}"
        );
        // One that comes anew is told the same, and its token is not used up by that.
        let token = site.token(|_| {}).await;
        let refused = site
            .enroll_by(&token, 9, |request| request.protocol = protocol)
            .await
            .err()
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.code(), "protocol_unsupported");
        assert!(refused.body.contains(way_out), "{}", refused.body);
        let seed = u8::try_from(protocol).unwrap() + 100;
        site.enroll_by(&token, seed, |_| {}).await.ok().unwrap();
    }
    for accepted in protocol::OLDEST_ACCEPTED..=protocol::CURRENT {
        agent.protocol = accepted;
        agent.hello(&site).await.unwrap();
        let record = agent.record(2);
        agent.send(&site, &[record]).await.unwrap();
    }
    let kept = 1 + usize::from(protocol::CURRENT - protocol::OLDEST_ACCEPTED + 1);
    assert_eq!(
        site.stored(&agent).await.len(),
        kept,
        "its node is the same"
    );
}

#[tokio::test]
async fn only_an_administrator_is_offered_to_approve_and_a_plain_form_does_it() {
    let site = site().await;
    let token = site.token(|new| new.review = true).await;
    let agent = site.enroll(&token, 1, "web-1").await.ok().unwrap();
    let page = format!("/nodes/{}", agent.node_id);
    let approve = format!("{page}/approve");
    let operator = site.sign_in_as(Role::Operator).await;
    assert!(
        !site
            .call("GET", &page)
            .cookie(&operator)
            .send()
            .await
            .body
            .contains(&approve)
    );
    assert_eq!(
        site.call("POST", &approve)
            .cookie(&operator)
            .send()
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let admin = site.sign_in_as(Role::Admin).await;
    assert!(
        site.call("GET", &page)
            .cookie(&admin)
            .send()
            .await
            .body
            .contains(&approve)
    );
    assert_eq!(
        site.call("POST", &approve)
            .cookie(&admin)
            .send()
            .await
            .location,
        page
    );
    assert!(
        !site
            .call("GET", &page)
            .cookie(&admin)
            .send()
            .await
            .body
            .contains(&approve)
    );
}
