//! Hosts on one machine: a network namespace each on a common bridge, with processes, mounts and a name of its own, so
//! that what runs there sees only what is there. Needs root; everything ends with the value.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Why hosts cannot be made here, if they cannot.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    for program in ["ip", "unshare", "nsenter"] {
        if !exists(program) {
            return Some(format!("there is no `{program}`"));
        }
    }
    // A container may forbid it.
    let made = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--mount-proc", "--uts", "true"])
        .stderr(Stdio::null())
        .status();
    match made {
        Ok(status) if status.success() => None,
        _ => Some("namespaces may not be made here".to_owned()),
    }
}

/// Is there such a program?
pub fn exists(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

fn ip(words: &str) {
    let output = Command::new("ip")
        .args(words.split(' '))
        .output()
        .unwrap_or_else(|error| panic!("ip: {error}"));
    assert!(output.status.success(), "ip {words}: {output:?}");
}

/// The bridge that the hosts are on, with an address of this machine.
pub struct Bridge {
    id: u32,
}

impl Bridge {
    /// Makes it. Names and addresses follow the test's process id, so that runs do not meet.
    pub fn new() -> Self {
        let bridge = Self {
            id: std::process::id() % 250,
        };
        let name = bridge.name();
        // What a test that was killed left behind.
        drop(
            Command::new("ip")
                .args(["link", "delete", &name])
                .stderr(Stdio::null())
                .status(),
        );
        ip(&format!("link add {name} type bridge"));
        ip(&format!("addr add {}/24 dev {name}", bridge.address(1)));
        ip(&format!("link set {name} up"));
        bridge
    }

    fn name(&self) -> String {
        format!("ocb{}", self.id)
    }

    /// An address on it; 1 is this machine's. 198.18.0.0/15 is for tests of networks.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, u8::try_from(self.id).unwrap(), host)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(
            Command::new("ip")
                .args(["link", "delete", &self.name()])
                .status(),
        );
    }
}

/// One host.
pub struct Host {
    /// For people, and its host name.
    pub name: String,
    /// On the bridge.
    pub address: Ipv4Addr,
    space: String,
    /// `unshare`, which ends its child and thereby every process of the host when it ends.
    holder: Child,
    first: i32,
}

impl Host {
    /// Makes it and puts it on the bridge.
    pub fn new(bridge: &Bridge, name: &str, number: u8) -> Self {
        Self::with_address(bridge, name, number, bridge.address(number))
    }

    /// The same with an address that was another's.
    pub fn with_address(bridge: &Bridge, name: &str, number: u8, address: Ipv4Addr) -> Self {
        let (space, outer, inner) = wire(bridge, number);
        ip(&format!("link set {outer} master {} up", bridge.name()));
        Self::on(name, space, &inner, address)
    }

    /// A host in a network of its own behind `router`: it speaks with the router's address, and its port `inside` is
    /// reached at the router's port `outside`.
    pub fn behind(
        router: &Host,
        bridge: &Bridge,
        name: &str,
        number: u8,
        outside: u16,
        inside: u16,
    ) -> Self {
        let (space, outer, inner) = wire(bridge, number);
        let [_, _, id, _] = router.address.octets();
        let (way_out, address) = (
            Ipv4Addr::new(198, 19, id, 1),
            Ipv4Addr::new(198, 19, id, number),
        );
        let at = &router.space;
        ip(&format!("link set {outer} netns {at}"));
        ip(&format!("-n {at} addr add {way_out}/24 dev {outer}"));
        ip(&format!("-n {at} link set {outer} up"));
        let host = Self::on(name, space, &inner, address);
        ip(&format!(
            "-n {} route add default via {way_out}",
            host.space
        ));
        let rules = format!(
            "table ip nat {{
               chain out {{ type nat hook postrouting priority srcnat; oifname != \"{outer}\" masquerade; }}
               chain in {{ type nat hook prerouting priority dstnat; tcp dport {outside} dnat to {address}:{inside}; }}
             }}"
        );
        let script = format!("echo 1 > /proc/sys/net/ipv4/ip_forward && echo '{rules}' | nft -f -");
        let made = router.command("sh").args(["-c", &script]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        host
    }

    /// Takes its address from it: who has it next is another.
    pub fn take_address(&self) -> Ipv4Addr {
        ip(&format!("-n {} addr flush to {}", self.space, self.address));
        self.address
    }

    /// Forgets who was at which address, as a host does by itself after a while.
    pub fn forget_neighbours(&self) {
        ip(&format!("-n {} neigh flush all", self.space));
    }

    fn on(name: &str, space: String, inner: &str, address: Ipv4Addr) -> Self {
        ip(&format!("-n {space} addr add {address}/24 dev {inner}"));
        ip(&format!("-n {space} link set {inner} up"));
        ip(&format!("-n {space} link set lo up"));
        let script = format!("hostname {name}; exec sleep infinity");
        let holder = Command::new("ip")
            .args([
                "netns",
                "exec",
                &space,
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["--mount-proc", "--uts", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut host = Self {
            name: name.to_owned(),
            address,
            space,
            first: 0,
            holder,
        };
        let children = format!("/proc/{0}/task/{0}/children", host.holder.id());
        host.first = until("the host's first process", || {
            let text = std::fs::read_to_string(&children).ok()?;
            let first = text.split_ascii_whitespace().next()?.parse::<i32>().ok()?;
            // It is what it will be once its name is set.
            let name = std::fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
            (name == "sleep\n").then_some(first)
        });
        host
    }

    /// A command that runs on this host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let first = self.first.to_string();
        command
            .args([
                "--target", &first, "--net", "--pid", "--mount", "--uts", "--", program,
            ])
            .stdin(Stdio::null());
        command
    }

    /// Starts a program that stays, in a process group of its own; what it says goes to `log`.
    pub fn start(&self, log: &Path, program: &str, arguments: &[&str]) -> Program {
        let mut command = self.command(program);
        command.args(arguments);
        Self::spawn(log, command)
    }

    /// The same in a control group, which the host itself does not see.
    pub fn start_in(&self, group: &Path, log: &Path, program: &str, arguments: &[&str]) -> Program {
        let inner = self.command(program);
        let script = format!(
            "echo $$ > '{}/cgroup.procs' && exec \"$0\" \"$@\"",
            group.display()
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(inner.get_program())
            .args(inner.get_args())
            .args(arguments)
            .stdin(Stdio::null());
        Self::spawn(log, command)
    }

    fn spawn(log: &Path, mut command: Command) -> Program {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Program(child)
    }
}

/// A namespace with one end of a wire in it; gives its name and those of the outer and the inner end.
fn wire(bridge: &Bridge, number: u8) -> (String, String, String) {
    let name = |kind: char| format!("oc{kind}{}-{number}", bridge.id);
    let (space, outer, inner) = (name('n'), name('o'), name('i'));
    drop(
        Command::new("ip")
            .args(["netns", "delete", &space])
            .stderr(Stdio::null())
            .status(),
    );
    ip(&format!("netns add {space}"));
    ip(&format!("link add {outer} type veth peer name {inner}"));
    ip(&format!("link set {inner} netns {space}"));
    (space, outer, inner)
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.space])
                .status(),
        );
    }
}

/// A program on a host; ended with its children when dropped.
pub struct Program(Child);

impl Program {
    /// Sends a signal to it and its children.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        // It may have ended already.
        let _ended = nix::sys::signal::killpg(group, signal).is_err();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        drop(self.0.wait());
    }
}

/// Waits for something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, &mut look)
}

/// Waits so long.
pub fn within<T>(patience: Duration, what: &str, look: &mut dyn FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < patience,
            "{what}: not within {patience:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
