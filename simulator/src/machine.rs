//! What a simulated host is: its size, disks, interfaces and name, the same for the same seed and index.
//!
//! Pure. What it measures is [`crate::values`].

use domain::fleet::Collector;
use protocol::v1::report::{CollectorRun, Facts, Filesystem, Interface};

use crate::random::{mix, unit};

const GIB: u64 = 1 << 30;
/// Longest time since the boot of a simulated host.
const UPTIME_S_MAX: u64 = 120 * 86_400;

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub mount_point: &'static str,
    /// What.
    pub device: String,
    /// Size.
    pub size_bytes: u64,
    /// Does its type have a fixed number of inodes?
    pub has_inodes: bool,
}

/// A simulated host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What all of its values are drawn from.
    pub seed: u64,
    /// Kernel host name.
    pub hostname: String,
    /// Processors.
    pub cpu_count: u32,
    /// Installed memory.
    pub memory_bytes: u64,
    /// Swap space; 0 for none.
    pub swap_bytes: u64,
    /// Filesystems: `/`, `/var` and, on some hosts, `/srv`.
    pub mounts: Vec<Mount>,
    /// Block devices.
    pub disks: Vec<&'static str>,
    /// Network interfaces.
    pub interfaces: Vec<&'static str>,
    /// Does its kernel measure pressure?
    pub has_pressure: bool,
    /// Seconds it had been up when the simulating machine booted.
    pub uptime_offset_s: u64,
    index: u32,
}

/// The address of a host's interface number `interface`, unique in the fleet: in 10.0.0.0/8, never a network's first or
/// last.
pub fn address(index: u32, interface: u32) -> [u8; 4] {
    let [_, _, high, low] = (index / 250).to_be_bytes();
    let [.., host] = (index % 250 + 1).to_be_bytes();
    let [.., net] = (16 * interface).to_be_bytes();
    [10, net.wrapping_add(high), low, host]
}

impl Machine {
    /// Host number `index` of a scenario; hosts of the same cluster (`kin`) are of the same size.
    pub fn placed(fleet_seed: u64, index: u32, kin: u64, hostname: String) -> Self {
        let model = Self::new(mix(fleet_seed, 9_000 + kin), 0);
        let own = Self::new(fleet_seed, index);
        Self {
            seed: own.seed,
            hostname,
            uptime_offset_s: own.uptime_offset_s,
            index,
            ..model
        }
    }

    /// Host number `index` (from 0) of the fleet with this seed.
    pub fn new(fleet_seed: u64, index: u32) -> Self {
        let seed = mix(fleet_seed, u64::from(index) + 1);
        let draw = |what: u64| mix(seed, what);
        let is_nvme = draw(1).is_multiple_of(3);
        let size = draw(2) % 4;
        let disk = if is_nvme { "nvme0n1" } else { "sda" };
        let partition = |number: u32| {
            if is_nvme {
                format!("/dev/{disk}p{number}")
            } else {
                format!("/dev/{disk}{number}")
            }
        };
        let has_xfs = draw(3).is_multiple_of(4);
        let mut mounts = vec![
            Mount {
                mount_point: "/",
                device: partition(1),
                size_bytes: (20 << size) * GIB,
                has_inodes: true,
            },
            Mount {
                mount_point: "/var",
                device: partition(2),
                size_bytes: (40 << size) * GIB,
                has_inodes: !has_xfs,
            },
        ];
        let mut disks = vec![disk];
        if draw(4).is_multiple_of(5) {
            mounts.push(Mount {
                mount_point: "/srv",
                device: "/dev/sdb1".to_owned(),
                size_bytes: 500 * GIB,
                has_inodes: true,
            });
            disks.push("sdb");
        }
        let mut interfaces = vec!["eth0"];
        if draw(5).is_multiple_of(3) {
            interfaces.push("eth1");
        }
        Self {
            seed,
            hostname: format!("sim-{:05}", index + 1),
            cpu_count: 2 << size,
            memory_bytes: (4 << size) * GIB,
            swap_bytes: if draw(6).is_multiple_of(4) {
                0
            } else {
                2 * GIB
            },
            mounts,
            disks,
            interfaces,
            has_pressure: !draw(7).is_multiple_of(9),
            uptime_offset_s: (unit(draw(8)) * UPTIME_S_MAX as f64) as u64,
            index,
        }
    }

    /// Kernel boot id.
    pub fn boot_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        let (high, low) = id.split_at_mut(8);
        high.copy_from_slice(&mix(self.seed, 20).to_be_bytes());
        low.copy_from_slice(&mix(self.seed, 21).to_be_bytes());
        id
    }

    /// What it tells about itself. `booted_at_s` is the simulating machine's boot instant.
    pub fn facts(&self, booted_at_s: i64) -> Facts {
        let offset_s = i64::try_from(self.uptime_offset_s).unwrap_or(0);
        let (os, kernel) = match mix(self.seed, 22) % 3 {
            0 => ("Debian GNU/Linux 12 (bookworm)", "Linux 6.1.0-28-amd64"),
            1 => ("Debian GNU/Linux 13 (trixie)", "Linux 6.12.48+deb13-amd64"),
            _ => ("Rocky Linux 9.4 (Blue Onyx)", "Linux 5.14.0-427.el9.x86_64"),
        };
        let text = data_encoding::HEXLOWER.encode(&self.boot_id());
        Facts {
            hostname: self.hostname.clone(),
            os: Some(os.to_owned()),
            kernel: Some(kernel.to_owned()),
            architecture: Some("x86_64".to_owned()),
            cpu_model: Some("Simulated processor".to_owned()),
            cpu_count: Some(self.cpu_count),
            virtualization: Some("kvm".to_owned()),
            memory_bytes: Some(self.memory_bytes),
            swap_bytes: Some(self.swap_bytes),
            boot_id: Some(text),
            booted_at_s: Some(booted_at_s.saturating_sub(offset_s)),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: "observe only".to_owned(),
            filesystems: self.mounts.iter().map(filesystem).collect(),
            interfaces: self
                .interfaces
                .iter()
                .zip(0u32..)
                .map(|(name, number)| Interface {
                    name: (*name).to_owned(),
                    addresses: vec![
                        std::net::Ipv4Addr::from(address(self.index, number)).to_string(),
                    ],
                    speed_mbit: Some(1_000),
                })
                .collect(),
            reboot_required: None,
        }
    }

    /// How its collectors ran at `t_ms`.
    pub fn collectors(&self, t_ms: i64) -> Vec<CollectorRun> {
        Collector::ALL
            .iter()
            .filter(|collector| collector.is_source())
            .map(|collector| {
                let is_absent = *collector == Collector::Pressure && !self.has_pressure;
                let number = u64::from(collector.wire());
                let spread = mix(self.seed ^ t_ms.unsigned_abs(), number) % 200;
                CollectorRun {
                    collector: collector.wire(),
                    duration_us: u32::try_from(20 + spread + number * 5).unwrap_or(0),
                    outcome: u8::from(is_absent),
                    reason: is_absent.then(|| {
                        "no /proc/pressure: this kernel does not measure pressure".to_owned()
                    }),
                }
            })
            .collect()
    }
}

fn filesystem(mount: &Mount) -> Filesystem {
    Filesystem {
        mount_point: mount.mount_point.to_owned(),
        device: mount.device.clone(),
        kind: if mount.has_inodes { "ext4" } else { "xfs" }.to_owned(),
        size_bytes: mount.size_bytes,
        read_only: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_fleet_and_another_one_another() {
        let fleet = |seed| {
            (0..200)
                .map(|index| Machine::new(seed, index))
                .collect::<Vec<_>>()
        };
        assert_eq!(fleet(7), fleet(7));
        assert_ne!(fleet(7), fleet(8));
        let names: BTreeSet<String> = fleet(7).into_iter().map(|m| m.hostname).collect();
        assert_eq!(names.len(), 200);
    }

    #[test]
    fn a_fleet_has_hosts_of_every_kind() {
        let fleet: Vec<Machine> = (0..200).map(|index| Machine::new(1, index)).collect();
        let some = |what: fn(&Machine) -> bool| {
            let count = fleet.iter().filter(|machine| what(machine)).count();
            assert!((5..200).contains(&count), "{count}");
        };
        some(|m| m.swap_bytes == 0);
        some(|m| !m.has_pressure);
        some(|m| m.mounts.len() == 3);
        some(|m| m.interfaces.len() == 2);
        some(|m| m.mounts.iter().any(|mount| !mount.has_inodes));
        some(|m| m.cpu_count == 16);
    }

    #[test]
    fn addresses_are_unique_and_fit_for_hosts() {
        let mut seen = BTreeSet::new();
        for index in 0..crate::AGENTS_MAX {
            for interface in 0..2 {
                let address = address(index, interface);
                assert!(address[0] == 10 && (1..=250).contains(&address[3]));
                assert!(seen.insert(address), "{address:?} twice");
            }
        }
        assert_eq!(address(0, 0), [10, 0, 0, 1]);
    }

    #[test]
    fn facts_and_collectors_agree_with_the_host() {
        for index in 0..50 {
            let machine = Machine::new(3, index);
            let facts = machine.facts(1_000_000_000);
            assert_eq!(facts.filesystems.len(), machine.mounts.len());
            assert_eq!(facts, machine.facts(1_000_000_000));
            let runs = machine.collectors(5);
            let absent = runs.iter().filter(|run| run.outcome == 1).count();
            assert_eq!(absent, usize::from(!machine.has_pressure));
            assert!(runs.len() >= 10);
        }
    }
}
