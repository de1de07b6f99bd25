//! Usage, settings, `status` and `doctor` by the real program.

use crate::support::{Agent, FakeServer, stderr, stdout};

#[test]
fn every_command_has_help_with_an_example_and_the_program_a_version() {
    let agent = Agent::new();
    for command in ["enroll", "run", "status", "doctor"] {
        let output = agent.output(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Example:\n"), "{command}");
    }
    let output = agent.output(&["--version"]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), format!("oc-agent {}\n", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(agent.output(&["frobnicate"]).status.code(), Some(2));
    assert_eq!(agent.output(&[]).status.code(), Some(2));
}

#[test]
fn a_named_file_that_is_missing_is_wrong_usage() {
    let agent = Agent::new();
    std::fs::remove_file(agent.path("agent.toml")).unwrap();
    for command in ["run", "status"] {
        let output = agent.output(&[command]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("agent.toml: the file does not exist"),
            "{}",
            stderr(&output)
        );
    }
    std::fs::write(agent.path("agent.toml"), "").unwrap();
    std::fs::remove_file(agent.path("policy.toml")).unwrap();
    let output = agent.output(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("policy.toml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn all_wrong_settings_are_named_at_once() {
    let agent = Agent::new();
    std::fs::write(
        agent.path("agent.toml"),
        "interval = \"2h\"\ncollector = 1\n[collectors]\ngpu = true\n",
    )
    .unwrap();
    let output = agent
        .command(&["run"])
        .env("OPSCENTER_CLUSTER", "Not A Slug")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    for part in [
        "`interval = \"2h\"`",
        "`collector` is not known",
        "`gpu` is not known",
        "OPSCENTER_CLUSTER: ",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn without_enrollment_it_says_how() {
    let agent = Agent::new();
    let output = agent.output(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("oc-agent enroll --server"),
        "{}",
        stderr(&output)
    );
    let output = agent.output(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("\"enrolled\":false"),
        "{}",
        stdout(&output)
    );
    let output = agent.output(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("FINDING"), "{}", stdout(&output));
}

#[test]
fn the_doctor_finds_nothing_where_all_is_well_and_names_what_is_not() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    let output = agent.output(&["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("the one this agent enrolled with"));

    server.state().key = protocol::keys::PrivateKey::from_seed([9; 32]);
    let output = agent.output(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let verdict = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == name)
            .map(|check| check["verdict"].clone())
    };
    assert_eq!(
        (verdict("server key"), verdict("key")),
        (Some("finding".into()), Some("ok".into()))
    );
    assert_eq!(report["well"], false);
}

#[test]
fn damaged_state_is_named_with_a_way_out() {
    let server = FakeServer::start();
    let agent = Agent::enrolled_with(&server);
    for (file, torn) in [
        ("state/identity.json", "{\"server\": \"htt"),
        ("state/key", "00ff"),
    ] {
        let whole = std::fs::read(agent.path(file)).unwrap();
        std::fs::write(agent.path(file), torn).unwrap();
        let output = agent.output(&["run"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.contains(file) && said.contains("is damaged") && said.contains("--replace"),
            "{said}"
        );
        std::fs::write(agent.path(file), whole).unwrap();
    }
}
