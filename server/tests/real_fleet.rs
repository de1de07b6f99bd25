//! A real fleet on one machine: nginx before three Tomcats that keep their access log in PostgreSQL, a host and a real
//! agent each, one of them behind a router that translates addresses. What the agents tell, and the map, must hold exactly
//! the edges that are there, also after a server came back with another port and process, beside a connection that has
//! nothing to do with it, and after another host got the address of one that died.
//!
//! Debian's packages `nginx`, `tomcat10-common`, `libpostgresql-jdbc-java`, `postgresql`, `nftables` and a Java runtime;
//! without them, or without root, it is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a real clock"
)]

mod common;
#[path = "support/hosts.rs"]
mod hosts;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hosts::{Bridge, Host, Program, until, within};
use nix::sys::signal::Signal;
use protocol::v1::section::{
    Connections, Flow, KIND_CONNECTIONS, KIND_SERVERS, Server as Found, Servers,
};
use protocol::wire;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use support::{Server, cli_ok};

const NAME: &str = "a_real_fleet_is_told_with_exactly_its_edges";
const TOMCAT: &str = "/usr/share/tomcat10";
const DRIVER: &str = "/usr/share/java/postgresql.jar";
/// Where Tomcat's JDBCAccessLogValve writes.
const TABLE: &str = "CREATE TABLE access (remoteHost text, userName text, timestamp timestamp, query text, status int, bytes bigint);\n";
/// The router's port that leads to the Tomcat behind it.
const OUTSIDE: u16 = 8083;
const TOMCATS: [&str; 3] = ["app-1", "app-2", "nat-1"];
/// For a Java program on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

fn postgres_programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop()
}

fn missing() -> Option<String> {
    let file = |path: &str| Path::new(path).exists();
    hosts::missing()
        .or_else(|| (!hosts::exists("nginx")).then(|| "nginx is not installed".to_owned()))
        .or_else(|| (!hosts::exists("nft")).then(|| "nftables is not installed".to_owned()))
        .or_else(|| (!hosts::exists("java")).then(|| "there is no Java runtime".to_owned()))
        .or_else(|| (!hosts::exists("setpriv")).then(|| "there is no `setpriv`".to_owned()))
        .or_else(|| {
            let needed = [format!("{TOMCAT}/bin/bootstrap.jar"), DRIVER.to_owned()];
            let lacking = needed.iter().find(|path| !file(path))?;
            Some(format!("{lacking} is not installed"))
        })
        .or_else(|| {
            postgres_programs()
                .is_none()
                .then(|| "PostgreSQL is not installed".to_owned())
        })
}

/// What a node's agent told last.
#[derive(Debug, Clone, Default)]
struct Told {
    servers: Vec<Found>,
    connections: Connections,
}

/// By host name, as stored.
async fn told(data: &Path) -> BTreeMap<String, Told> {
    let mut state = SqliteConnectOptions::new()
        .filename(data.join("state.db"))
        .read_only(true)
        .connect()
        .await
        .unwrap();
    let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT h.hostname, s.kind, s.body FROM host_section s JOIN host h ON h.id = s.host_id",
    )
    .fetch_all(&mut state)
    .await
    .unwrap();
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for (host, kind, body) in rows {
        let entry = told.entry(host).or_default();
        match u16::try_from(kind).unwrap() {
            KIND_SERVERS => {
                entry.servers = wire::decode::<Servers>("servers", &body).unwrap().servers;
            }
            KIND_CONNECTIONS => {
                entry.connections = wire::decode("connections", &body).unwrap();
            }
            _ => {}
        }
    }
    told
}

fn address(bytes: &[u8]) -> IpAddr {
    match <[u8; 4]>::try_from(bytes) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()),
    }
}

/// Edges between servers, as both ends tell them: by host and pack. Only where a port of the opening end is in both tales.
/// The topology will say the same; then it is asked instead.
fn edges(fleet: &BTreeMap<String, Told>) -> BTreeSet<(String, String)> {
    let named = |host: &str, key: &str| format!("{host}/{}", key.split(':').next().unwrap());
    let mut edges = BTreeSet::new();
    for (from, here) in fleet {
        for out in here
            .connections
            .flows
            .iter()
            .filter(|flow| !flow.is_incoming)
        {
            let is_other_end = |flow: &&Flow| {
                flow.is_incoming
                    && (&flow.local, &flow.peer, flow.port) == (&out.peer, &out.local, out.port)
                    && flow
                        .client_ports
                        .iter()
                        .any(|port| out.client_ports.contains(port))
            };
            for (to, there) in fleet {
                let Some(into) = there.connections.flows.iter().find(is_other_end) else {
                    continue;
                };
                if let (Some(opener), Some(listener)) = (&out.server, &into.server) {
                    edges.insert((named(from, opener), named(to, listener)));
                }
            }
        }
    }
    edges
}

/// Of the hosts whose addresses are the same at both ends.
fn true_edges() -> BTreeSet<(String, String)> {
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    (1..=2)
        .flat_map(|at| {
            let app = format!("app-{at}/tomcat");
            [edge("edge/nginx", &app), edge(&app, "db/postgresql")]
        })
        .collect()
}

struct Fleet {
    agents: BTreeMap<String, Program>,
    programs: BTreeMap<String, Program>,
    hosts: BTreeMap<String, Host>,
    folder: PathBuf,
    // Last: the hosts are on it.
    bridge: Bridge,
}

impl Fleet {
    fn new(folder: &Path) -> Self {
        let bridge = Bridge::new();
        let mut fleet = Self {
            agents: BTreeMap::new(),
            programs: BTreeMap::new(),
            hosts: BTreeMap::new(),
            folder: folder.to_owned(),
            bridge,
        };
        for (name, number) in ["edge", "app-1", "app-2", "db", "router"]
            .into_iter()
            .zip(11..)
        {
            fleet.add(Host::new(&fleet.bridge, name, number));
        }
        let router = &fleet.hosts["router"];
        fleet.add(Host::behind(
            router,
            &fleet.bridge,
            "nat-1",
            21,
            OUTSIDE,
            8080,
        ));
        fleet
    }

    fn add(&mut self, host: Host) {
        std::fs::create_dir_all(self.folder.join(&host.name)).unwrap();
        self.hosts.insert(host.name.clone(), host);
    }

    fn address(&self, host: &str) -> Ipv4Addr {
        self.hosts[host].address
    }

    /// Where others reach a Tomcat.
    fn reached(&self, host: &str, port: u16) -> (Ipv4Addr, u16) {
        match host {
            "nat-1" => (self.address("router"), OUTSIDE),
            _ => (self.address(host), port),
        }
    }

    fn start(&mut self, host: &str, name: &str, program: &str, arguments: &[&str]) {
        let log = self.folder.join(host).join(format!("{name}.log"));
        let started = self.hosts[host].start(&log, program, arguments);
        self.programs.insert(format!("{host}/{name}"), started);
    }

    fn log(&self, host: &str, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(host).join(format!("{name}.log")))
            .unwrap_or_default()
    }

    fn start_postgres(&mut self) {
        let programs = postgres_programs().unwrap();
        let folder = self.folder.join("db/data");
        std::fs::create_dir(&folder).unwrap();
        let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
        chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        let folder = folder.to_str().unwrap().to_owned();
        let as_user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
        let made = self.hosts["db"]
            .command("setpriv")
            .args(as_user)
            .arg(programs.join("initdb"))
            .args([
                "-D",
                &folder,
                "-A",
                "trust",
                "--no-sync",
                "-U",
                "postgres",
                "--locale=C",
            ])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // The access log's table, written by PostgreSQL without its network side.
        let mut single = self.hosts["db"]
            .command("setpriv")
            .args(as_user)
            .arg(programs.join("postgres"))
            .args(["--single", "-D", &folder, "postgres"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = single.stdin.take().unwrap();
        input.write_all(TABLE.as_bytes()).unwrap();
        drop(input);
        assert!(single.wait().unwrap().success());
        let access = Path::new(&folder).join("pg_hba.conf");
        let rules = std::fs::read_to_string(&access).unwrap();
        std::fs::write(&access, rules + "host all all 198.18.0.0/15 trust\n").unwrap();
        let server = programs.join("postgres");
        let mut arguments = as_user.to_vec();
        arguments.extend([
            server.to_str().unwrap(),
            "-D",
            &folder,
            "-c",
            "listen_addresses=*",
            "-c",
            "fsync=off",
            "-c",
        ]);
        let sockets = format!("unix_socket_directories={folder}");
        arguments.push(&sockets);
        self.start("db", "postgres", "setpriv", &arguments);
        let to = (self.address("db"), 5432).into();
        within(PATIENCE, "PostgreSQL", &mut || {
            TcpStream::connect_timeout(&to, Duration::from_secs(1)).ok()
        });
    }

    fn start_tomcat(&mut self, host: &str, port: u16) {
        let base = self.folder.join(host).join("tomcat");
        for folder in ["conf", "lib", "logs", "temp", "webapps"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        let driver = base.join("lib/postgresql.jar");
        if !driver.exists() {
            std::os::unix::fs::symlink(DRIVER, driver).unwrap();
        }
        let database = self.address("db");
        let settings = format!(
            r#"<Server port="-1"><Service name="Catalina">
  <Connector port="{port}" protocol="HTTP/1.1"/>
  <Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps">
    <Valve className="org.apache.catalina.valves.JDBCAccessLogValve" driverName="org.postgresql.Driver"
      connectionURL="jdbc:postgresql://{database}:5432/postgres" connectionName="postgres" pattern="common"/>
  </Host></Engine>
</Service></Server>"#
        );
        std::fs::write(base.join("conf/server.xml"), settings).unwrap();
        let base_is = format!("-Dcatalina.base={}", base.display());
        let home_is = format!("-Dcatalina.home={TOMCAT}");
        let temp_is = format!("-Djava.io.tmpdir={}", base.join("temp").display());
        let class_path = format!("{TOMCAT}/bin/bootstrap.jar:{TOMCAT}/bin/tomcat-juli.jar");
        self.start(
            host,
            "tomcat",
            "java",
            &[
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                &base_is,
                &home_is,
                &temp_is,
                "-cp",
                &class_path,
                "org.apache.catalina.startup.Bootstrap",
                "start",
            ],
        );
    }

    fn write_nginx(&self, ports: [u16; 3]) {
        let folder = self.folder.join("edge/nginx");
        std::fs::create_dir_all(&folder).unwrap();
        let servers: String = TOMCATS
            .into_iter()
            .zip(ports)
            .map(|(host, port)| {
                let (address, port) = self.reached(host, port);
                format!("server {address}:{port};")
            })
            .collect();
        let shown = folder.display();
        let settings = format!(
            r#"user root; worker_processes 2; pid {shown}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {shown}/a; proxy_temp_path {shown}/b; fastcgi_temp_path {shown}/c;
  uwsgi_temp_path {shown}/d; scgi_temp_path {shown}/e;
  upstream app {{ {servers} keepalive 16; }}
  server {{ listen 80; location / {{
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
  }} }}
}}"#
        );
        std::fs::write(folder.join("nginx.conf"), settings).unwrap();
    }

    fn nginx(&self, more: &[&str]) -> Vec<String> {
        let settings = self.folder.join("edge/nginx/nginx.conf");
        let mut words = vec!["-c".to_owned(), settings.display().to_string()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    /// Asks nginx so often that every Tomcat gets its part.
    fn use_it(&self, times: usize) {
        for _ in 0..times {
            assert!(
                self.get("edge", 80).is_some_and(|code| code < 500),
                "{}",
                self.log("edge", "nginx")
            );
        }
    }

    fn get(&self, host: &str, port: u16) -> Option<u16> {
        let to = self.reached(host, port).into();
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    }

    fn start_agent(&mut self, program: &Path, host: &str, url: &str, data: &Path) {
        let folder = self.folder.join(host).join("agent");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("agent.toml"), "interval = \"1s\"\n").unwrap();
        std::fs::write(folder.join("policy.toml"), "").unwrap();
        let cluster = host.split('-').next().unwrap();
        let token = cli_ok(data, &["enroll-token", "create", "--cluster", cluster]);
        let paths: Vec<String> = [
            ("config", "agent.toml"),
            ("policy", "policy.toml"),
            ("state", "state"),
        ]
        .iter()
        .map(|(flag, name)| format!("--{flag}={}", folder.join(name).display()))
        .collect();
        let program = program.to_str().unwrap();
        let enrolled = self.hosts[host]
            .command(program)
            .args(["enroll", "--insecure-http", "--server", url])
            .args(&paths)
            .env("OPSCENTER_TOKEN", token)
            .output()
            .unwrap();
        assert!(enrolled.status.success(), "{enrolled:?}");
        let mut arguments = vec!["run"];
        arguments.extend(paths.iter().map(String::as_str));
        let log = self.folder.join(host).join("agent.log");
        let started = self.hosts[host].start(&log, program, &arguments);
        self.agents.insert(host.to_owned(), started);
    }

    /// Lets all agents look again now instead of within a minute.
    fn look_again(&self) {
        for agent in self.agents.values() {
            agent.signal(Signal::SIGHUP);
        }
    }

    fn logs(&self) -> String {
        let mut all = String::new();
        for host in self.hosts.keys() {
            for name in ["agent", "tomcat", "nginx", "postgres"] {
                let log = self.log(host, name);
                let from = log.len().saturating_sub(1500);
                let end = log.get(from..).unwrap_or(&log);
                if !end.is_empty() {
                    all += &format!("--- {host} {name}\n{end}\n");
                }
            }
        }
        all
    }
}

/// Whether agents are told to look again, instead of by themselves.
#[derive(Clone, Copy, PartialEq)]
enum Asking {
    Again,
    Never,
}

/// Waits until what is stored is as it should be.
async fn wait_for(
    fleet: &Fleet,
    data: &Path,
    asking: Asking,
    what: &str,
    is_so: impl Fn(&BTreeMap<String, Told>) -> bool,
) -> BTreeMap<String, Told> {
    let began = std::time::Instant::now();
    let mut looked = began;
    loop {
        let now = told(data).await;
        if is_so(&now) {
            return now;
        }
        if asking == Asking::Again && looked.elapsed() > Duration::from_secs(4) {
            fleet.use_it(12);
            fleet.look_again();
            looked = std::time::Instant::now();
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}\nedges {:#?}\n{now:#?}\n{}",
            edges(&now),
            fleet.logs()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn server<'a>(fleet: &'a BTreeMap<String, Told>, host: &str, pack: &str) -> Option<&'a Found> {
    fleet
        .get(host)?
        .servers
        .iter()
        .find(|server| server.pack == pack)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_fleet_is_told_with_exactly_its_edges() {
    let program = std::env::var_os("OPSCENTER_BIN_DIR").map(|dir| Path::new(&dir).join("oc-agent"));
    let Some(program) = program.filter(|program| program.is_file()) else {
        return common::skipped(NAME, "OPSCENTER_BIN_DIR names no folder with oc-agent");
    };
    if let Some(reason) = missing() {
        return common::skipped(NAME, &reason);
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data = temp.path().join("data");
    let mut fleet = Fleet::new(&temp.path().join("hosts"));

    fleet.start_postgres();
    for host in TOMCATS {
        fleet.start_tomcat(host, 8080);
    }
    fleet.write_nginx([8080; 3]);
    let words = fleet.nginx(&["-g", "daemon off;"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    fleet.start("edge", "nginx", "nginx", &words);

    let here = format!("{}:0", fleet.bridge.address(1));
    let started = Server::start_with(&data, &here, &["--insecure-http"]);
    let url = started.url.clone();
    for host in ["edge", "app-1", "app-2", "nat-1", "db"] {
        fleet.start_agent(&program, host, &url, &data);
    }
    for host in TOMCATS {
        within(
            PATIENCE,
            &format!("{host}: {}", fleet.log(host, "tomcat")),
            &mut || fleet.get(host, 8080),
        );
    }
    // Something that is none of the fleet's dependencies: a plain program on the database's host asks a Tomcat.
    let script = format!(
        "exec 3<>/dev/tcp/{}/8080; sleep 1000",
        fleet.address("app-1")
    );
    fleet.start("db", "unrelated", "bash", &["-c", &script]);
    fleet.use_it(24);

    let servers = [
        ("edge", "nginx", 80),
        ("app-1", "tomcat", 8080),
        ("nat-1", "tomcat", 8080),
        ("db", "postgresql", 5432),
    ];
    // The lists of servers and of connections are told apart.
    let all = wait_for(&fleet, &data, Asking::Again, "the fleet's edges", |now| {
        edges(now) == true_edges()
            && servers
                .iter()
                .all(|(host, pack, _)| server(now, host, pack).is_some())
    })
    .await;
    for (host, pack, port) in servers {
        let found = server(&all, host, pack).unwrap();
        assert_eq!(
            (found.state, found.ports.as_slice()),
            (1, &[port][..]),
            "{found:?}"
        );
        assert_eq!(
            all[host].servers.len(),
            1,
            "each host sees its own: {:?}",
            all[host].servers
        );
    }
    assert!(server(&all, "db", "postgresql").unwrap().version.is_some());
    let unrelated = all["db"].connections.flows.iter().find(|flow| {
        !flow.is_incoming && address(&flow.peer) == fleet.address("app-1") && flow.port == 8080
    });
    let unrelated = unrelated.expect("it is told, as the process's own");
    assert_eq!(
        (unrelated.server.as_deref(), unrelated.process.is_some()),
        (None, true)
    );

    // One Tomcat ends: it is told as gone, soon and without being asked. Then it comes back elsewhere.
    let before = server(&all, "app-2", "tomcat").unwrap().clone();
    fleet.programs.remove("app-2/tomcat");
    let without = wait_for(
        &fleet,
        &data,
        Asking::Never,
        "a server that is gone",
        |now| server(now, "app-2", "tomcat").is_some_and(|server| server.state == 4),
    )
    .await;
    assert_eq!(server(&without, "app-2", "tomcat").unwrap().key, before.key);
    fleet.start_tomcat("app-2", 8180);
    until_tomcat(&fleet, "app-2", 8180);
    fleet.write_nginx([8080, 8180, 8080]);
    let words = fleet.nginx(&["-s", "reload"]);
    let reloaded = fleet.hosts["edge"]
        .command("nginx")
        .args(&words)
        .output()
        .unwrap();
    assert!(reloaded.status.success(), "{reloaded:?}");
    fleet.use_it(24);
    fleet.look_again();
    let all = wait_for(
        &fleet,
        &data,
        Asking::Again,
        "the edges after a restart",
        |now| {
            edges(now) == true_edges()
                && server(now, "app-2", "tomcat").is_some_and(|server| server.ports == [8180])
        },
    )
    .await;
    let after = server(&all, "app-2", "tomcat").unwrap();
    assert_eq!((after.key.as_str(), after.state), (before.key.as_str(), 1));
    assert_ne!(after.pid, before.pid);
    wait_for(
        &fleet,
        &data,
        Asking::Never,
        "its probe at the new port",
        |now| {
            server(now, "app-2", "tomcat").is_some_and(|server| {
                server
                    .probe
                    .as_ref()
                    .is_some_and(|probe| probe.is_up && probe.url.contains(":8180"))
            })
        },
    )
    .await;

    // A host dies, and another gets its address: another product in another cluster answers where it answered.
    fleet.programs.remove("app-2/tomcat");
    fleet.agents.remove("app-2");
    let address = fleet.hosts["app-2"].take_address();
    fleet.add(Host::with_address(&fleet.bridge, "new-1", 31, address));
    fleet.hosts["edge"].forget_neighbours();
    let settings = fleet.folder.join("new-1/nginx.conf");
    let text = format!(
        "user root; pid {}; error_log stderr; events {{}}\nhttp {{ access_log off; server {{ listen 8180; return 204; }} }}\n",
        settings.with_extension("pid").display()
    );
    std::fs::write(&settings, text).unwrap();
    let words = ["-c", settings.to_str().unwrap(), "-g", "daemon off;"];
    fleet.start("new-1", "nginx", "nginx", &words);
    fleet.start_agent(&program, "new-1", &url, &data);

    // The map says the same once it has seen the connections twice.
    let token = cli_ok(
        &data,
        &["api-token", "create", "--name", "test", "--role", "viewer"],
    );
    // A program on the database's host really calls a Tomcat, so the map says so; nothing else is invented.
    let wanted: BTreeSet<(String, String, u64)> = [
        ("edge", "app", 8080),
        ("edge", "nat", 8080),
        ("edge", "new", 8180),
        ("app", "db", 5432),
        ("nat", "db", 5432),
        ("db", "app", 8080),
    ]
    .into_iter()
    .map(|(from, to, port)| (from.to_owned(), to.to_owned(), port))
    .collect();
    let mut shown = BTreeSet::new();
    let mut document = serde_json::Value::Null;
    // This machine is outside of the fleet: the server runs here, and so does this test. So is the router: what the
    // database sees of the host behind it is the router's address.
    let here = format!("ext:{}", fleet.bridge.address(1));
    let router = format!("ext:{}", fleet.address("router"));
    let old = ("edge".to_owned(), "app".to_owned(), 8180);
    for _ in 0..60 {
        document = topology(&url, &token);
        shown = mapped(&document);
        shown.retain(|(from, to, _)| *from != here && *to != here);
        shown.retain(|(from, to, _)| (from, to.as_str()) != (&router, "db"));
        shown.remove(&old);
        if shown == wanted {
            break;
        }
        fleet.use_it(8);
        fleet.look_again();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(shown, wanted, "{document:#}\n{}", fleet.logs());
    // What led to the host that died was seen until then, and is not once the other has answered.
    let seen = |key: &str, from: &str, to: &str| {
        let edges = document["edges"].as_array().unwrap();
        let edge = edges.iter().find(|edge| {
            (&edge["from"], &edge["to"], &edge["port"]) == (&from.into(), &to.into(), &8180.into())
        });
        edge.and_then(|edge| edge[key].as_i64())
    };
    let new_since = seen("first_seen_at_ms", "edge", "new").unwrap();
    let old_until = seen("last_seen_at_ms", "edge", "app").unwrap_or(0);
    assert!(old_until <= new_since, "{document:#}");
}

/// The map as programs get it.
fn topology(url: &str, token: &str) -> serde_json::Value {
    let (_, address) = url.split_once("://").unwrap();
    let mut stream = TcpStream::connect(address.trim_end_matches('/')).unwrap();
    let request = format!(
        "GET /api/v1/topology HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    // The body may come in chunks; the document is what is between its first and last brace.
    let from = body.find('{').unwrap();
    let to = body.rfind('}').unwrap();
    serde_json::from_str(&body[from..=to]).unwrap()
}

/// (from, to) of every edge that the map shows between clusters, with the ports it is seen at.
fn mapped(document: &serde_json::Value) -> BTreeSet<(String, String, u64)> {
    let edges = document["edges"].as_array().unwrap();
    edges
        .iter()
        .map(|edge| {
            let text = |key: &str| edge[key].as_str().unwrap().to_owned();
            (text("from"), text("to"), edge["port"].as_u64().unwrap())
        })
        .collect()
}

fn until_tomcat(fleet: &Fleet, host: &str, port: u16) {
    within(PATIENCE, "a Tomcat that answers", &mut || {
        fleet.get(host, port)
    });
    until("its connection to the database", || fleet.get(host, port));
}
