//! A real systemd as the first process of a host of its own, with the agent as one of its services: a pack of the site
//! finds a service by its unit, and tells its restarts and that it was stopped.
//!
//! Needs root, systemd and a control group of its own: run in the machine's own group it would take every process for its.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common;
use crate::hosts::{self, Bridge, Host, within};
use crate::support::{Server, cli_ok};
use protocol::v1::section::{KIND_SERVERS, KIND_UNITS, Server as Found, Servers, Unit, Units};
use protocol::wire;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const NAME: &str = "a_service_of_a_real_systemd_is_found_and_its_restarts_are_told";
const SYSTEMD: &str = "/usr/lib/systemd/systemd";
const PATIENCE: Duration = Duration::from_secs(40);
/// The service: known on the machine by its odd argument.
const SERVICE: &str = "[Unit]\nDescription=billing of the shop\nDefaultDependencies=no\n\
    [Service]\nExecStart=/bin/sleep 98765431\nRestart=always\nRestartSec=200ms\n";

/// Boots systemd with these units and nothing else. Arguments: folder of units.
const BOOT: &str = r#"
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/systemd/system /run/none
cp "$1"/* /run/systemd/system/
mount --bind /run/none /etc/systemd/system
mount --bind /run/none /usr/lib/systemd/system-generators
umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
exec /usr/lib/systemd/systemd --system --unit=fleet.target --log-target=console --show-status=no
"#;

/// A control group that ends with the test.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|root| Path::new(root).join("cgroup.procs").is_file())?;
        let group = Path::new(root).join(format!("oc-test-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        Some(Self(group))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What systemd made inside; empty by now, from the innermost.
        let path = self.0.display();
        let script = format!("sleep 0.3; find '{path}' -depth -type d -exec rmdir {{}} +");
        drop(
            std::process::Command::new("sh")
                .args(["-c", &script])
                .status(),
        );
    }
}

/// What the agent told last.
async fn told(data: &Path) -> (Servers, Vec<Unit>) {
    let mut state = SqliteConnectOptions::new()
        .filename(data.join("state.db"))
        .read_only(true)
        .connect()
        .await
        .unwrap();
    let mut section = async |kind: u16| -> Option<Vec<u8>> {
        sqlx::query_scalar("SELECT body FROM host_section WHERE kind = $1")
            .bind(i64::from(kind))
            .fetch_optional(&mut state)
            .await
            .unwrap()
    };
    let servers = section(KIND_SERVERS)
        .await
        .map(|body| wire::decode::<Servers>("servers", &body).unwrap());
    let units = section(KIND_UNITS)
        .await
        .map(|body| wire::decode::<Units>("units", &body).unwrap().units);
    (servers.unwrap_or_default(), units.unwrap_or_default())
}

/// Waits until the server's own packs are followed and refused as they should be.
async fn wait_for_packs(data: &Path, log: &Path) {
    let began = std::time::Instant::now();
    loop {
        let (told, _) = told(data).await;
        let is_found = told
            .servers
            .iter()
            .any(|server| server.key == "stock:stock.service");
        let refused = told.refused_packs.join("\n");
        if is_found && refused.contains("asking.toml of the server: line 4: ") {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{told:#?}\n{}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until what is told of the service is as it should be.
async fn wait_for(data: &Path, log: &Path, what: &str, is_so: impl Fn(&Found) -> bool) -> Found {
    let began = std::time::Instant::now();
    loop {
        let (servers, units) = told(data).await;
        let mut found = servers.servers.iter();
        if let Some(found) = found.find(|server| server.pack == "billing")
            && is_so(found)
        {
            return found.clone();
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}\n{servers:#?}\n{units:#?}\n{}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_a_real_systemd_is_found_and_its_restarts_are_told() {
    let program = std::env::var_os("OPSCENTER_BIN_DIR").map(|dir| Path::new(&dir).join("oc-agent"));
    let Some(program) = program.filter(|program| program.is_file()) else {
        return common::skipped(NAME, "OPSCENTER_BIN_DIR names no folder with oc-agent");
    };
    if let Some(reason) = hosts::missing() {
        return common::skipped(NAME, &reason);
    }
    if !Path::new(SYSTEMD).is_file() {
        return common::skipped(NAME, "systemd is not installed");
    }
    let Some(group) = Group::new() else {
        return common::skipped(NAME, "no control group can be made here");
    };
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let folder = temp.path().join("host");
    let (units, packs) = (folder.join("units"), folder.join("packs"));
    std::fs::create_dir_all(&units).unwrap();
    std::fs::create_dir(&packs).unwrap();
    // Any service of systemd needs no more than this.
    std::fs::write(
        packs.join("billing.toml"),
        "name = \"billing\"\n[detect]\nunit = [\"billing.service\"]\n",
    )
    .unwrap();
    let settings = format!(
        "interval = \"1s\"\n[packs]\ndir = \"{}\"\n",
        packs.display()
    );
    std::fs::write(folder.join("agent.toml"), settings).unwrap();
    std::fs::write(folder.join("policy.toml"), "").unwrap();
    let paths = format!(
        "--config {0}/agent.toml --policy {0}/policy.toml --state {0}/state",
        folder.display()
    );
    let agent = format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart={} run {paths}\n",
        program.display()
    );
    std::fs::write(units.join("billing.service"), SERVICE).unwrap();
    std::fs::write(
        units.join("stock.service"),
        SERVICE.replace("98765431", "98765432"),
    )
    .unwrap();
    std::fs::write(units.join("oc-agent.service"), agent).unwrap();
    let target =
        "[Unit]\nDefaultDependencies=no\nWants=billing.service stock.service oc-agent.service\n";
    std::fs::write(units.join("fleet.target"), target).unwrap();

    // Another service is found by a pack of the server; one of its packs that would ask this host something is refused.
    std::fs::create_dir_all(data.join("packs")).unwrap();
    let of_server = "name = \"stock\"\ndetect.unit = [\"stock.service\"]\n";
    std::fs::write(data.join("packs/stock.toml"), of_server).unwrap();
    let asking = "name = \"asking\"\ndetect.unit = [\"stock.service\"]\nports.http = 80\n[probe]\nport = \"http\"\n";
    std::fs::write(data.join("packs/asking.toml"), asking).unwrap();

    let bridge = Bridge::new();
    let host = Host::new(&bridge, "unit-1", 41);
    let server = Server::start_with(
        &data,
        &format!("{}:0", bridge.address(1)),
        &["--insecure-http"],
    );
    let token = cli_ok(&data, &["enroll-token", "create", "--cluster", "units"]);
    let enrolled = host
        .command(program.to_str().unwrap())
        .args(["enroll", "--insecure-http", "--server", &server.url])
        .args(paths.split(' '))
        .env("OPSCENTER_TOKEN", token)
        .output()
        .unwrap();
    assert!(enrolled.status.success(), "{enrolled:?}");

    let log = folder.join("systemd.log");
    let boot = format!(
        "exec unshare --mount --pid --fork --kill-child --mount-proc --cgroup --propagation private sh -c '{BOOT}' sh {}",
        units.display()
    );
    let systemd = host.start_in(&group.0, &log, "sh", &["-c", &boot]);

    let first = wait_for(&data, &log, "the service", |found| {
        found.state == 1 && found.restarts == Some(0)
    })
    .await;
    assert_eq!(first.unit.as_deref(), Some("billing.service"));
    assert_eq!(first.key, "billing:billing.service");
    wait_for_packs(&data, &log).await;
    // It dies, and systemd starts it again.
    let sleeps = || {
        within(PATIENCE, "the service's process", &mut || {
            std::fs::read_dir("/proc")
                .ok()?
                .flatten()
                .find_map(|entry| {
                    let words = std::fs::read(entry.path().join("cmdline")).ok()?;
                    let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
                    (words == b"/bin/sleep\x0098765431\x00").then_some(pid)
                })
        })
    };
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(sleeps()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let again = wait_for(&data, &log, "its restart", |found| {
        found.state == 1 && found.restarts == Some(1)
    })
    .await;
    assert_eq!(again.key, first.key, "it is the same server");
    assert_ne!(again.pid, first.pid);
    // Somebody stops it: systemd says so, and it is no failure.
    let stopped = host
        .command("nsenter")
        .args([
            "--target",
            &first_process(&host),
            "--mount",
            "--pid",
            "systemctl",
            "stop",
            "billing.service",
        ])
        .output()
        .unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    wait_for(&data, &log, "its stop", |found| found.state == 2).await;
    let (_, units) = told(&data).await;
    let unit = units
        .iter()
        .find(|unit| unit.name == "billing.service")
        .expect("it is in the list of services");
    assert_eq!(unit.description.as_deref(), Some("billing of the shop"));
    drop(systemd);
    drop(host);
    drop(group);
}

/// systemd as this host numbers it.
fn first_process(host: &Host) -> String {
    let found = host
        .command("pgrep")
        .args(["-x", "systemd"])
        .output()
        .unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    text.split_whitespace()
        .next()
        .expect("systemd runs")
        .to_owned()
}
