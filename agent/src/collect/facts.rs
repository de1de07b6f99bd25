//! What the host is: read once a minute, sent only when it changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use domain::text::clean_label;
use protocol::v1::report::{Facts, Filesystem, Interface};

use super::filesystem::Mounts;
use super::network::{self, is_second_rank};
use super::text::{instance, lines, number, words};
use super::{Ask, INSTANCES_MAX, Outcome, Roots, memory, reboot};

const FILE_BYTES_MAX: u64 = 256 * 1024;
const ADDRESSES_MAX: usize = 16;
/// The boot instant is told by two clocks that drift apart: less is no change.
const BOOTED_AT_TOLERANCE_S: i64 = 5;

/// Addresses by interface.
pub type Addresses = BTreeMap<String, Vec<IpAddr>>;

/// Reads the facts.
pub struct FactsReader {
    roots: Roots,
    mounts: Rc<RefCell<Mounts>>,
    ask: Ask,
    /// These do not change while the kernel runs.
    cpu_model: Option<String>,
    virtualization: Option<String>,
    booted_at_s: Option<i64>,
    began: bool,
}

impl FactsReader {
    pub fn new(roots: &Roots, mounts: Rc<RefCell<Mounts>>, ask: Ask) -> Self {
        Self {
            roots: roots.clone(),
            mounts,
            ask,
            cpu_model: None,
            virtualization: None,
            booted_at_s: None,
            began: false,
        }
    }

    /// Reads what the host is now.
    pub fn read(&mut self, now_ns: u64, wall_ms: i64, policy: &str) -> (Facts, Outcome) {
        let roots = self.roots.clone();
        let proc = |name: &str| read_text(&roots.proc.join(name));
        if !self.began {
            self.began = true;
            let cpuinfo = proc("cpuinfo").unwrap_or_default();
            self.cpu_model = cpu_model(&cpuinfo);
            self.virtualization = Some(virtualization(&roots, &cpuinfo));
        }
        let meminfo = memory::parse(proc("meminfo").unwrap_or_default().as_bytes());
        let mut facts = Facts {
            hostname: hostname(&roots),
            os: os(&roots),
            kernel: kernel(&roots),
            architecture: nix::sys::utsname::uname()
                .ok()
                .map(|uname| clean_label(&uname.machine().to_string_lossy())),
            cpu_model: self.cpu_model.clone(),
            cpu_count: cpu_count(&roots),
            virtualization: self.virtualization.clone(),
            memory_bytes: meminfo.total,
            swap_bytes: meminfo.swap_total,
            boot_id: label(&roots.proc.join("sys/kernel/random/boot_id")),
            booted_at_s: self.booted_at_s(now_ns, wall_ms),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: policy.to_owned(),
            filesystems: Vec::new(),
            interfaces: self.interfaces(),
            reboot_required: reboot::required(&roots),
        };
        match self.mounts.borrow_mut().selection(now_ns) {
            Ok(selection) => {
                for mount in &selection.mounts {
                    let space = (self.ask.space)(Path::new(OsStr::from_bytes(&mount.point)));
                    facts.filesystems.push(Filesystem {
                        mount_point: mount.instance.clone(),
                        device: mount.source.clone(),
                        kind: mount.kind.clone(),
                        size_bytes: space
                            .map_or(0, |space| space.blocks.saturating_mul(space.block_bytes)),
                        read_only: mount.is_read_only,
                    });
                }
                facts
                    .filesystems
                    .retain(|filesystem| filesystem.size_bytes > 0);
                (facts, Outcome::Ok(None))
            }
            Err(error) => {
                let reason = format!("self/mountinfo: {error}");
                (facts, Outcome::Failed(reason))
            }
        }
    }

    fn booted_at_s(&mut self, now_ns: u64, wall_ms: i64) -> Option<i64> {
        let up_ms = i64::try_from(now_ns / 1_000_000).ok()?;
        let told = wall_ms.checked_sub(up_ms)?.div_euclid(1000);
        let keep = self
            .booted_at_s
            .filter(|before| before.abs_diff(told) < BOOTED_AT_TOLERANCE_S.unsigned_abs());
        self.booted_at_s = Some(keep.unwrap_or(told));
        self.booted_at_s
    }

    fn interfaces(&self) -> Vec<Interface> {
        let table = read_text(&self.roots.proc.join("net/dev")).unwrap_or_default();
        let mut names: Vec<&[u8]> = lines(table.as_bytes())
            .filter_map(network::parse)
            .map(|(name, _)| name)
            .collect();
        names.sort_by_key(|name| is_second_rank(name));
        names.truncate(INSTANCES_MAX);
        let addresses = (self.ask.addresses)();
        let mut seen = BTreeSet::new();
        let mut interfaces: Vec<Interface> = names
            .into_iter()
            .filter_map(|raw| {
                let name = instance(raw);
                let raw = std::str::from_utf8(raw).ok()?;
                let mut own: Vec<IpAddr> = addresses.get(raw).cloned().unwrap_or_default();
                own.sort();
                own.truncate(ADDRESSES_MAX);
                seen.insert(name.clone()).then(|| Interface {
                    addresses: own.iter().map(IpAddr::to_string).collect(),
                    speed_mbit: self.speed_mbit(raw),
                    name,
                })
            })
            .collect();
        interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        interfaces
    }

    /// Drivers without a speed give an error or -1.
    fn speed_mbit(&self, name: &str) -> Option<u32> {
        if name.contains('/') || name == ".." {
            return None;
        }
        let text = read_text(&self.roots.sys.join("class/net").join(name).join("speed"))?;
        u32::try_from(number(text.trim().as_bytes())?)
            .ok()
            .filter(|speed| *speed > 0)
    }
}

/// Addresses of this host's interfaces that others can use: neither loopback nor link-local.
pub fn addresses() -> Addresses {
    let mut found = Addresses::new();
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return found;
    };
    for interface in interfaces {
        let address = interface.address.and_then(|address| {
            address
                .as_sockaddr_in()
                .map(|four| IpAddr::from(four.ip()))
                .or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::from(six.ip())))
        });
        let is_link_local =
            |ip: &IpAddr| matches!(ip, IpAddr::V6(six) if six.is_unicast_link_local());
        if let Some(ip) = address.filter(|ip| !ip.is_loopback() && !is_link_local(ip)) {
            found.entry(interface.interface_name).or_default().push(ip);
        }
    }
    found
}

fn read_text(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn label(path: &Path) -> Option<String> {
    read_text(path)
        .map(|text| clean_label(&text))
        .filter(|text| !text.is_empty())
}

/// Kernel host name.
pub fn hostname(roots: &Roots) -> String {
    label(&roots.proc.join("sys/kernel/hostname")).unwrap_or_else(|| "localhost".to_owned())
}

/// Kernel boot id, 16 bytes; zeros where the kernel tells none.
pub fn boot_id(roots: &Roots) -> [u8; 16] {
    let hex: String = read_text(&roots.proc.join("sys/kernel/random/boot_id"))
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or_default()
}

fn kernel(roots: &Roots) -> Option<String> {
    let name = label(&roots.proc.join("sys/kernel/ostype"))?;
    let release = label(&roots.proc.join("sys/kernel/osrelease"))?;
    Some(format!("{name} {release}"))
}

fn os(roots: &Roots) -> Option<String> {
    ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|name| pretty_name(&read_text(&roots.root.join(name))?))
}

/// `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`, see os-release(5).
fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release
        .lines()
        .find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?
        .trim();
    let quote = |c: char| value.strip_prefix(c).and_then(|rest| rest.strip_suffix(c));
    let bare = quote('"').or_else(|| quote('\'')).unwrap_or(value);
    let name = clean_label(&bare.replace("\\\"", "\""));
    (!name.is_empty()).then_some(name)
}

/// First processor's name; ARM kernels know none, some boards tell their own.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "cpu model", "cpu", "Model", "Hardware"]
        .iter()
        .find_map(|key| {
            let value = cpuinfo.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == *key).then(|| clean_label(value))
            })?;
            (!value.is_empty()).then_some(value)
        })
}

fn cpu_count(roots: &Roots) -> Option<u32> {
    let online = read_text(&roots.sys.join("devices/system/cpu/online"))
        .and_then(|text| count_list(text.trim()));
    online.or_else(|| {
        let stat = read_text(&roots.proc.join("stat"))?;
        let count = lines(stat.as_bytes())
            .filter_map(|line| words(line).next()?.strip_prefix(b"cpu"))
            .filter(|rest| number(rest).is_some())
            .count();
        u32::try_from(count).ok().filter(|count| *count > 0)
    })
}

/// `0-3,8` is five.
fn count_list(list: &str) -> Option<u32> {
    let mut count = 0u32;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    (count > 0).then_some(count)
}

/// As far as files that anybody may read tell it.
fn virtualization(roots: &Roots, cpuinfo: &str) -> String {
    if let Some(name) = label(&roots.root.join("run/systemd/container")) {
        return name;
    }
    for (file, name) in [(".dockerenv", "docker"), ("run/.containerenv", "podman")] {
        if roots.root.join(file).exists() {
            return name.to_owned();
        }
    }
    if let Some(name) = label(&roots.sys.join("hypervisor/type")) {
        return name;
    }
    let dmi: String = ["sys_vendor", "product_name", "board_vendor", "bios_vendor"]
        .iter()
        .filter_map(|name| label(&roots.sys.join("class/dmi/id").join(name)))
        .collect::<Vec<_>>()
        .join("\n");
    if let Some(name) = hypervisor(&dmi) {
        return name.to_owned();
    }
    let has_flag = cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| {
            line.split_ascii_whitespace()
                .any(|flag| flag == "hypervisor")
        });
    let is_tree_guest = roots.proc.join("device-tree/hypervisor").exists();
    if has_flag || is_tree_guest {
        "virtual machine"
    } else {
        "none"
    }
    .to_owned()
}

fn hypervisor(dmi: &str) -> Option<&'static str> {
    if dmi.contains("Amazon EC2") && dmi.contains(".metal") {
        return None;
    }
    [
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("KubeVirt", "kvm"),
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VMW", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("Xen", "xen"),
        ("Bochs", "bochs"),
        ("Parallels", "parallels"),
        ("BHYVE", "bhyve"),
        ("Hyper-V", "hyper-v"),
        ("Virtual Machine", "hyper-v"),
        ("Hetzner", "kvm"),
        ("DigitalOcean", "kvm"),
    ]
    .iter()
    .find(|(mark, _)| dmi.contains(mark))
    .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_from_os_release() {
        assert_eq!(
            pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            Some("Debian GNU/Linux 12 (bookworm)".into())
        );
        assert_eq!(pretty_name("PRETTY_NAME='Alpine'\n"), Some("Alpine".into()));
        assert_eq!(
            pretty_name("PRETTY_NAME=\"\u{1b}[31mEvil\"\n"),
            Some("\u{FFFD}[31mEvil".into())
        );
        assert_eq!(pretty_name("PRETTY_NAME=\"\"\n"), None);
        assert_eq!(pretty_name("NAME=x\n"), None);
    }

    #[test]
    fn processors_are_counted_from_a_list() {
        assert_eq!(count_list("0-3,8"), Some(5));
        assert_eq!(count_list("0"), Some(1));
        for bad in ["", "3-1", "x", "0-4294967295", "1,,2"] {
            assert_eq!(count_list(bad), None, "{bad}");
        }
    }

    #[test]
    fn hypervisors_are_known_by_their_marks() {
        assert_eq!(hypervisor("QEMU\nStandard PC"), Some("qemu"));
        assert_eq!(hypervisor("Amazon EC2\nc7g.metal"), None);
        assert_eq!(
            hypervisor("Microsoft Corporation\nVirtual Machine"),
            Some("hyper-v")
        );
        assert_eq!(hypervisor("Dell Inc.\nPowerEdge"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,300}") {
            let _ = (pretty_name(&text), cpu_model(&text), count_list(&text), hypervisor(&text));
        }
    }
}
