//! Installing beneath another root: every file, twice, and away again.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Agent, FakeServer, NODE, stderr, stdout};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_makes_every_file_keeps_settings_and_repeats_without_a_change() {
    let agent = Agent::new();
    let root = agent.path("root");
    let at = |path: &str| root.join(path);
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_oc-agent"));
        command.args(words).arg("--root").arg(&root);
        command.env_remove("OPSCENTER_TOKEN").output().unwrap()
    };
    let output = run(&["install", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("would write"),
        "{}",
        stdout(&output)
    );
    assert!(!root.exists(), "nothing was touched");

    let output = run(&["install", "--prefix", "/usr"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let own = std::fs::read(env!("CARGO_BIN_EXE_oc-agent")).unwrap();
    assert!(std::fs::read(at("usr/bin/oc-agent")).unwrap() == own);
    assert_eq!(mode(&at("usr/bin/oc-agent")), 0o755);
    assert_eq!(mode(&at("var/lib/oc-agent")), 0o700);
    let unit = std::fs::read_to_string(at("etc/systemd/system/oc-agent.service")).unwrap();
    assert!(
        unit.contains("ExecStart=/usr/bin/oc-agent run\n") && !unit.contains("@PREFIX@"),
        "{unit}"
    );

    // The settings that come with it are settings, and what a person wrote stays.
    let settings = at("etc/oc-agent/agent.toml");
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_oc-agent"))
        .args(["status", "--config"])
        .arg(&settings)
        .arg("--state")
        .arg(at("var/lib/oc-agent"))
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", stderr(&checked));
    std::fs::write(&settings, "interval = \"30s\"\n").unwrap();
    let again = stdout(&run(&["install", "--prefix", "/usr"]));
    assert!(
        !again.contains("write ") && !again.contains("make "),
        "{again}"
    );
    assert_eq!(
        std::fs::read_to_string(&settings).unwrap(),
        "interval = \"30s\"\n"
    );

    let output = run(&["uninstall", "--prefix", "/usr"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!at("usr/bin/oc-agent").exists() && settings.exists());
    assert!(!at("etc/systemd/system/oc-agent.service").exists());
    let output = run(&["uninstall", "--prefix", "/usr", "--purge"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!settings.exists() && !at("var/lib/oc-agent").exists());
}

#[test]
fn it_enrolls_first_and_a_refusal_has_its_exit_code() {
    let server = FakeServer::start();
    let agent = Agent::new();
    let root = agent.path("root");
    let install = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_oc-agent"));
        command.args(["install", "--server", &server.url, "--config"]);
        command
            .arg(agent.path("agent.toml"))
            .arg("--root")
            .arg(&root);
        command.env("OPSCENTER_TOKEN", server.token().reveal());
        command.output().unwrap()
    };
    server.state().refuse_enroll.push_back((403, "token_used"));
    let output = install();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let output = install();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&format!("enrolled as {NODE}")));
    assert!(root.join("var/lib/oc-agent/identity.json").exists());
}

#[test]
fn without_the_right_it_says_the_way_out() {
    if nix::unistd::geteuid().is_root() {
        // Root has the right; what may not be a prefix is refused all the same.
        let agent = Agent::new();
        let output = agent.output(&["install", "--dry-run", "--prefix", "usr"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        return;
    }
    let agent = Agent::new();
    let output = agent.output(&["install"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("sudo oc-agent install"),
        "{}",
        stderr(&output)
    );
}
