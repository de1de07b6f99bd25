//! What a host is, as its agent tells it; unlike samples, facts change rarely and are sent only when they do.
//!
//! A fact that a host lacks is `None` or an outcome with its reason, never zero or an empty string.

use serde::{Deserialize, Serialize};

/// A host, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Kernel host name. A label, never an identity.
    pub hostname: String,
    /// `PRETTY_NAME` of /etc/os-release, such as "Debian GNU/Linux 12 (bookworm)".
    pub os: Option<String>,
    /// Kernel name and release, such as "Linux 6.1.0-18-amd64".
    pub kernel: Option<String>,
    /// Machine architecture, such as "x86_64".
    pub architecture: Option<String>,
    /// First processor's model name.
    pub cpu_model: Option<String>,
    /// Processors online.
    pub cpu_count: Option<u32>,
    /// "kvm", "docker", "none" …, as far as it can be told without privileges.
    pub virtualization: Option<String>,
    /// Installed memory.
    pub memory_bytes: Option<u64>,
    /// Swap space; 0 when there is none.
    pub swap_bytes: Option<u64>,
    /// Kernel boot id: changes with every boot.
    pub boot_id: Option<String>,
    /// Boot instant by the host's own clock.
    pub booted_at_ms: Option<i64>,
    /// Version of the agent.
    pub agent_version: String,
    /// What the host's policy allows, in words: "observe only".
    pub policy: String,
    /// Mounted filesystems that are measured.
    pub filesystems: Vec<FilesystemFact>,
    /// Network interfaces that are measured.
    pub interfaces: Vec<InterfaceFact>,
    /// Why it should be rebooted; `None` when nothing says so.
    #[serde(default)]
    pub reboot_required: Option<String>,
}

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemFact {
    /// Where it is mounted, such as "/var".
    pub mount_point: String,
    /// What is mounted, such as "/dev/sda1".
    pub device: String,
    /// Type, such as "ext4".
    pub kind: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Mounted read-only?
    pub read_only: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceFact {
    /// Such as "eth0".
    pub name: String,
    /// Addresses without prefix length, IPv4 first.
    pub addresses: Vec<String>,
    /// Speed in Mbit/s where the driver tells it.
    pub speed_mbit: Option<u32>,
}

macro_rules! collectors {
    ($($variant:ident = $wire:literal, $name:literal;)+) => {
        /// One source of samples or facts on a host. Wire numbers are stable and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Collector {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Collector {
            /// Every collector, in wire order.
            pub const ALL: &'static [Collector] = &[$(Collector::$variant),+];

            /// Number on the wire.
            pub fn wire(self) -> u16 {
                match self { $(Collector::$variant => $wire),+ }
            }

            /// The collector with this number on the wire, if this version knows it.
            pub fn from_wire(wire: u16) -> Option<Self> {
                match wire { $($wire => Some(Collector::$variant),)+ _ => None }
            }

            /// Does it measure? The spool only says when the disk refuses it.
            pub fn is_source(self) -> bool {
                self != Collector::Spool
            }

            /// As written in `agent.toml` under `[collectors]`.
            pub fn name(self) -> &'static str {
                match self { $(Collector::$variant => $name),+ }
            }
        }
    };
}

collectors! {
    Cpu = 1, "cpu";
    Memory = 2, "memory";
    Load = 3, "load";
    Pressure = 4, "pressure";
    Filesystem = 5, "filesystem";
    Disk = 6, "disk";
    Network = 7, "network";
    Uptime = 8, "uptime";
    Processes = 9, "processes";
    Facts = 10, "facts";
    Spool = 11, "spool";
    Sockets = 12, "sockets";
    Temperature = 13, "temperature";
    TopProcesses = 14, "top_processes";
    Units = 15, "units";
    Listeners = 16, "listeners";
    Servers = 17, "servers";
    Connections = 18, "connections";
    Probes = 19, "probes";
}

/// How a collector's last run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Outcome {
    /// It measured.
    Ok,
    /// It measured, and left something out, such as mount points beyond the limit.
    Partial(String),
    /// This host has no such thing, such as no PSI in the kernel.
    Absent(String),
    /// It should have worked and did not.
    Failed(String),
    /// Switched off in `agent.toml`.
    Off,
}

/// A collector's last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorOutcome {
    /// Which.
    pub collector: Collector,
    /// How long it took.
    pub duration_us: u32,
    /// How it ended.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_keep_their_numbers_and_names_apart() {
        let mut names = std::collections::BTreeSet::new();
        for collector in Collector::ALL {
            assert_eq!(Collector::from_wire(collector.wire()), Some(*collector));
            assert!(names.insert(collector.name()));
        }
        assert_eq!(Collector::from_wire(999), None);
    }
}
