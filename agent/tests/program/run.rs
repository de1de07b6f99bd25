//! The running agent against a server that behaves as each test wants.

use std::time::Duration;

use crate::support::{Agent, FakeServer, NODE, stderr, stdout};
use nix::sys::signal::Signal;
use protocol::v1::report::Facts;
use protocol::wire;

fn seqs(server: &FakeServer) -> Vec<u64> {
    server
        .state()
        .records
        .iter()
        .map(|record| record.seq)
        .collect()
}

#[test]
fn it_reports_says_ready_and_says_goodbye() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    assert_eq!(running.wait_ready(), format!("ready {NODE}\n"));
    server.wait_for("a third record", |state| state.records.len() >= 3);

    let output = agent.output(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let status: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let mut fields: Vec<&str> = status
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "enrolled",
            "interval_s",
            "last_ack_at_ms",
            "last_refusal",
            "node_id",
            "policy",
            "server",
            "spool_records"
        ]
    );
    assert_eq!(
        (&status["node_id"], &status["enrolled"]),
        (&NODE.into(), &true.into())
    );
    assert!(status["last_ack_at_ms"].as_i64().unwrap() > 0);
    assert_eq!(
        (&status["interval_s"], &status["policy"]),
        (&10.into(), &"observe only".into())
    );

    // Another process with the same folder is turned away.
    let second = agent.output(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("used by another"),
        "{}",
        stderr(&second)
    );

    assert_eq!(running.stop(), Some(0));
    let state = server.state();
    let (first, last) = (
        state.records.first().unwrap(),
        state.records.last().unwrap(),
    );
    assert_eq!((last.goodbye, first.goodbye), (Some(true), None));
    assert!(first.collectors.as_ref().unwrap().len() == 12);
    let facts: Facts = wire::decode("facts", first.facts.as_ref().unwrap()).unwrap();
    assert!(!facts.hostname.is_empty() && facts.memory_bytes > Some(0));
    assert_eq!(
        state
            .records
            .iter()
            .filter(|record| record.facts.is_some())
            .count(),
        1
    );
    // The first sample has no rates; later ones have.
    let has = |at: usize, metric: i64| {
        state.records[at]
            .samples()
            .any(|(_, number, _)| number == metric)
    };
    assert!(!has(0, 1) && has(1, 1) && has(0, 21));
}

#[test]
fn an_ordinary_report_is_small() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    // Not faster than configured: nobody watches.
    std::fs::write(agent.path("agent.toml"), "interval = \"1s\"\n").unwrap();
    let mut running = agent.run();
    running.wait_ready();
    server.wait_for("a fifth report", |state| state.report_bytes.len() >= 5);
    let state = server.state();
    // Lists and outcomes come when they are news; what remains comes every time.
    let ordinary = |at: &usize| {
        let record = &state.records[*at];
        record.sections.is_none() && record.collectors.is_none()
    };
    let at = (2..state.report_bytes.len()).find(ordinary).unwrap();
    let (bytes, instances) = (state.report_bytes[at], state.records[at].groups.len());
    // 600 bytes for the host and five instances; more instances may cost more.
    assert!(
        bytes <= 600 + instances.saturating_sub(6) * 60,
        "{bytes} bytes with {instances} groups"
    );
}

#[test]
fn numbers_rise_over_a_kill_and_are_never_reused() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    for _ in 0..3 {
        let mut running = agent.run();
        running.wait_ready();
        running.signal(Signal::SIGKILL);
        running.child.wait().unwrap();
    }
    let seqs = seqs(&server);
    assert!(
        seqs.len() >= 3 && seqs.windows(2).all(|pair| pair[0] < pair[1]),
        "{seqs:?}"
    );
    let state = server.state();
    let processes: std::collections::BTreeSet<_> =
        state.hellos.iter().map(|hello| hello.process).collect();
    assert_eq!(processes.len(), 3);
    assert!(state.hellos.last().unwrap().acked_digest.is_some());
}

#[test]
fn a_forged_acknowledgement_is_ignored_and_the_record_comes_again() {
    let server = FakeServer::start();
    server.state().forged_acks = 2;
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    running.wait_ready();
    assert_eq!(seqs(&server).first(), Some(&1));
    assert!(
        running
            .log()
            .contains("valid authentication code was ignored"),
        "{}",
        running.log()
    );
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_lost_session_begins_anew_without_a_lost_record() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    running.wait_ready();
    server.state().forget_session();
    server.wait_for("a second hello", |state| state.hellos.len() == 2);
    server.wait_for("more records", |state| state.records.len() >= 4);
    assert_eq!(running.stop(), Some(0));
    let seqs = seqs(&server);
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{seqs:?}"
    );
}

#[test]
fn a_poisoned_record_is_dropped_alone_and_told() {
    let server = FakeServer::start();
    server.state().poison_seq = Some(3);
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    running.wait_ready();
    server.wait_for("a record that tells the loss", |state| {
        state.records.iter().any(|record| record.lost.is_some())
    });
    let state = server.state();
    let lost = state
        .records
        .iter()
        .find_map(|record| record.lost.clone())
        .unwrap();
    assert_eq!((lost.records, lost.reason.as_str()), (1, "refused"));
    assert!(state.records.iter().all(|record| record.seq != 3));
    assert!(
        running.log().contains("record 3 was refused for good"),
        "{}",
        running.log()
    );
}

#[test]
fn a_server_that_is_away_at_first_gets_everything_later() {
    // A port that is free, and stays so for the moment.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let away = format!("http://127.0.0.1:{port}");
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    std::fs::write(
        agent.path("agent.toml"),
        format!("server = \"{away}\"\ninterval = \"1s\"\n"),
    )
    .unwrap();
    let mut running = agent.run();
    running.wait_log("sampling goes on");
    std::thread::sleep(Duration::from_millis(3_500));
    let back = FakeServer::start_on(&format!("127.0.0.1:{port}"));
    back.state().agent_key = server.state().agent_key;
    back.state().records_max = 3;
    assert_eq!(running.wait_ready(), format!("ready {NODE}\n"));
    back.wait_for("what waited", |state| state.records.len() >= 4);
    let seqs = seqs(&back);
    assert_eq!(seqs.first(), Some(&1));
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{seqs:?}"
    );
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_revoked_agent_keeps_everything_and_goes_on_trying() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    server
        .state()
        .refuse_hello
        .push_back((403, "agent_revoked"));
    let mut running = agent.run();
    running.wait_log("until somebody acts");
    assert!(running.child.try_wait().unwrap().is_none());
    let why = "HTTP 403: as the test wants (agent_revoked) at ";
    let status = agent.output(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(stdout(&status).contains(why), "{}", stdout(&status));
    let finding = format!("has taken nothing since: {why}");
    assert!(stderr(&status).contains(&finding), "{}", stderr(&status));
    let last_refusal = || -> serde_json::Value {
        let status = agent.output(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        status["last_refusal"].clone()
    };
    let last = last_refusal();
    assert_eq!(last["code"], "agent_revoked");
    assert_eq!(last["status"], 403);
    assert!(last["at_ms"].as_i64().unwrap() > 0);
    let doctor = agent.output(&["doctor"]);
    let found = format!("FINDING  last refusal           the server said: {why}");
    assert!(stdout(&doctor).contains(&found), "{}", stdout(&doctor));
    // A person who decided need not wait: SIGHUP tries at once.
    running.signal(Signal::SIGHUP);
    assert_eq!(running.wait_ready(), format!("ready {NODE}\n"));
    assert!(agent.path("state/key").exists());
    // It stays known, and is nothing to act on any more.
    assert_eq!(last_refusal(), last);
    let status = agent.output(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", stderr(&status));
    let doctor = stdout(&agent.output(&["doctor"]));
    assert!(doctor.contains("it has taken reports since"), "{doctor}");
}

#[test]
fn a_server_of_another_protocol_is_told_from_one_that_is_away_and_gets_everything_once_it_is_not() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    std::fs::write(agent.path("agent.toml"), "interval = \"1s\"\n").unwrap();
    // Its next version does not know ours any more, nor the session of before.
    server.state().forget_session();
    server
        .state()
        .refuse_hello
        .extend([(422, "protocol_unsupported"); 2]);
    let mut running = agent.run();
    running.wait_log("until somebody acts");
    let status = agent.output(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(
        stdout(&status).contains("(protocol_unsupported)"),
        "{}",
        stdout(&status)
    );
    let waiting = || -> u64 {
        let status = agent.output(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        status["spool_records"].as_u64().unwrap()
    };
    crate::support::until("records to wait", || waiting() >= 3);
    running.signal(Signal::SIGHUP);
    crate::support::until("it to be tried again", || {
        server.state().refuse_hello.is_empty()
    });
    // One side was updated.
    running.signal(Signal::SIGHUP);
    running.wait_ready();
    assert_eq!(running.stop(), Some(0));
    assert!(server.state().records.len() > 3);
    assert_all_of_it(&server);
}

#[test]
fn a_new_epoch_renumbers_what_waits() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    server.state().epoch = 5;
    let mut running = agent.run();
    running.wait_ready();
    let first = server.state().records[0].clone();
    assert_eq!((first.epoch, first.seq), (5, 1));
    server
        .state()
        .refuse_report
        .push_back((409, "sequence_forked"));
    server.wait_for("a hello that wants a new epoch", |state| {
        state
            .hellos
            .last()
            .is_some_and(|hello| hello.wants_new_epoch)
    });
    assert_eq!(running.stop(), Some(0));
    assert!(
        server
            .state()
            .hellos
            .iter()
            .all(|hello| hello.epoch == 1 || hello.epoch == 5)
    );
}

#[test]
fn wrong_settings_at_a_reload_leave_the_old_ones() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    running.wait_ready();
    std::fs::write(
        agent.path("agent.toml"),
        "interval = \"0s\"\nnonsense = 1\n",
    )
    .unwrap();
    running.signal(Signal::SIGHUP);
    running.wait_log("the old ones stay");
    assert!(running.log().contains("`interval = ") && running.log().contains("`nonsense`"));
    std::fs::write(
        agent.path("agent.toml"),
        "interval = \"30s\"\n[collectors]\ncpu = false\n",
    )
    .unwrap();
    running.signal(Signal::SIGHUP);
    server.wait_for("the new interval", |state| {
        state
            .hellos
            .last()
            .is_some_and(|hello| hello.interval_s == 30)
    });
    assert_eq!(running.stop(), Some(0));
}

/// The numbers that a server holds at the end: every one that was ever given, in order, none twice.
fn assert_all_of_it(server: &FakeServer) {
    let seqs = seqs(server);
    let expected: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, expected);
    let lost: Vec<_> = server
        .state()
        .records
        .iter()
        .filter_map(|record| record.lost.clone())
        .collect();
    assert_eq!(lost, []);
}

#[test]
fn a_killed_agent_loses_nothing_that_it_measured() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    std::fs::write(agent.path("agent.toml"), "interval = \"1s\"\n").unwrap();
    for round in 1..=4u64 {
        server
            .state()
            .refuse_report
            .extend(std::iter::repeat_n((503, "overloaded"), 1_000));
        let mut running = agent.run();
        let waiting = || {
            let output = agent.output(&["status", "--json"]);
            let status: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
            status["spool_records"].as_u64().unwrap()
        };
        // Kills while records wait, and at no particular instant of a write.
        while waiting() < round + 1 {
            std::thread::sleep(Duration::from_millis(7 * round));
        }
        running.signal(Signal::SIGKILL);
        running.child.wait().unwrap();
        assert!(waiting() > round, "the disk knows what waits");
    }
    server.state().refuse_report.clear();
    let mut running = agent.run();
    running.wait_ready();
    server.wait_for("what waited", |state| state.records.len() >= 6);
    assert_eq!(running.stop(), Some(0));
    assert_all_of_it(&server);
    assert_eq!(server.state().doubled, 0);
    let boots = |state: &crate::support::State| state.records.iter().all(|r| r.boot_id.is_none());
    assert!(boots(&server.state()));
}

#[test]
fn an_acknowledgement_that_was_lost_on_the_way_costs_nothing() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    for _ in 0..3 {
        // Stored, and not acknowledged in a way that counts; then killed.
        server.state().forged_acks = 1;
        let mut running = agent.run();
        running.wait_log("valid authentication code was ignored");
        running.signal(Signal::SIGKILL);
        running.child.wait().unwrap();
    }
    let mut running = agent.run();
    running.wait_ready();
    assert_eq!(running.stop(), Some(0));
    assert_all_of_it(&server);
}

#[test]
fn a_stop_leaves_for_the_next_start_what_a_server_did_not_take() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    server
        .state()
        .refuse_report
        .extend(std::iter::repeat_n((503, "storage_unavailable"), 1_000));
    let mut running = agent.run();
    running.wait_log("sampling goes on");
    assert_eq!(running.stop(), Some(0));
    assert!(
        running.log().contains("wait for the next start"),
        "{}",
        running.log()
    );
    server.state().refuse_report.clear();
    let mut running = agent.run();
    running.wait_ready();
    assert_eq!(running.stop(), Some(0));
    assert_all_of_it(&server);
}

#[test]
fn a_request_that_hangs_does_not_hold_up_a_stop() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    server.state().is_hanging = true;
    let mut running = agent.run();
    server.wait_for("a report", |state| {
        state
            .requests
            .iter()
            .any(|(line, _)| line.ends_with("report"))
    });
    assert_eq!(running.stop(), Some(0));
    assert!(
        running.log().contains("stopped while a request hung"),
        "{}",
        running.log()
    );
    server.state().is_hanging = false;
    let mut running = agent.run();
    running.wait_ready();
    assert_eq!(seqs(&server).first(), Some(&1));
}

#[test]
fn retry_after_is_followed() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    {
        let mut state = server.state();
        state.retry_after_s = Some(3);
        state.refuse_report.push_back((429, "overloaded"));
    }
    std::fs::write(agent.path("agent.toml"), "interval = \"1s\"\n").unwrap();
    let mut running = agent.run();
    running.wait_ready();
    // Without the header the first new attempt comes within a second, and holds what was refused and one more at most.
    assert!(
        server.state().batches[0] >= 3,
        "{:?}",
        server.state().batches
    );
    assert_eq!(seqs(&server).first(), Some(&1));
}

#[test]
fn a_disk_that_refuses_is_said_and_costs_nothing_while_the_agent_runs() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    // A file in the folder's place: nothing can be written there.
    std::fs::write(agent.path("state/spool"), "").unwrap();
    let mut running = agent.run();
    running.wait_ready();
    running.wait_log("records wait in memory meanwhile");
    let told = |state: &crate::support::State| {
        let runs = state.records.iter().filter_map(|r| r.collectors.as_ref());
        runs.flatten()
            .any(|run| run.collector == 11 && run.outcome == 2)
    };
    server.wait_for("the server to know", |state| told(state));
    std::fs::remove_file(agent.path("state/spool")).unwrap();
    running.wait_log("the disk takes records again");
    assert_eq!(running.stop(), Some(0));
    assert_all_of_it(&server);
}

/// Why there can be no small disk here, if so.
fn no_small_disk() -> Option<&'static str> {
    let made = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs -o size=1m none /tmp"])
        .status();
    let is_made = made.is_ok_and(|status| status.success());
    (!is_made).then_some("a disk of its own size needs root and `unshare`")
}

#[test]
fn on_a_full_disk_sampling_goes_on_and_once_there_is_room_everything_arrives() {
    const NAME: &str = "on_a_full_disk_sampling_goes_on_and_once_there_is_room_everything_arrives";
    if let Some(reason) = no_small_disk() {
        return crate::support::skipped(NAME, reason);
    }
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    std::fs::write(agent.path("agent.toml"), "interval = \"1s\"\n").unwrap();
    std::fs::rename(agent.path("state"), agent.path("kept")).unwrap();
    std::fs::create_dir(agent.path("state")).unwrap();
    // The disk is this agent's alone, and ends with it.
    let script = format!(
        "mount -t tmpfs -o size=1m,mode=700 none '{0}' && cp -a '{1}/.' '{0}' && exec \"$0\" \"$@\"",
        agent.path("state").display(),
        agent.path("kept").display()
    );
    let mut running = agent.run_within(&["unshare", "--mount", "sh", "-c", &script]);
    running.wait_ready();
    let seen = format!(
        "/proc/{}/root{}",
        running.child.id(),
        agent.path("state").display()
    );
    let filler = std::path::Path::new(&seen).join("filler");
    server
        .state()
        .refuse_report
        .extend([(503, "storage_unavailable"); 4]);
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write(&mut file, &[7; 1_000]).is_ok() {}
    drop(file);
    running.wait_log("records wait in memory meanwhile");
    let held = server.state().records.len();
    // Told to whoever asks on the host.
    let look = |words: &[&str]| {
        let pid = running.child.id().to_string();
        let inner = agent.command(words);
        let mut command = std::process::Command::new("nsenter");
        command.args(["--mount", "--target", &pid]);
        command.arg(inner.get_program()).args(inner.get_args());
        stdout(&command.output().unwrap())
    };
    let doctor = look(&["doctor"]);
    assert!(doctor.contains("takes no records"), "{doctor}");
    let status = look(&["status"]);
    assert!(status.contains("(storage_unavailable)"), "{status}");
    // And to the server, which is full for a while, too.
    let told = |state: &crate::support::State| {
        let runs = state.records.iter().filter_map(|r| r.collectors.as_ref());
        runs.flatten()
            .any(|run| run.collector == 11 && run.outcome == 2)
    };
    server.wait_for("the server to know", |state| told(state));
    server.wait_for("what waited", |state| state.records.len() > held + 3);
    std::fs::remove_file(&filler).unwrap();
    running.wait_log("the disk takes records again");
    assert_eq!(running.stop(), Some(0));
    assert_all_of_it(&server);
}

#[test]
fn lists_come_when_they_are_news_and_again_after_a_hello_of_a_server_that_has_none() {
    use protocol::v1::section::{KIND_SOCKETS, Sockets};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let mut running = agent.run();
    running.wait_ready();
    let sent = |state: &crate::support::State| {
        let sections = state
            .records
            .iter()
            .flat_map(|r| r.sections.iter().flatten());
        sections
            .filter(|section| section.kind == KIND_SOCKETS)
            .cloned()
            .collect::<Vec<_>>()
    };
    server.wait_for("a list of sockets", |state| !sent(state).is_empty());
    let first: Sockets = wire::decode("sockets", &sent(&server.state())[0].body).unwrap();
    assert!(first.listeners.iter().any(|l| l.port == port), "{first:?}");
    let before = sent(&server.state()).len();
    server.state().forget_session();
    server.wait_for("the list again", |state| sent(state).len() > before);
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn what_the_settings_say_about_the_host_is_told_at_hello_and_anew_at_a_reload() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let settings =
        |tag: &str| format!("name = \"shop front\"\ncluster = \"web\"\n[tags]\nrack = \"{tag}\"\n");
    std::fs::write(agent.path("agent.toml"), settings("r1")).unwrap();
    let mut running = agent.run();
    running.wait_ready();
    let told = server.state().hellos[0].suggested.clone().unwrap();
    assert_eq!(
        (told.name.as_deref(), told.cluster.as_deref()),
        (Some("shop front"), Some("web"))
    );
    assert_eq!(told.tags, [("rack".to_owned(), "r1".to_owned())]);
    std::fs::write(agent.path("agent.toml"), settings("r2")).unwrap();
    running.signal(Signal::SIGHUP);
    server.wait_for("the new tag", |state| {
        let last = state
            .hellos
            .last()
            .and_then(|hello| hello.suggested.as_ref());
        last.is_some_and(|suggested| suggested.tags[0].1 == "r2")
    });
}
