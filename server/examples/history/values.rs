//! What an ordinary host measures: forty gauges with the grain and the habits of the kernel's counters.
//!
//! Memory moves in pages, space in blocks, load is an exponential mean, much stands still, disks rest and then write.
//! Seeded and without a clock: the same seed gives the same day.

use domain::metric::Metric;
use server::series::SeriesKey;

const PAGE: f64 = 4_096.0;
const INTERVAL_S: f64 = 10.0;

/// A host and where its values stand.
pub struct Host {
    random: u64,
    cpus: f64,
    level: f64,
    busy: f64,
    loads: [f64; 3],
    processes: f64,
    memory_pages: f64,
    available_pages: f64,
    cached_pages: f64,
    swapped_pages: f64,
    free_blocks: [f64; 2],
    steal: f64,
    up_s: f64,
    traffic: f64,
}

impl Host {
    pub fn new(seed: u64, index: u32) -> Self {
        let mut host = Self {
            random: seed ^ (u64::from(index) << 32),
            cpus: 4.0,
            level: 0.0,
            busy: 0.0,
            loads: [0.0; 3],
            processes: 0.0,
            memory_pages: 0.0,
            available_pages: 0.0,
            cached_pages: 0.0,
            swapped_pages: 0.0,
            free_blocks: [0.0; 2],
            steal: 0.0,
            up_s: 0.0,
            traffic: 0.0,
        };
        host.cpus = [2.0, 4.0, 8.0, 16.0][host.below(4)];
        host.level = 0.03 + 0.3 * host.unit() * host.unit();
        host.busy = host.level;
        host.loads = [host.level * host.cpus; 3];
        host.processes = (150.0 + 200.0 * host.unit()).round();
        host.memory_pages = host.cpus * 1_048_576.0;
        host.available_pages = host.memory_pages * (0.3 + 0.5 * host.unit());
        host.cached_pages = host.available_pages * 0.6;
        host.swapped_pages = if host.below(3) == 0 { 40_000.0 } else { 0.0 };
        host.free_blocks = [5e6 * (1.0 + host.unit()), 2e7 * (1.0 + host.unit())].map(f64::round);
        host.steal = if host.below(10) == 0 { 0.01 } else { 0.0 };
        host.up_s = (host.unit() * 1e7).round();
        host.traffic = 2_000.0 * (1.0 + 200.0 * host.unit() * host.unit());
        host
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, count: u64) -> usize {
        (self.next() % count) as usize
    }

    /// About normal, of variance 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// The next interval; `daylight` is 0 at night and 1 at the busiest hour.
    pub fn step(&mut self, daylight: f64) -> Vec<(SeriesKey, i64)> {
        let mut out = Samples(Vec::with_capacity(41));
        self.processor(&mut out, daylight);
        self.memory(&mut out);
        self.filesystems(&mut out);
        self.disk(&mut out);
        self.network(&mut out);
        out.0
    }

    fn processor(&mut self, out: &mut Samples, daylight: f64) {
        let target = self.level * (0.6 + 0.8 * daylight);
        self.busy += (target - self.busy) * 0.2 + 0.1 * self.level * self.noise();
        if self.below(180) == 0 {
            // A job, such as a backup's or a log rotation's.
            self.busy += 0.3 * self.unit();
        }
        self.busy = self.busy.clamp(0.002, 0.98);
        let system = self.busy * (0.22 + 0.02 * self.noise());
        let irq = 0.002 + 0.01 * self.busy;
        let iowait = (0.002 * self.noise()).max(0.0);
        let steal = (self.steal * (1.0 + 0.3 * self.noise())).max(0.0);
        for (metric, value) in [
            (Metric::CpuUsedRatio, self.busy),
            (Metric::CpuUserRatio, (self.busy - system - irq).max(0.0)),
            (Metric::CpuNiceRatio, 0.0),
            (Metric::CpuSystemRatio, system.max(0.0)),
            (Metric::CpuIowaitRatio, iowait),
            (Metric::CpuIrqRatio, irq),
            (Metric::CpuStealRatio, steal),
        ] {
            out.put(metric, "", value);
        }
        let running = (self.busy * self.cpus + 0.3 * self.noise()).max(0.0);
        let metrics = [Metric::Load1, Metric::Load5, Metric::Load15];
        for (place, (metric, span_s)) in metrics.into_iter().zip([60.0, 300.0, 900.0]).enumerate() {
            self.loads[place] +=
                (running - self.loads[place]) * (1.0 - (-INTERVAL_S / span_s).exp());
            out.put(metric, "", self.loads[place]);
        }
        if self.below(4) == 0 {
            self.processes = (self.processes + self.noise()).round().max(80.0);
        }
        out.put(Metric::Processes, "", self.processes);
        out.put(Metric::ProcessesRunning, "", 1.0 + running.round());
        out.put(
            Metric::ProcessesBlocked,
            "",
            f64::from(u8::from(self.below(50) == 0)),
        );
        self.up_s += INTERVAL_S;
        out.put(Metric::UptimeS, "", self.up_s);
        let pressure = (self.busy * self.busy * (0.2 + 0.02 * self.noise())).max(0.0);
        let disk_pressure = (iowait * 1.5).max(0.0);
        out.put(Metric::PressureCpuSomeRatio, "", pressure);
        out.put(Metric::PressureMemorySomeRatio, "", 0.0);
        out.put(Metric::PressureMemoryFullRatio, "", 0.0);
        out.put(Metric::PressureIoSomeRatio, "", disk_pressure);
        out.put(Metric::PressureIoFullRatio, "", disk_pressure * 0.8);
    }

    fn memory(&mut self, out: &mut Samples) {
        let rest = self.memory_pages * 0.55;
        self.available_pages +=
            ((rest - self.available_pages) * 0.0005 + 600.0 * self.noise()).round();
        self.available_pages = self.available_pages.clamp(1e5, self.memory_pages);
        self.cached_pages = (self.cached_pages + 20.0 + 60.0 * self.noise()).round();
        if self.cached_pages > self.available_pages * 0.8 {
            self.cached_pages = (self.available_pages * 0.5).round();
        }
        let used = 1.0 - self.available_pages / self.memory_pages;
        out.put(Metric::MemoryUsedRatio, "", used);
        out.put(
            Metric::MemoryAvailableBytes,
            "",
            self.available_pages * PAGE,
        );
        out.put(Metric::MemoryCachedBytes, "", self.cached_pages * PAGE);
        if self.swapped_pages > 0.0 && self.below(30) == 0 {
            self.swapped_pages = (self.swapped_pages + 50.0 * self.noise()).round().max(1.0);
        }
        out.put(Metric::SwapUsedBytes, "", self.swapped_pages * PAGE);
        out.put(Metric::SwapUsedRatio, "", self.swapped_pages / 524_288.0);
    }

    fn filesystems(&mut self, out: &mut Samples) {
        for (place, (name, size)) in [("/", 1.2e7), ("/var", 5e7)].into_iter().enumerate() {
            // Something is written in one interval of three; now and then a file is deleted.
            if self.below(3) == 0 {
                self.free_blocks[place] -= (10.0 + 8.0 * self.noise()).round().max(0.0);
            }
            if self.below(2_000) == 0 {
                self.free_blocks[place] += 5_000.0;
            }
            let free = self.free_blocks[place];
            out.put(Metric::FilesystemUsedRatio, name, 1.0 - free / size);
            out.put(Metric::FilesystemFreeBytes, name, free * PAGE);
            out.put(Metric::FilesystemInodesUsedRatio, name, 0.123);
        }
    }

    fn disk(&mut self, out: &mut Samples) {
        let reads = if self.below(8) == 0 {
            (20.0 * self.unit() * self.unit()).round()
        } else {
            0.0
        };
        let writes = (12.0 + 40.0 * self.busy * (1.0 + 0.3 * self.noise()))
            .round()
            .max(0.0);
        let blocks_a_write = 3.0;
        out.put(
            Metric::DiskReadBytesPerS,
            "sda",
            reads * 4.0 * PAGE / INTERVAL_S,
        );
        out.put(
            Metric::DiskWriteBytesPerS,
            "sda",
            writes * blocks_a_write * PAGE / INTERVAL_S,
        );
        out.put(Metric::DiskReadsPerS, "sda", reads / INTERVAL_S);
        out.put(Metric::DiskWritesPerS, "sda", writes / INTERVAL_S);
        out.put(Metric::DiskBusyRatio, "sda", (reads + writes) / 5_000.0);
    }

    fn network(&mut self, out: &mut Samples) {
        let busy = 0.5 + self.busy / self.level.max(0.01) * 0.5;
        let received = (self.traffic * busy * (1.0 + 0.1 * self.noise())).max(0.0);
        let sent = (received * (1.5 + 0.05 * self.noise())).max(0.0);
        out.put(Metric::NetworkReceiveBytesPerS, "eth0", received.round());
        out.put(Metric::NetworkTransmitBytesPerS, "eth0", sent.round());
        out.put(Metric::NetworkReceivePacketsPerS, "eth0", received / 400.0);
        out.put(Metric::NetworkTransmitPacketsPerS, "eth0", sent / 600.0);
        out.put(Metric::NetworkErrorsPerS, "eth0", 0.0);
    }
}

struct Samples(Vec<(SeriesKey, i64)>);

impl Samples {
    fn put(&mut self, metric: Metric, instance: &str, value: f64) {
        if let Some(stored) = metric.to_stored(value) {
            self.0.push((
                SeriesKey {
                    metric,
                    instance: instance.to_owned(),
                },
                stored,
            ));
        }
    }
}
