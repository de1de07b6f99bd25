//! The real program: how it starts, what it refuses, how local commands reach it, how it stops.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const PASSWORD: &str = "correct horse battery staple";

/// A running server; killed when dropped.
struct Server {
    child: Child,
    setup: Option<String>,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn program(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operations-center"));
    command
        .args(arguments)
        .arg("--data")
        .arg(data)
        .env_remove("OPSCENTER_DATA");
    command
}

fn start(data: &Path, arguments: &[&str]) -> Server {
    let mut command = program(&["serve", "--listen", "127.0.0.1:0"], data);
    command.args(arguments);
    until_ready(command)
}

fn until_ready(mut command: Command) -> Server {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut setup = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(url) = line.strip_prefix("setup ") {
            setup = Some(url.to_owned());
        } else if let Some(url) = line.strip_prefix("ready ") {
            return Server {
                child,
                setup,
                url: url.to_owned(),
            };
        }
    }
    panic!("the server ended before it was ready: {:?}", child.wait());
}

fn run(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program(arguments, data);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One plain request; the whole answer as text.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn terminate(server: &mut Server) -> std::process::ExitStatus {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    server.child.wait().unwrap()
}

#[test]
fn it_starts_says_where_it_is_and_stops_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    let mut server = start(&data, &[]);
    let setup = server.setup.clone().unwrap();
    assert!(
        setup.starts_with(&format!("{}/setup?code=", server.url)),
        "{setup}"
    );
    assert!(get(&server.url, "/healthz").ends_with("ok\n"));
    assert!(get(&server.url, "/readyz").ends_with("ready\n"));
    let first_key = std::fs::read(data.join("keys/server.key")).unwrap();
    assert!(terminate(&mut server).success());
    assert!(!data.join("admin.sock").exists());
    let again = start(&data, &[]);
    assert_ne!(
        again.setup.as_deref().unwrap().rsplit('=').next(),
        setup.rsplit('=').next(),
        "the code is new at each start"
    );
    assert_eq!(
        std::fs::read(data.join("keys/server.key")).unwrap(),
        first_key,
        "the identity stays"
    );
}

#[test]
fn metrics_are_served_alone_and_count_only_pages_as_viewers() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut server = start(&folder.path().join("new"), &["--metrics-listen", &address]);
    let metrics = get(&format!("http://{address}"), "/metrics");
    assert!(
        metrics.contains("\nopscenter_live_viewers 0\n"),
        "{metrics}"
    );
    assert!(get(&format!("http://{address}"), "/healthz").starts_with("HTTP/1.1 404"));
    assert!(terminate(&mut server).success());
}

#[test]
fn files_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    let _server = start(&data, &[]);
    for (name, mode) in [
        ("", 0o700),
        ("keys/server.key", 0o600),
        ("admin.sock", 0o600),
    ] {
        let found = std::fs::metadata(data.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, mode, "{name}: {found:o}");
    }
}

#[test]
fn a_taken_port_and_wrong_settings_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(
        &folder.path().join("a"),
        &["serve", "--listen", &address],
        "",
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains(&address) && text(&refused.stderr).contains("--listen"),
        "{}",
        text(&refused.stderr)
    );
    assert!(!folder.path().join("a").exists(), "nothing was made");
    let refused = run(
        &folder.path().join("a"),
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            &address,
        ],
        "",
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains(&address)
            && text(&refused.stderr).contains("--metrics-listen"),
        "{}",
        text(&refused.stderr)
    );
    assert!(refused.stdout.is_empty(), "nothing was said");
    assert!(!folder.path().join("a").exists(), "nothing was made");
    let exposed = run(
        &folder.path().join("b"),
        &["serve", "--listen", "0.0.0.0:0"],
        "",
    );
    assert_eq!(exposed.status.code(), Some(2));
    assert!(text(&exposed.stderr).contains("--insecure-http"));
    let mut unsure = program(
        &["serve", "--listen", "127.0.0.1:0"],
        &folder.path().join("b"),
    );
    let unsure = unsure
        .env("OPSCENTER_INSECURE_HTTP", "maybe")
        .output()
        .unwrap();
    assert_eq!(unsure.status.code(), Some(2));
    let said = text(&unsure.stderr);
    assert!(
        said.contains("maybe") && said.contains("true or false"),
        "{said}"
    );
    let missing = run(
        &folder.path().join("c"),
        &["serve", "--config", "/nonexistent/server.toml"],
        "",
    );
    assert_eq!(missing.status.code(), Some(2));
    let config = folder.path().join("wrong.toml");
    std::fs::write(&config, "listen = \"nowhere\"\nlog = \"xml\"\n").unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_operations-center"));
    let check = check
        .args(["config", "check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    let said = text(&check.stderr);
    assert!(
        said.contains("listen:") && said.contains("log:"),
        "both are named: {said}"
    );
}

#[test]
fn local_commands_do_the_same_with_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    let early = run(&data, &["user", "list"], "");
    assert_eq!(early.status.code(), Some(1), "only `serve` makes a folder");
    assert!(
        text(&early.stderr).contains("operations-center serve"),
        "{}",
        text(&early.stderr)
    );
    let mut server = start(&data, &[]);
    let made = run(
        &data,
        &[
            "user",
            "create",
            "ada",
            "--role",
            "admin",
            "--password-stdin",
        ],
        &format!("{PASSWORD}\n"),
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let listed_by_server = text(&run(&data, &["user", "list", "--json"], "").stdout);
    assert!(terminate(&mut server).success());
    let listed_by_folder = text(&run(&data, &["user", "list", "--json"], "").stdout);
    assert_eq!(listed_by_server, listed_by_folder);
    assert!(listed_by_folder.contains("\"ada\""));
    let token = run(
        &data,
        &["enroll-token", "create", "--cluster", "web", "--json"],
        "",
    );
    let token: serde_json::Value = serde_json::from_slice(&token.stdout).unwrap();
    assert!(
        token["token"].as_str().unwrap().starts_with("oce_") && token["expires_at_ms"].is_i64()
    );
    let alone = run(
        &data,
        &["api-token", "create", "--name", "x", "--role", "viewer"],
        "",
    );
    assert!(
        text(&alone.stdout).starts_with("oca_") && text(&alone.stdout).lines().count() == 1,
        "the token alone"
    );
    // At least the person and the two tokens; a server on a disk that is nearly full notes that, too.
    let verified = text(&run(&data, &["audit", "verify"], "").stdout);
    let entries = verified.trim_end().strip_prefix("ok ");
    let entries: u64 = entries.unwrap().parse().unwrap();
    assert!((3..=5).contains(&entries), "{verified}");
    let server = start(&data, &[]);
    assert_eq!(server.setup, None, "there is an administrator");
}

#[test]
fn a_stopped_server_keeps_no_command_waiting_for_ever() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let mut server = start(&data, &[]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.child.id()).unwrap());
    let signal = |signal| nix::sys::signal::kill(pid, signal).unwrap();
    signal(nix::sys::signal::Signal::SIGSTOP);
    let output = run(&data, &["user", "list"], "");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    let socket = data.join("admin.sock");
    for part in [socket.to_str().unwrap(), "10 s", "kill -CONT"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    signal(nix::sys::signal::Signal::SIGCONT);
    let output = run(&data, &["user", "list"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(terminate(&mut server).success());
}

#[test]
fn wrong_words_are_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    drop(start(&data, &[]));
    for (arguments, input, code, said) in [
        (
            vec![
                "user",
                "create",
                "ada",
                "--role",
                "king",
                "--password-stdin",
            ],
            PASSWORD,
            2,
            "viewer, operator or admin",
        ),
        (
            vec![
                "user",
                "create",
                "ada",
                "--role",
                "admin",
                "--password-stdin",
            ],
            "",
            2,
            "holds no password",
        ),
        (
            vec![
                "user",
                "create",
                "ada",
                "--role",
                "admin",
                "--password-stdin",
            ],
            "short",
            2,
            "at least 12",
        ),
        (
            vec!["enroll-token", "create", "--cluster", "No Such"],
            "",
            2,
            "cluster",
        ),
        (
            vec![
                "enroll-token",
                "create",
                "--cluster",
                "a",
                "--ttl",
                "soon",
                "--uses",
                "0",
            ],
            "",
            2,
            "uses",
        ),
        (vec!["agent", "revoke", "h0"], "", 1, "no agent or node"),
        (vec!["agent", "fly"], "", 2, "fly"),
    ] {
        let refused = run(&data, &arguments, input);
        assert_eq!(
            refused.status.code(),
            Some(code),
            "{arguments:?}: {}",
            text(&refused.stderr)
        );
        assert!(
            text(&refused.stderr).contains(said),
            "{arguments:?}: {}",
            text(&refused.stderr)
        );
        assert!(
            refused.stdout.is_empty(),
            "{arguments:?}: results alone on stdout"
        );
    }
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = start(folder.path(), &[]);
    let second = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("in use by another process"),
        "{}",
        text(&second.stderr)
    );
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    terminate(&mut start(folder.path(), &[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}/state.db", folder.path().display())).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)";
        sqlx::query(newer).execute(&pool).await.unwrap();
        pool.close().await;
    });
    let refused = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("newer version") && text(&refused.stderr).contains("9999"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn tls_by_files_serves_and_wrong_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let data = folder.path().join("data");
    let (cert_text, key_text) = (cert.display().to_string(), key.display().to_string());
    let server = start(&data, &["--tls-cert", &cert_text, "--tls-key", &key_text]);
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let port: u16 = server.url.rsplit(':').next().unwrap().parse().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut tcp = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut tcp);
    write!(
        stream,
        "GET /login HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    // A peer that closes without a TLS goodbye is an error after all bytes have come.
    let _closed = stream.read_to_end(&mut answer);
    let answer = text(&answer).to_lowercase();
    assert!(
        answer.contains("strict-transport-security: max-age="),
        "{answer:.600}"
    );
    let foreign = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other_key = folder.path().join("other.pem");
    std::fs::write(&other_key, foreign.signing_key.serialize_pem()).unwrap();
    let check = |key: &str| {
        Command::new(env!("CARGO_BIN_EXE_operations-center"))
            .args([
                "config",
                "check",
                "--tls-cert",
                &cert_text,
                "--tls-key",
                key,
            ])
            .output()
            .unwrap()
    };
    assert_eq!(check(&key_text).stdout, b"ok\n");
    let mismatch = check(&other_key.display().to_string());
    assert_eq!(mismatch.status.code(), Some(2));
    let said = text(&mismatch.stderr);
    assert!(
        said.contains("tls_key") && said.contains("does not go with"),
        "{said}"
    );
    let data = folder.path().join("other");
    let wrong = run(
        &data,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            &key_text,
            "--tls-key",
            &key_text,
        ],
        "",
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("tls_cert"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn the_agents_program_is_offered_with_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    // A folder of programs as `cargo xtask build` leaves it.
    let programs = folder.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let server = programs.join("operations-center");
    std::fs::copy(env!("CARGO_BIN_EXE_operations-center"), &server).unwrap();
    std::fs::write(programs.join("oc-agent"), b"an agent").unwrap();
    let mut command = Command::new(&server);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"));
    let mut running = until_ready(command);
    let digest = get(&running.url, "/install/oc-agent.sha256");
    let binary = get(&running.url, "/install/oc-agent");
    assert!(binary.ends_with("an agent"), "{binary}");
    let wanted = data_encoding::HEXLOWER.encode(&protocol::keys::digest(b"an agent"));
    assert!(
        digest.ends_with(&format!("{wanted}  oc-agent\n")),
        "{digest}"
    );
    std::fs::write(programs.join("oc-agent"), b"another agent").unwrap();
    let wanted = data_encoding::HEXLOWER.encode(&protocol::keys::digest(b"another agent"));
    let digest = get(&running.url, "/install/oc-agent.sha256");
    assert!(digest.contains(&wanted), "{digest}");
    terminate(&mut running);
}
