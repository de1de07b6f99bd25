//! A small server that speaks the real protocol, and the real agent beside it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use protocol::handshake;
use protocol::http::{HEADER_AUTH, PATH_ENROLL, PATH_HELLO, PATH_REPORT, PATH_SERVER};
use protocol::keys::{PrivateKey, fingerprint};
use protocol::session::{AuthHeader, RequestHead, SessionKeys};
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::EnrollAnswer;
use protocol::v1::hello::{Hello, HelloAnswer};
use protocol::v1::report::{Record, Report, ReportAnswer};
use protocol::wire;

pub const NODE: &str = "n0123456789abcdef";
pub const HOST: &str = "h0123456789abcdef";

/// What the server saw and how it behaves.
pub struct State {
    pub key: PrivateKey,
    pub requests: Vec<(String, usize)>,
    pub raw_bytes: Vec<u8>,
    pub agent_key: Option<[u8; 32]>,
    pub hellos: Vec<Hello>,
    pub records: Vec<Record>,
    pub report_bytes: Vec<usize>,
    /// Next answers to enrollments: status and problem code.
    pub refuse_enroll: VecDeque<(u16, &'static str)>,
    /// Next answers to hellos.
    pub refuse_hello: VecDeque<(u16, &'static str)>,
    /// Next answers to reports; with a valid code of authentication.
    pub refuse_report: VecDeque<(u16, &'static str)>,
    /// Reports that hold this many records or more are refused with 413.
    pub records_max: usize,
    /// Records with this number are refused with 422.
    pub poison_seq: Option<u64>,
    /// So many acknowledgements carry a wrong code of authentication.
    pub forged_acks: u32,
    pub epoch: u32,
    pub stored_seq: u64,
    pub interval_ms: u32,
    /// Reports are read and never answered.
    pub is_hanging: bool,
    /// Goes with every refusal.
    pub retry_after_s: Option<u32>,
    /// Records that came although they were stored already.
    pub doubled: u64,
    /// How many records each accepted report held.
    pub batches: Vec<usize>,
    session: Option<SessionKeys>,
}

impl State {
    pub fn forget_session(&mut self) {
        self.session = None;
    }
}

#[derive(Clone)]
pub struct FakeServer {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl FakeServer {
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0")
    }

    pub fn start_on(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            key: PrivateKey::from_seed([7; 32]),
            requests: Vec::new(),
            raw_bytes: Vec::new(),
            agent_key: None,
            hellos: Vec::new(),
            records: Vec::new(),
            report_bytes: Vec::new(),
            refuse_enroll: VecDeque::new(),
            refuse_hello: VecDeque::new(),
            refuse_report: VecDeque::new(),
            records_max: usize::MAX,
            poison_seq: None,
            forged_acks: 0,
            epoch: 1,
            stored_seq: 0,
            interval_ms: 1_000,
            is_hanging: false,
            retry_after_s: None,
            doubled: 0,
            batches: Vec::new(),
            session: None,
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let mut stream = stream;
                    while serve(&mut stream, &shared).is_some() {}
                });
            }
        });
        Self { url, state }
    }

    /// The same behind TLS, and its certificate, which nobody knows.
    pub fn start_tls() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
        .unwrap();
        let config = Arc::new(config);
        // What it would answer in the open is never asked: only its state and its answers are used.
        let mut server = Self::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        server.url = format!("https://{}", listener.local_addr().unwrap());
        let shared = server.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, config) = (shared.clone(), config.clone());
                std::thread::spawn(move || {
                    let connection = rustls::ServerConnection::new(config).unwrap();
                    let mut stream = rustls::StreamOwned::new(connection, stream);
                    while serve(&mut stream, &shared).is_some() {}
                });
            }
        });
        (server, made.cert.pem())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn token(&self) -> EnrollmentToken {
        EnrollmentToken::new([1; 10], [2; 20], fingerprint(&self.state().key.public()))
    }

    /// Waits until `what` holds; says what it saw when it never does.
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        for _ in 0..400 {
            if holds(&self.state()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let state = self.state();
        panic!(
            "{what} never came: {} records, requests {:?}",
            state.records.len(),
            state.requests
        );
    }
}

fn serve(stream: &mut (impl Read + Write), shared: &Mutex<State>) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head.clone()).ok()?;
    let header = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let mut state = shared.lock().unwrap();
    let line = text.lines().next()?.to_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    state
        .requests
        .push((format!("{method} {path}"), head.len() + length));
    state.raw_bytes.extend_from_slice(&head);
    state.raw_bytes.extend_from_slice(&body);
    if state.is_hanging && path == PATH_REPORT {
        drop(state);
        loop {
            std::thread::park();
        }
    }
    let (status, auth, answer) = match path {
        PATH_SERVER => {
            let nonce = target.split_once("nonce=")?.1;
            let nonce = protocol::session::from_base64::<32>(nonce).ok()?;
            (200, None, handshake::prove_server(&state.key, &nonce))
        }
        PATH_ENROLL => enroll(&mut state, &body),
        PATH_HELLO => hello(&mut state, &body),
        PATH_REPORT => report(
            &mut state,
            header(HEADER_AUTH).as_deref(),
            &body,
            head.len(),
        ),
        _ => (404, None, Vec::new()),
    };
    let retry_after = state
        .retry_after_s
        .filter(|_| status >= 400)
        .map_or_else(String::new, |s| format!("retry-after: {s}\r\n"));
    drop(state);
    let auth = auth.map_or_else(String::new, |auth| format!("{HEADER_AUTH}: {auth}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{auth}{retry_after}\r\n",
        answer.len()
    );
    stream
        .write_all(&[head.as_bytes(), &answer].concat())
        .ok()?;
    stream.flush().ok()
}

type Answer = (u16, Option<String>, Vec<u8>);

fn problem(status: u16, code: &str) -> Answer {
    (
        status,
        None,
        format!("{{\"code\":\"{code}\",\"detail\":\"as the test wants\"}}").into_bytes(),
    )
}

fn enroll(state: &mut State, body: &[u8]) -> Answer {
    if let Some((status, code)) = state.refuse_enroll.pop_front() {
        return problem(status, code);
    }
    let unverified = handshake::open_enroll(&state.key.public(), body).unwrap();
    let digest = unverified.digest;
    let token = EnrollmentToken::new([1; 10], [2; 20], fingerprint(&state.key.public()));
    let request = unverified
        .verify(&state.key.public(), &token.key().public())
        .unwrap();
    state.agent_key = Some(request.agent_key);
    let answer = EnrollAnswer {
        host_id: HOST.into(),
        node_id: NODE.into(),
        pending_review: false,
    };
    (
        200,
        None,
        handshake::enroll_answer(&state.key, &digest, &answer),
    )
}

fn hello(state: &mut State, body: &[u8]) -> Answer {
    if let Some((status, code)) = state.refuse_hello.pop_front() {
        return problem(status, code);
    }
    let Some(agent_key) = state.agent_key else {
        return problem(401, "agent_unknown");
    };
    let verified = handshake::open_hello(body)
        .unwrap()
        .verify(&state.key.public(), &agent_key)
        .unwrap();
    state.hellos.push(verified.hello.clone());
    let answer = HelloAnswer {
        ephemeral: [0; 32],
        epoch: state.epoch,
        stored_seq: state.stored_seq,
        facts_digest: None,
        now_ms: 0,
        pending_review: false,
        sections: None,
        packs: None,
    };
    let (body, keys) = handshake::hello_answer(&state.key, [9; 32], &verified, answer).unwrap();
    state.session = Some(keys);
    (200, None, body)
}

fn report(state: &mut State, auth: Option<&str>, body: &[u8], head_bytes: usize) -> Answer {
    let Some(keys) = state.session.clone() else {
        return problem(401, "session_unknown");
    };
    let auth = AuthHeader::parse(auth.unwrap()).unwrap();
    let head = RequestHead {
        method: "POST",
        path: PATH_REPORT,
        epoch: auth.epoch,
        seq: auth.seq,
        encoding: "",
    };
    if auth.session != keys.session() || keys.open_request(head, body, &auth.mac).is_err() {
        return problem(401, "session_unknown");
    }
    let sealed = |(status, _, body): Answer| {
        let mac = keys.seal_answer(status, &auth.mac, &body);
        (status, Some(mac), body)
    };
    if let Some((status, code)) = state.refuse_report.pop_front() {
        return sealed(problem(status, code));
    }
    let (_, records) = Report::open(body).unwrap();
    if records.len() >= state.records_max {
        return sealed(problem(413, "malformed"));
    }
    if records
        .iter()
        .any(|record| Some(record.seq) == state.poison_seq)
    {
        return sealed(problem(422, "malformed"));
    }
    if state.forged_acks > 0 {
        state.forged_acks -= 1;
        let answer = wire::encode(&ReportAnswer {
            acked_epoch: auth.epoch,
            acked_seq: auth.seq,
            next_interval_ms: 1000,
            now_ms: 0,
            notes: Vec::new(),
        });
        return (200, Some(keys.seal_answer(201, &auth.mac, &answer)), answer);
    }
    state.batches.push(records.len());
    for record in records {
        if (record.epoch, record.seq) <= (state.epoch, state.stored_seq) {
            state.doubled += 1;
        } else {
            state.epoch = record.epoch;
            state.stored_seq = record.seq;
            state.records.push(record);
        }
    }
    state.report_bytes.push(head_bytes + body.len());
    let answer = ReportAnswer {
        acked_epoch: auth.epoch,
        acked_seq: auth.seq,
        next_interval_ms: state.interval_ms,
        now_ms: 0,
        notes: Vec::new(),
    };
    sealed((200, None, wire::encode(&answer)))
}

/// A folder for one agent and ways to call it.
pub struct Agent {
    pub temp: tempfile::TempDir,
}

impl Agent {
    pub fn new() -> Self {
        let agent = Self {
            temp: tempfile::tempdir().unwrap(),
        };
        std::fs::write(agent.path("agent.toml"), "").unwrap();
        std::fs::write(agent.path("policy.toml"), "").unwrap();
        agent
    }

    pub fn enrolled_with(server: &FakeServer) -> Self {
        let agent = Self::new();
        let output = agent.enroll(&server.url, &server.token().reveal());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        agent
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oc-agent"));
        command.args(arguments);
        for (flag, name) in [
            ("--config", "agent.toml"),
            ("--policy", "policy.toml"),
            ("--state", "state"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        for (name, _) in std::env::vars() {
            if name.starts_with("OPSCENTER_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn enroll(&self, url: &str, token: &str) -> Output {
        self.command(&["enroll", "--server", url])
            .env("OPSCENTER_TOKEN", token)
            .output()
            .unwrap()
    }

    pub fn run(&self) -> Running {
        self.start(self.command(&["run"]))
    }

    /// By way of another program, which becomes it.
    pub fn run_within(&self, program: &[&str]) -> Running {
        let inner = self.command(&["run"]);
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, _) in inner.get_envs() {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        self.start(command)
    }

    fn start(&self, mut command: Command) -> Running {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::from(
                std::fs::File::create(self.path("log")).unwrap(),
            ))
            .spawn()
            .unwrap();
        Running {
            child,
            log: self.path("log"),
        }
    }
}

/// A running agent; killed when the test ends.
pub struct Running {
    pub child: Child,
    log: PathBuf,
}

impl Running {
    /// The first line of stdout; fails when none comes.
    pub fn wait_ready(&mut self) -> String {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            sender.send(line)
        });
        receiver
            .recv_timeout(Duration::from_secs(20))
            .unwrap_or_else(|_| panic!("the agent never became ready:\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn wait_log(&self, part: &str) {
        for _ in 0..400 {
            if self.log().contains(part) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("`{part}` was never logged:\n{}", self.log());
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub fn stop(&mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("waited in vain for {what}");
}

/// Writes down that a test could not run here, where the runner reads it.
pub fn skipped(test: &str, reason: &str) {
    eprintln!("{test}: {reason}");
    if let Some(path) = std::env::var_os("OPSCENTER_TEST_SKIPS") {
        let mut options = std::fs::File::options();
        let mut file = options.create(true).append(true).open(path).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[allow(dead_code, reason = "not every test looks into folders")]
pub fn files_of(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
