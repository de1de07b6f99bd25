//! Invented hosts: processes, homes and restarts.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use protocol::v1::report::Group;
use protocol::v1::section::{SECTION_BYTES_MAX, Server};
use protocol::wire;

use domain::metric::Metric;

use super::*;
use crate::packs;

const SECOND_NS: u64 = 1_000_000_000;
const WALL_MS: i64 = 1_795_365_000_000;

struct Host {
    temp: tempfile::TempDir,
    now_s: u64,
}

struct Process<'a> {
    pid: u32,
    parent: u32,
    name: &'a str,
    arguments: &'a [&'a str],
    ticks: u64,
    started_s: u64,
    unit: Option<&'a str>,
}

const JAVA: Process<'_> = Process {
    pid: 100,
    parent: 1,
    name: "java",
    arguments: &["java", "-Dcatalina.base=/srv/t1", "Bootstrap", "start"],
    ticks: 0,
    started_s: 10,
    unit: None,
};

impl Host {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["proc", "sys", "root/srv/t1"] {
            std::fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        Self { temp, now_s: 1000 }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path("root").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, process: &Process<'_>) {
        let folder = self.path("proc").join(process.pid.to_string());
        std::fs::create_dir_all(folder.join("fd")).unwrap();
        let stat = format!(
            "{} ({}) S {} 1 1 0 -1 4194560 1 2 3 4 {} 0 0 0 20 0 7 0 {} 1000 25 99 1 1\n",
            process.pid,
            process.name,
            process.parent,
            process.ticks,
            process.started_s * 100
        );
        std::fs::write(folder.join("stat"), stat).unwrap();
        let line = process.arguments.join("\0") + "\0";
        std::fs::write(folder.join("cmdline"), line).unwrap();
        let group = process
            .unit
            .map_or("/".to_owned(), |unit| format!("/system.slice/{unit}"));
        std::fs::write(folder.join("cgroup"), format!("0::{group}\n")).unwrap();
    }

    fn end(&self, pid: u32) {
        std::fs::remove_dir_all(self.path("proc").join(pid.to_string())).unwrap();
    }

    fn inventory_with(&self, packs: Packs) -> Inventory {
        let roots = Roots {
            proc: self.path("proc"),
            sys: self.path("sys"),
            root: self.path("root"),
        };
        let setup = Setup {
            packs,
            memory: Some(self.path("servers.json")),
            is_probing: false,
        };
        let mut inventory = Inventory::new(&roots, setup);
        inventory.scale = Scale {
            ticks_per_s: 100,
            page_bytes: 4096,
            processors: 4,
        };
        inventory
    }

    fn inventory(&self) -> Inventory {
        self.inventory_with(Packs::built_in())
    }

    fn read(&self, inventory: &mut Inventory) -> (Vec<Server>, Option<String>) {
        let wall_ms = WALL_MS + i64::try_from(self.now_s).unwrap() * 1000;
        let (told, outcome) = inventory.read(self.now_s * SECOND_NS, wall_ms);
        (told.unwrap().servers, outcome.reason().map(str::to_owned))
    }

    fn measure(&self, inventory: &mut Inventory) -> Vec<Group> {
        inventory.measure(self.now_s * SECOND_NS)
    }
}

fn value(group: &Group, metric: Metric) -> Option<f64> {
    let pairs = group.values.as_chunks::<2>().0;
    pairs
        .iter()
        .find(|[number, _]| *number == i64::from(metric.wire()))
        .map(|[_, stored]| metric.from_stored(*stored))
}

#[test]
fn a_server_is_found_and_told_the_same_until_something_changes() {
    let mut host = Host::new();
    host.put("srv/t1/RELEASE-NOTES", "Apache Tomcat Version 10.1.5\n");
    host.run(&JAVA);
    host.run(&Process {
        pid: 2,
        parent: 0,
        name: "kthreadd",
        arguments: &[],
        ..JAVA
    });
    host.run(&Process {
        pid: 50,
        name: "java",
        arguments: &["java", "-jar", "x.jar"],
        ..JAVA
    });
    let mut inventory = host.inventory();
    let (servers, note) = host.read(&mut inventory);
    assert_eq!(note, None);
    let [server] = servers.as_slice() else {
        panic!("{servers:?}");
    };
    assert_eq!(
        (server.key.as_str(), server.name.as_str()),
        ("tomcat:/srv/t1", "t1")
    );
    assert_eq!(server.version.as_deref(), Some("10.1.5"));
    assert_eq!((server.state, server.pid), (1, Some(100)));
    assert_eq!(server.started_at_s, Some((WALL_MS / 1000) + 10));
    host.now_s += 61;
    assert_eq!(
        host.read(&mut inventory).0,
        servers,
        "nothing in it changes by itself"
    );

    // Started anew: another process, the same server.
    host.end(100);
    host.run(&Process {
        pid: 200,
        started_s: 1050,
        ..JAVA
    });
    host.now_s += 60;
    let (again, _) = host.read(&mut inventory);
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].key.as_str(), again[0].pid),
        ("tomcat:/srv/t1", Some(200))
    );
    assert_ne!(again[0].started_at_s, servers[0].started_at_s);
}

#[test]
fn a_process_that_becomes_another_program_is_judged_again() {
    let mut host = Host::new();
    host.run(&Process {
        name: "sh",
        arguments: &["sh", "catalina.sh"],
        ..JAVA
    });
    let mut inventory = host.inventory();
    assert_eq!(host.read(&mut inventory).0, []);
    host.run(&JAVA);
    host.now_s += 60;
    assert_eq!(host.read(&mut inventory).0.len(), 1);
}

#[test]
fn children_belong_to_the_main_process_and_what_they_use_is_one_sum() {
    let mut host = Host::new();
    let main = Process {
        pid: 10,
        name: "postgres",
        arguments: &[
            "/usr/lib/postgresql/15/bin/postgres",
            "-D",
            "/var/lib/postgresql/15/main",
        ],
        ..JAVA
    };
    host.run(&main);
    let backend = |pid, parent, ticks| Process {
        pid,
        parent,
        ticks,
        name: "postgres",
        arguments: &["postgres: app app 10.0.0.1(4000) idle"],
        ..JAVA
    };
    host.run(&backend(11, 10, 0));
    host.run(&backend(12, 11, 0));
    host.run(&Process {
        pid: 13,
        parent: 1,
        name: "psql",
        ..backend(0, 0, 0)
    });
    let mut inventory = host.inventory();
    let (servers, _) = host.read(&mut inventory);
    assert_eq!(servers.len(), 1);
    assert_eq!(servers[0].name, "15/main");
    assert_eq!(servers[0].version.as_deref(), Some("15"));
    let first = &host.measure(&mut inventory)[0];
    assert_eq!(first.instance, "postgresql:/var/lib/postgresql/15/main");
    assert_eq!(
        value(first, Metric::ServerCpuUsedRatio),
        None,
        "a rate needs two readings"
    );
    assert_eq!(value(first, Metric::ServerProcesses), Some(3.0));
    assert_eq!(value(first, Metric::ServerThreads), Some(21.0));
    assert_eq!(
        value(first, Metric::ServerMemoryBytes),
        Some(f64::from(3 * 25 * 4096))
    );
    assert_eq!(value(first, Metric::ServerUp), Some(1.0));
    assert_eq!(value(first, Metric::ServerUptimeS), Some(990.0));
    host.run(&backend(11, 10, 1_000));
    host.run(&backend(12, 11, 1_000));
    host.now_s += 10;
    let second = &host.measure(&mut inventory)[0];
    // 20 s of processor time in 10 s on four processors.
    assert_eq!(value(second, Metric::ServerCpuUsedRatio), Some(0.5));
    host.end(12);
    host.now_s += 10;
    let third = &host.measure(&mut inventory)[0];
    assert_eq!(
        value(third, Metric::ServerCpuUsedRatio),
        Some(0.0),
        "never below zero"
    );
    assert_eq!(value(third, Metric::ServerProcesses), Some(2.0));
    assert!(!inventory.take_changed(), "a child that ends is nothing");
}

#[test]
fn a_server_whose_process_vanished_is_gone_and_that_is_remembered_for_a_week() {
    let mut host = Host::new();
    host.run(&JAVA);
    let mut inventory = host.inventory();
    host.read(&mut inventory);
    host.end(100);
    host.now_s += 10;
    let groups = host.measure(&mut inventory);
    assert_eq!(value(&groups[0], Metric::ServerUp), Some(0.0));
    assert_eq!(groups[0].values.len(), 2, "nothing else is known of it");
    assert!(inventory.take_changed() && !inventory.take_changed());
    let (servers, _) = host.read(&mut inventory);
    assert_eq!(
        (servers[0].state, servers[0].pid, servers[0].started_at_s),
        (4, None, None)
    );

    // The agent starts anew.
    drop(inventory);
    host.now_s += 3600;
    let mut inventory = host.inventory();
    assert_eq!(host.read(&mut inventory).0, servers);
    host.now_s += 8 * 86_400;
    assert_eq!(host.read(&mut inventory).0, []);
    assert_eq!(
        std::fs::read_to_string(host.path("servers.json")).unwrap(),
        "[]"
    );
}

#[test]
fn one_that_ran_when_the_agent_ended_is_gone_when_it_has_no_process_later() {
    let host = Host::new();
    host.run(&JAVA);
    host.read(&mut host.inventory());
    host.end(100);
    let (servers, _) = host.read(&mut host.inventory());
    assert_eq!(servers[0].state, 4);
    std::fs::write(host.path("servers.json"), "{ damaged").unwrap();
    assert_eq!(host.read(&mut host.inventory()).0, []);
}

#[test]
fn a_service_is_a_server_by_its_control_group() {
    let host = Host::new();
    let text = "name = \"billing\"\nproduct = \"Billing\"\n[detect]\nunit = \"bill-*.service\"\n";
    let mut all = Packs::built_in();
    all.in_force
        .push(packs::parse(text, packs::Origin::Host("b.toml")).unwrap());
    let own = |pid, parent, unit| Process {
        pid,
        parent,
        unit: Some(unit),
        name: "bill",
        arguments: &["bill"],
        ..JAVA
    };
    host.run(&own(10, 1, "bill-1.service"));
    host.run(&own(11, 10, "bill-1.service"));
    host.run(&own(12, 1, "bill-2.service"));
    host.run(&own(13, 1, "other.service"));
    host.run(&Process {
        unit: Some("tomcat10.service"),
        ..JAVA
    });
    let mut inventory = host.inventory_with(all);
    let (servers, note) = host.read(&mut inventory);
    let told: Vec<_> = servers
        .iter()
        .map(|s| (s.key.as_str(), s.unit.as_deref().unwrap(), s.pid.unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("billing:bill-1.service", "bill-1.service", 10),
            ("billing:bill-2.service", "bill-2.service", 12),
            ("tomcat:/srv/t1", "tomcat10.service", 100),
        ]
    );
    assert_eq!((servers[0].name.as_str(), note), ("bill-1", None));
}

#[test]
fn a_pack_of_the_server_is_told_of_folders_that_are_there_and_of_nothing_else() {
    let host = Host::new();
    let text = "name = \"billing\"\n[detect]\nprocess = '^-Dbilling=(?<home>/.+)$'\n";
    let mut all = Packs::built_in();
    all.in_force
        .push(packs::parse(text, packs::Origin::Server("b.toml")).unwrap());
    for (pid, argument) in [(10, "-Dbilling=/srv/t1"), (11, "-Dbilling=/a password")] {
        host.run(&Process {
            pid,
            arguments: &["java", argument],
            ..JAVA
        });
    }
    let (servers, _) = host.read(&mut host.inventory_with(all));
    let keys: Vec<&str> = servers.iter().map(|server| server.key.as_str()).collect();
    assert_eq!(keys, ["billing:/srv/t1"]);
}

#[test]
fn carbon_servers_of_one_home_are_told_apart_by_their_offset() {
    let host = Host::new();
    host.put("opt/as/bin/version.txt", "WSO2 Application Server v5.3.0");
    host.put(
        "opt/as/repository/conf/carbon.xml",
        "<Server><Ports><Offset>3</Offset></Ports></Server>",
    );
    for (pid, arguments) in [
        (
            10,
            &["java", "-Dcarbon.home=/opt/as/", "-Dprofile=worker"][..],
        ),
        (20, &["java", "-Dcarbon.home=/opt/./as", "-DportOffset=5"]),
        (30, &["java", "-Dcarbon.home=/opt/as", "-DportOffset=5"]),
    ] {
        host.run(&Process {
            pid,
            arguments,
            ..JAVA
        });
    }
    let (servers, note) = host.read(&mut host.inventory());
    let told: Vec<_> = servers
        .iter()
        .map(|s| {
            (
                s.key.as_str(),
                s.port_offset,
                s.role.as_deref(),
                s.version.as_deref(),
                s.pid,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "carbon:/opt/as:3",
                Some(3),
                Some("worker"),
                Some("5.3.0"),
                Some(10)
            ),
            ("carbon:/opt/as:5", Some(5), None, Some("5.3.0"), Some(20)),
        ]
    );
    assert!(note.unwrap().contains("2 processes claim carbon:/opt/as:5"));
}

#[test]
fn a_home_that_is_hostile_is_defused_and_one_that_is_too_long_left_out() {
    let host = Host::new();
    let long = format!("-Dcatalina.base=/{}", "x".repeat(300));
    for (pid, base) in [
        (10, "-Dcatalina.base=/srv/\u{202E}evil\u{1b}[2J<script>"),
        (20, long.as_str()),
        (30, "-Dcatalina.base=relative"),
    ] {
        host.run(&Process {
            pid,
            arguments: &["java", base],
            ..JAVA
        });
    }
    symlink("/home/app", host.path("proc/30/cwd")).unwrap();
    let (servers, note) = host.read(&mut host.inventory());
    let keys: Vec<&str> = servers.iter().map(|server| server.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "tomcat:/home/app/relative",
            "tomcat:/srv/\u{FFFD}evil\u{FFFD}[2J<script>"
        ]
    );
    assert!(
        note.unwrap()
            .contains("process 20 (java) of pack tomcat is left out: its home is longer")
    );
}

#[test]
fn a_thousand_servers_fit() {
    let host = Host::new();
    for at in 0..1000u32 {
        let base = format!("-Dcatalina.base=/srv/{}/{at:04}", "x".repeat(200));
        host.run(&Process {
            pid: 1000 + at,
            arguments: &["java", &base],
            ..JAVA
        });
    }
    let mut inventory = host.inventory();
    let (told, outcome) = inventory.read(SECOND_NS, WALL_MS);
    let told = told.unwrap();
    assert!(told.servers.len() <= SERVERS_MAX && told.servers.len() > 100);
    assert_eq!(told.servers.len() + told.left_out as usize, 1000);
    assert!(wire::encode(&told).len() <= SECTION_BYTES_MAX);
    assert!(outcome.reason().unwrap().contains("744 servers beyond 256"));
    let groups = inventory.measure(2 * SECOND_NS);
    assert_eq!(groups.len(), SERVERS_MAX);
}

#[test]
fn a_server_from_another_folder_takes_the_place_of_the_one_that_is_gone() {
    let mut host = Host::new();
    let unit = Some("tomcat.service");
    host.run(&Process { unit, ..JAVA });
    let mut inventory = host.inventory();
    host.read(&mut inventory);
    host.end(100);
    host.run(&Process {
        pid: 200,
        unit,
        arguments: &["java", "-Dcatalina.base=/srv/t2"],
        started_s: 1005,
        ..JAVA
    });
    host.now_s += 60;
    let (servers, _) = host.read(&mut inventory);
    let keys: Vec<&str> = servers.iter().map(|server| server.key.as_str()).collect();
    assert_eq!(keys, ["tomcat:/srv/t2"]);
}

#[test]
fn a_real_listener_of_this_process_is_found_and_its_connections_are_counted() {
    // This test is the server: its own process, by its own kernel.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let folder = Path::new("/proc/self");
    let stat = crate::collect::process::stat(folder, &mut Vec::new()).unwrap();
    let name = String::from_utf8_lossy(&stat.name).into_owned();
    let text = format!(
        "name = \"own\"\n[detect]\nprogram = {name:?}\nprocess = '.'\n[home]\nvalue = \"/own\"\n[ports]\nhttp = {{ listening = true }}\n[probe]\nport = \"http\"\n[console]\nport = \"http\"\nurl = \"http://{{host}}:{{port}}/\"\n"
    );
    let packs = Packs {
        in_force: vec![packs::parse(&text, packs::Origin::Agent).unwrap()],
        refused: Vec::new(),
    };
    let setup = Setup {
        packs,
        ..Setup::default()
    };
    let mut inventory = Inventory::new(&Roots::default(), setup);
    let now_ns = crate::clock::boot_ns();
    let (told, _) = inventory.read(now_ns, WALL_MS);
    let told = told.unwrap();
    let ours = &told.servers[0];
    assert_eq!(ours.key, "own:/own");
    let mut reader = crate::collect::connections::ConnectionsReader::default();
    let (connections, outcome) = reader.read(&mut inventory, now_ns, WALL_MS);
    let Some(connections) = connections else {
        // A sandbox without socket diagnosis says so.
        assert!(!matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
        return;
    };
    assert!(ours.ports.contains(&port), "{ours:?}");
    assert!(
        ours.console_url
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"))
    );
    let bound = connections
        .listeners
        .iter()
        .find(|l| l.port == port)
        .unwrap();
    assert_eq!(bound.server.as_deref(), Some("own:/own"));
    assert_eq!(bound.process.as_deref(), Some(name.as_str()));
    for is_incoming in [true, false] {
        let flow = connections
            .flows
            .iter()
            .find(|flow| flow.port == port && flow.is_incoming == is_incoming)
            .unwrap();
        assert_eq!(flow.server.as_deref(), Some("own:/own"));
        assert_eq!(
            (flow.connections, flow.local.as_slice()),
            (1, &[127, 0, 0, 1][..])
        );
        assert_eq!(flow.bytes_per_s, None, "nothing to compare with");
    }
    client.write_all(&[0; 50_000]).unwrap();
    let later_ns = now_ns + 10_000_000_000;
    let (later, _) = reader.read(&mut inventory, later_ns, WALL_MS);
    let flows = later.unwrap().flows;
    let accepted = flows.iter().find(|f| f.port == port && f.is_incoming);
    let rate = accepted.unwrap().bytes_per_s;
    // A kernel before 4.1 does not count them.
    assert!(rate.is_none_or(|rate| rate == 5_000), "{rate:?}");
    let groups = inventory.measure(crate::clock::boot_ns());
    assert!(value(&groups[0], Metric::ServerConnections).is_some_and(|count| count >= 2.0));
    assert!(value(&groups[0], Metric::ServerOpenFiles).is_some_and(|count| count >= 5.0));
}

#[test]
fn a_socket_made_in_a_services_control_group_is_its_servers() {
    use std::os::unix::fs::MetadataExt;
    let host = Host::new();
    let group = host.path("sys/fs/cgroup/system.slice/tomcat.service");
    std::fs::create_dir_all(&group).unwrap();
    std::fs::write(host.path("sys/fs/cgroup/cgroup.controllers"), "").unwrap();
    let number = std::fs::metadata(&group).unwrap().ino();
    let unit = Some("tomcat.service");
    host.run(&Process { unit, ..JAVA });
    let mut inventory = host.inventory();
    host.read(&mut inventory);
    let any = std::net::IpAddr::from([0; 4]);
    let socket = |control_group| Socket {
        cookie: 0,
        bytes: None,
        state: 10,
        is_retransmitting: false,
        address: any,
        port: 8080,
        peer: any,
        peer_port: 0,
        inode: 4_000_000_000,
        control_group,
    };
    let whose = inventory.whose(&socket(Some(number)));
    assert_eq!(whose.server.as_deref(), Some("tomcat:/srv/t1"));
    assert_eq!(whose.process, None, "which of its processes is not known");
    for other in [Some(number + 1), None] {
        assert_eq!(inventory.whose(&socket(other)), Whose::default());
    }
    // Two servers in one group: whose it is cannot be told.
    let arguments = &["java", "-Dcatalina.base=/srv/t2"];
    host.run(&Process {
        pid: 200,
        unit,
        arguments,
        ..JAVA
    });
    let mut inventory = host.inventory();
    host.read(&mut inventory);
    assert_eq!(inventory.whose(&socket(Some(number))), Whose::default());
}

#[test]
fn what_the_service_manager_says_of_a_process_that_is_gone_counts() {
    let host = Host::new();
    host.run(&Process {
        unit: Some("tomcat.service"),
        ..JAVA
    });
    let mut inventory = host.inventory();
    host.read(&mut inventory);
    let running = inventory.known.values().next().unwrap().clone();
    let unit = |active: &str| protocol::v1::section::Unit {
        name: "tomcat.service".to_owned(),
        active: active.to_owned(),
        restarts: Some(3),
        ..Default::default()
    };
    for (active, state, is_open) in [
        ("failed", State::Failed, false),
        ("inactive", State::Stopped, false),
        ("deactivating", State::Gone, true),
        ("activating", State::Gone, true),
    ] {
        let mut gone = running.clone();
        gone.vanished();
        assert!(gone.wants_unit_state());
        gone.note_unit(Some(&unit(active)));
        assert_eq!(
            (gone.state, gone.wants_unit_state()),
            (state, is_open),
            "{active}"
        );
        assert_eq!(gone.server(None).restarts, Some(3));
    }
    let mut still = running.clone();
    still.note_unit(Some(&unit("failed")));
    assert_eq!(still.state, State::Running, "it has a process");
    let mut unknown = running;
    unknown.vanished();
    unknown.note_unit(None);
    assert_eq!(
        (unknown.state, unknown.wants_unit_state()),
        (State::Gone, false)
    );
}
