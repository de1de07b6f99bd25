//! The metric catalogue: the one list of what is measured.
//!
//! Used by the agent (to say what a number is), the server (to store and serve it) and the console (to write it). A
//! value travels and is stored as an integer at its metric's own precision: `stored = round(value × 10^decimals)`.
//! Example: `cpu_used_ratio` has 4 decimals, so 0.7312 is 7312. Numbers on the wire are stable and never reused.

use serde::{Deserialize, Serialize};

/// What a value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0..=1
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Events per second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A plain number.
    Count,
    /// Degrees Celsius.
    Celsius,
}

impl Unit {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Ratio => "ratio",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes_per_s",
            Unit::PerSecond => "per_s",
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Count => "count",
            Unit::Celsius => "celsius",
        }
    }
}

/// What a metric's instances are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instance {
    /// One value a host.
    None,
    /// One a mount point.
    MountPoint,
    /// One a block device.
    Device,
    /// One a network interface.
    Interface,
    /// One a processor.
    Processor,
    /// One a sensor.
    Sensor,
    /// One a server that was found on the host, by its key.
    Server,
}

macro_rules! metrics {
    ($($variant:ident = $wire:literal, $name:literal, $short:literal, $unit:ident, $decimals:literal, $instance:ident, $meaning:literal;)+) => {
        /// Something that is measured on a host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $meaning] $variant,)+
        }

        impl Metric {
            /// Every metric, in wire order.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant),+];

            /// Number on the wire and in storage.
            pub fn wire(self) -> u16 {
                match self { $(Metric::$variant => $wire),+ }
            }

            /// The metric with this number, if this version knows it.
            pub fn from_wire(wire: u16) -> Option<Self> {
                match wire { $($wire => Some(Metric::$variant),)+ _ => None }
            }

            /// As in the API, with its unit last.
            pub fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name),+ }
            }

            /// As in the filter language.
            pub fn short_name(self) -> &'static str {
                match self { $(Metric::$variant => $short),+ }
            }

            /// What it is counted in.
            pub fn unit(self) -> Unit {
                match self { $(Metric::$variant => Unit::$unit),+ }
            }

            /// Decimals that are kept exactly.
            pub fn decimals(self) -> u8 {
                match self { $(Metric::$variant => $decimals),+ }
            }

            /// What its instances are.
            pub fn instance(self) -> Instance {
                match self { $(Metric::$variant => Instance::$instance),+ }
            }

            /// One sentence for people, with its source.
            pub fn meaning(self) -> &'static str {
                match self { $(Metric::$variant => $meaning),+ }
            }
        }
    };
}

metrics! {
    CpuUsedRatio = 1, "cpu_used_ratio", "cpu", Ratio, 3, None, "Processor time not idle and not waiting for disks, of all processors (/proc/stat).";
    CpuUserRatio = 2, "cpu_user_ratio", "cpu.user", Ratio, 3, None, "Processor time in programs (/proc/stat user, without guests).";
    CpuNiceRatio = 3, "cpu_nice_ratio", "cpu.nice", Ratio, 3, None, "Processor time in programs of low priority (/proc/stat nice).";
    CpuSystemRatio = 4, "cpu_system_ratio", "cpu.system", Ratio, 3, None, "Processor time in the kernel (/proc/stat system).";
    CpuIowaitRatio = 5, "cpu_iowait_ratio", "cpu.iowait", Ratio, 3, None, "Processor time idle while a disk request was open (/proc/stat iowait).";
    CpuIrqRatio = 6, "cpu_irq_ratio", "cpu.irq", Ratio, 3, None, "Processor time in interrupts (/proc/stat irq and softirq).";
    CpuStealRatio = 7, "cpu_steal_ratio", "cpu.steal", Ratio, 3, None, "Processor time taken by the hypervisor (/proc/stat steal).";
    CpuCoreUsedRatio = 8, "cpu_core_used_ratio", "cpu.core", Ratio, 3, Processor, "Processor time not idle and not waiting for disks, of one processor; measured while somebody watches (/proc/stat).";
    Load1 = 10, "load1", "load1", Count, 2, None, "Tasks running or waiting, mean of 1 minute (/proc/loadavg).";
    Load5 = 11, "load5", "load5", Count, 2, None, "Tasks running or waiting, mean of 5 minutes (/proc/loadavg).";
    Load15 = 12, "load15", "load15", Count, 2, None, "Tasks running or waiting, mean of 15 minutes (/proc/loadavg).";
    Processes = 13, "processes", "processes", Count, 0, None, "Processes that exist (/proc).";
    ProcessesRunning = 14, "processes_running", "processes.running", Count, 0, None, "Tasks running or ready to run (/proc/stat procs_running).";
    ProcessesBlocked = 15, "processes_blocked", "processes.blocked", Count, 0, None, "Tasks waiting for a disk (/proc/stat procs_blocked).";
    UptimeS = 16, "uptime_s", "uptime", Seconds, 0, None, "Time since the host booted (/proc/uptime).";
    ClockSkewMs = 17, "clock_skew_ms", "clock", Milliseconds, 0, None, "The host's wall clock minus the server's, half the way of a report taken off; negative when the host is behind.";
    TcpConnections = 18, "tcp_connections", "tcp", Count, 0, None, "TCP sockets in use, those that listen included (/proc/net/sockstat, sockstat6).";
    TcpTimeWait = 19, "tcp_time_wait", "tcp.time_wait", Count, 0, None, "TCP connections that were closed and still wait (/proc/net/sockstat tw).";
    MemoryUsedRatio = 20, "memory_used_ratio", "memory", Ratio, 3, None, "Memory not available to programs: 1 − MemAvailable / MemTotal (/proc/meminfo).";
    MemoryAvailableBytes = 21, "memory_available_bytes", "memory.available", Bytes, 0, None, "Memory that programs can still get without swapping (/proc/meminfo MemAvailable).";
    MemoryCachedBytes = 22, "memory_cached_bytes", "memory.cached", Bytes, 0, None, "Page cache and buffers (/proc/meminfo Cached, Buffers, SReclaimable).";
    SwapUsedBytes = 23, "swap_used_bytes", "swap.used", Bytes, 0, None, "Swap in use (/proc/meminfo SwapTotal − SwapFree).";
    SwapUsedRatio = 24, "swap_used_ratio", "swap", Ratio, 3, None, "Share of swap in use; absent without swap (/proc/meminfo).";
    PressureCpuSomeRatio = 30, "pressure_cpu_some_ratio", "pressure.cpu", Ratio, 4, None, "Time in which some task waited for a processor (/proc/pressure/cpu total).";
    PressureMemorySomeRatio = 31, "pressure_memory_some_ratio", "pressure.memory", Ratio, 4, None, "Time in which some task waited for memory (/proc/pressure/memory total).";
    PressureMemoryFullRatio = 32, "pressure_memory_full_ratio", "pressure.memory.full", Ratio, 4, None, "Time in which all tasks waited for memory (/proc/pressure/memory total).";
    PressureIoSomeRatio = 33, "pressure_io_some_ratio", "pressure.io", Ratio, 4, None, "Time in which some task waited for a disk (/proc/pressure/io total).";
    PressureIoFullRatio = 34, "pressure_io_full_ratio", "pressure.io.full", Ratio, 4, None, "Time in which all tasks waited for a disk (/proc/pressure/io total).";
    FilesystemUsedRatio = 40, "filesystem_used_ratio", "disk", Ratio, 3, MountPoint, "Space in use as df shows it: used / (used + available to programs) (statvfs).";
    FilesystemFreeBytes = 41, "filesystem_free_bytes", "disk.free", Bytes, 0, MountPoint, "Space available to programs (statvfs f_bavail).";
    FilesystemInodesUsedRatio = 42, "filesystem_inodes_used_ratio", "disk.inodes", Ratio, 3, MountPoint, "Inodes in use; absent where the filesystem has no fixed number (statvfs).";
    DiskReadBytesPerS = 50, "disk_read_bytes_per_s", "io.read", BytesPerSecond, 0, Device, "Bytes read (/proc/diskstats sectors × 512).";
    DiskWriteBytesPerS = 51, "disk_write_bytes_per_s", "io.write", BytesPerSecond, 0, Device, "Bytes written (/proc/diskstats sectors × 512).";
    DiskReadsPerS = 52, "disk_reads_per_s", "io.reads", PerSecond, 1, Device, "Reads completed (/proc/diskstats).";
    DiskWritesPerS = 53, "disk_writes_per_s", "io.writes", PerSecond, 1, Device, "Writes completed (/proc/diskstats).";
    DiskBusyRatio = 54, "disk_busy_ratio", "io.busy", Ratio, 3, Device, "Time with a request open (/proc/diskstats).";
    DiskAwaitMs = 55, "disk_await_ms", "io.await", Milliseconds, 2, Device, "Mean time from request to completion, reads and writes; absent when nothing was read or written (/proc/diskstats).";
    NetworkReceiveBytesPerS = 60, "network_receive_bytes_per_s", "net.in", BytesPerSecond, 0, Interface, "Bytes received (/proc/net/dev).";
    NetworkTransmitBytesPerS = 61, "network_transmit_bytes_per_s", "net.out", BytesPerSecond, 0, Interface, "Bytes sent (/proc/net/dev).";
    NetworkReceivePacketsPerS = 62, "network_receive_packets_per_s", "net.in.packets", PerSecond, 1, Interface, "Packets received (/proc/net/dev).";
    NetworkTransmitPacketsPerS = 63, "network_transmit_packets_per_s", "net.out.packets", PerSecond, 1, Interface, "Packets sent (/proc/net/dev).";
    NetworkErrorsPerS = 64, "network_errors_per_s", "net.errors", PerSecond, 2, Interface, "Packets lost to errors, both directions (/proc/net/dev).";
    NetworkDropsPerS = 65, "network_drops_per_s", "net.drops", PerSecond, 2, Interface, "Packets dropped, both directions (/proc/net/dev).";
    TemperatureCelsius = 70, "temperature_celsius", "temp", Celsius, 1, Sensor, "What a sensor tells (/sys/class/hwmon temp*_input).";
    ServerUp = 80, "server_up", "up", Count, 0, Server, "1 while the server's process runs and its health probe, if it has one, is answered as it should; else 0.";
    ServerCpuUsedRatio = 81, "server_cpu_used_ratio", "server.cpu", Ratio, 3, Server, "Processor time of the server's processes, of all processors (/proc/PID/stat).";
    ServerMemoryBytes = 82, "server_memory_bytes", "server.memory", Bytes, 0, Server, "Resident memory of the server's processes (/proc/PID/stat).";
    ServerThreads = 83, "server_threads", "threads", Count, 0, Server, "Threads of the server's processes (/proc/PID/stat).";
    ServerOpenFiles = 84, "server_open_files", "files", Count, 0, Server, "Open files of the server's main process, where they may be seen (/proc/PID/fd).";
    ServerUptimeS = 85, "server_uptime_s", "server.uptime", Seconds, 0, Server, "Time since the server's main process began (/proc/PID/stat).";
    ServerProcesses = 86, "server_processes", "server.processes", Count, 0, Server, "Processes of the server (/proc).";
    ServerRestarts = 87, "server_restarts", "restarts", Count, 0, Server, "How often the service manager restarted it by itself (systemd NRestarts).";
    ServerProbeMs = 88, "server_probe_ms", "probe", Milliseconds, 1, Server, "From asking the server's health probe to its whole answer; absent when there was none.";
    ServerConnections = 89, "server_connections", "connections", Count, 0, Server, "TCP connections of the server, accepted and opened, counted once a minute (sock_diag).";
}

impl Metric {
    /// The metric with this API name.
    pub fn from_name(name: &str) -> Option<Self> {
        Metric::ALL
            .iter()
            .copied()
            .find(|metric| metric.name() == name)
    }

    /// `10^decimals`
    pub fn scale(self) -> f64 {
        10f64.powi(i32::from(self.decimals()))
    }

    /// A measured value as it is sent and stored; `None` for what is no number or does not fit.
    ///
    /// `round(value × 10^decimals)`: 0.7312 of a ratio with 3 decimals is 731.
    pub fn to_stored(self, value: f64) -> Option<i64> {
        let scaled = (value * self.scale()).round();
        // 2^63 is exact in f64; anything from there on does not fit into i64.
        (scaled.is_finite() && scaled.abs() < 9_223_372_036_854_775_808.0).then_some(scaled as i64)
    }

    /// A stored value as it is shown: `stored / 10^decimals`.
    pub fn from_stored(self, stored: i64) -> f64 {
        stored as f64 / self.scale()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_short_names_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in Metric::ALL {
            assert_eq!(Metric::from_wire(metric.wire()), Some(*metric));
            assert_eq!(Metric::from_name(metric.name()), Some(*metric));
            assert!(
                seen.insert(metric.name())
                    && (metric.name() == metric.short_name() || seen.insert(metric.short_name())),
                "{metric:?}"
            );
        }
    }

    #[test]
    fn names_say_their_unit() {
        for metric in Metric::ALL {
            let suffix = match metric.unit() {
                Unit::Ratio => "_ratio",
                Unit::Bytes => "_bytes",
                Unit::BytesPerSecond | Unit::PerSecond => "_per_s",
                Unit::Seconds => "_s",
                Unit::Milliseconds => "_ms",
                Unit::Count => "",
                Unit::Celsius => "_celsius",
            };
            assert!(metric.name().ends_with(suffix), "{metric:?}");
        }
    }

    #[test]
    fn values_are_exact_to_their_decimals_and_no_number_is_no_value() {
        assert_eq!(Metric::CpuUsedRatio.to_stored(0.7312), Some(731));
        assert_eq!(Metric::CpuUsedRatio.from_stored(731), 0.731);
        assert_eq!(Metric::Load1.to_stored(1.005), Some(100));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(Metric::MemoryAvailableBytes.to_stored(bad), None);
        }
        assert_eq!(
            Metric::MemoryAvailableBytes.to_stored(9_223_372_036_854_775_808.0),
            None
        );
    }
}
