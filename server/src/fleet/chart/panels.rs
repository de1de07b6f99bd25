//! The charts of a node's page, in reading order, and what each of them asks.
//!
//! Read by [`super::draw`] and by whoever loads its series. Invariant: one question a chart; the lines of one panel are
//! all counted in the same unit and are either all one a host or all one an instance (tested).

use app::fleet::readout::ValueKind;
use domain::metric::Metric;
use domain::metric::catalogue::Instance;

/// One chart: a question, and the series that answer it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Panel {
    /// Stable key: fragment id and part of the address of an export.
    pub key: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What its axis is counted in.
    pub kind: Kind,
    /// In drawing order.
    pub lines: &'static [Line],
    /// How they are drawn.
    pub style: Style,
    /// For a stack: the metric its sentence and its band of peaks are about, since extremes of parts do not add up.
    pub headline: Option<Metric>,
    /// When it is left out.
    pub shown: Shown,
    /// Said instead of a chart when the host has none of its series.
    pub absent: &'static str,
}

/// One line of a [`Panel`], or one for each instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Added up, instant by instant; usually one.
    pub metrics: &'static [Metric],
    /// Legend; for lines by instance it follows the instance's name, and may be empty.
    pub label: &'static str,
}

/// What an axis is counted in, and with it how far up it goes and how its numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a ratio: always 0 to 100 %.
    Percent,
    /// A plain number with decimals, such as a load.
    Number,
    /// Whole things.
    Count,
    /// Bytes in powers of 1024.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Bytes per second in powers of 1024.
    BytesPerS,
    /// From bytes per second: decimal bits per second.
    BitsPerS,
    /// Events per second.
    PerS,
    /// From seconds: a span.
    Span,
}

impl Kind {
    /// Is the sum over several instances itself a meaningful number?
    pub fn adds_up(self) -> bool {
        matches!(self, Kind::BytesPerS | Kind::BitsPerS | Kind::PerS)
    }
}

/// How a panel's lines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Side by side, with a band from least to greatest where points are buckets.
    Lines,
    /// On top of each other: parts of a whole.
    Stacked,
}

/// Whether a panel has a place when nothing happens in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Always.
    Always,
    /// Only in windows with a value above zero: trouble that is rare.
    WhenAboveZero,
}

impl From<Kind> for ValueKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Percent => ValueKind::Percent,
            Kind::Number => ValueKind::Number,
            Kind::Count => ValueKind::Count,
            Kind::Bytes => ValueKind::Bytes,
            Kind::Millis => ValueKind::Millis,
            Kind::BytesPerS => ValueKind::BytesPerS,
            Kind::BitsPerS => ValueKind::BitsPerS,
            Kind::PerS => ValueKind::PerS,
            Kind::Span => ValueKind::Span,
        }
    }
}

impl Panel {
    /// The same panel for people who count networks in bytes.
    pub fn with_network_in(self, bytes: bool) -> Self {
        let kind = match self.kind {
            Kind::BitsPerS if bytes => Kind::BytesPerS,
            kind => kind,
        };
        Self { kind, ..self }
    }

    /// Every metric to load for this panel.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> + '_ {
        self.lines
            .iter()
            .flat_map(|line| line.metrics.iter().copied())
            .chain(self.headline)
    }

    /// Are there as many lines as the host has mount points, devices or interfaces? A server's page shows one server.
    pub fn is_per_instance(&self) -> bool {
        self.lines
            .iter()
            .flat_map(|line| line.metrics)
            .any(|metric| !matches!(metric.instance(), Instance::None | Instance::Server))
    }
}

const NOT_YET: &str = "Not reported yet.";

const fn lines(
    key: &'static str,
    title: &'static str,
    kind: Kind,
    lines: &'static [Line],
    absent: &'static str,
) -> Panel {
    Panel {
        key,
        title,
        kind,
        lines,
        style: Style::Lines,
        headline: None,
        shown: Shown::Always,
        absent,
    }
}

const fn line(label: &'static str, metrics: &'static [Metric]) -> Line {
    Line { metrics, label }
}

const PANELS: &[Panel] = &[
    Panel {
        style: Style::Stacked,
        headline: Some(Metric::CpuUsedRatio),
        ..lines(
            "cpu",
            "Processor",
            Kind::Percent,
            &[
                line("user", &[Metric::CpuUserRatio, Metric::CpuNiceRatio]),
                line("system", &[Metric::CpuSystemRatio]),
                line("interrupts", &[Metric::CpuIrqRatio]),
                line("stolen", &[Metric::CpuStealRatio]),
                line("waiting for disk", &[Metric::CpuIowaitRatio]),
            ],
            NOT_YET,
        )
    },
    lines(
        "load",
        "Load",
        Kind::Number,
        &[
            line("1 min", &[Metric::Load1]),
            line("5 min", &[Metric::Load5]),
            line("15 min", &[Metric::Load15]),
        ],
        NOT_YET,
    ),
    lines(
        "memory",
        "Memory",
        Kind::Percent,
        &[line("used", &[Metric::MemoryUsedRatio])],
        NOT_YET,
    ),
    lines(
        "swap",
        "Swap",
        Kind::Percent,
        &[line("used", &[Metric::SwapUsedRatio])],
        "This host has no swap.",
    ),
    lines(
        "pressure",
        "Pressure",
        Kind::Percent,
        &[
            line("waiting for processor", &[Metric::PressureCpuSomeRatio]),
            line("waiting for memory", &[Metric::PressureMemorySomeRatio]),
            line("waiting for disk", &[Metric::PressureIoSomeRatio]),
        ],
        "The kernel of this host does not tell pressure (PSI).",
    ),
    lines(
        "filesystems",
        "Filesystems",
        Kind::Percent,
        &[line("", &[Metric::FilesystemUsedRatio])],
        NOT_YET,
    ),
    lines(
        "inodes",
        "Inodes",
        Kind::Percent,
        &[line("", &[Metric::FilesystemInodesUsedRatio])],
        "No filesystem of this host has a fixed number of inodes.",
    ),
    lines(
        "disk-reads",
        "Disk reads",
        Kind::BytesPerS,
        &[line("", &[Metric::DiskReadBytesPerS])],
        "This host reports no block devices.",
    ),
    lines(
        "disk-writes",
        "Disk writes",
        Kind::BytesPerS,
        &[line("", &[Metric::DiskWriteBytesPerS])],
        "This host reports no block devices.",
    ),
    lines(
        "disk-busy",
        "Disk busy",
        Kind::Percent,
        &[line("", &[Metric::DiskBusyRatio])],
        "This host reports no block devices.",
    ),
    lines(
        "network",
        "Network",
        Kind::BitsPerS,
        &[
            line("in", &[Metric::NetworkReceiveBytesPerS]),
            line("out", &[Metric::NetworkTransmitBytesPerS]),
        ],
        "This host reports no network interfaces.",
    ),
    Panel {
        shown: Shown::WhenAboveZero,
        ..lines(
            "network-trouble",
            "Network errors and drops",
            Kind::PerS,
            &[
                line("errors", &[Metric::NetworkErrorsPerS]),
                line("drops", &[Metric::NetworkDropsPerS]),
            ],
            "This host reports no network interfaces.",
        )
    },
    lines(
        "processes",
        "Processes",
        Kind::Count,
        &[line("total", &[Metric::Processes])],
        NOT_YET,
    ),
    lines(
        "tasks",
        "Running and blocked tasks",
        Kind::Count,
        &[
            line("running", &[Metric::ProcessesRunning]),
            line("blocked", &[Metric::ProcessesBlocked]),
        ],
        NOT_YET,
    ),
    lines(
        "uptime",
        "Uptime",
        Kind::Span,
        &[line("since boot", &[Metric::UptimeS])],
        NOT_YET,
    ),
];

const SERVER_PANELS: &[Panel] = &[
    lines(
        "server-cpu",
        "Processor",
        Kind::Percent,
        &[line("of the machine", &[Metric::ServerCpuUsedRatio])],
        NOT_YET,
    ),
    lines(
        "server-memory",
        "Memory",
        Kind::Bytes,
        &[line("resident", &[Metric::ServerMemoryBytes])],
        NOT_YET,
    ),
    lines(
        "server-probe",
        "Health probe",
        Kind::Millis,
        &[line("answered after", &[Metric::ServerProbeMs])],
        "Its pack has no health probe, or it was never answered.",
    ),
    lines(
        "server-connections",
        "Connections",
        Kind::Count,
        &[line("TCP", &[Metric::ServerConnections])],
        "Its connections cannot be seen by the agent.",
    ),
    lines(
        "server-threads",
        "Threads",
        Kind::Count,
        &[line("threads", &[Metric::ServerThreads])],
        NOT_YET,
    ),
    lines(
        "server-files",
        "Open files",
        Kind::Count,
        &[line("open", &[Metric::ServerOpenFiles])],
        "Its open files cannot be seen by the agent.",
    ),
    lines(
        "server-uptime",
        "Uptime",
        Kind::Span,
        &[line("since its start", &[Metric::ServerUptimeS])],
        NOT_YET,
    ),
];

/// The charts of a host's page, in reading order.
pub fn panels() -> &'static [Panel] {
    PANELS
}

/// The charts of a server's page, in reading order.
pub fn server_panels() -> &'static [Panel] {
    SERVER_PANELS
}

/// Every panel of either page.
pub fn all_panels() -> impl Iterator<Item = &'static Panel> {
    PANELS.iter().chain(SERVER_PANELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_fit_into_addresses() {
        let keys: std::collections::BTreeSet<_> = all_panels().map(|panel| panel.key).collect();
        assert_eq!(keys.len(), all_panels().count());
        assert!(keys.iter().all(|key| domain::text::is_slug(key)));
    }

    #[test]
    fn the_lines_of_a_panel_share_their_unit_and_their_instances() {
        for panel in all_panels() {
            let first = panel.metrics().next().unwrap();
            assert!(
                panel
                    .metrics()
                    .all(|m| m.unit() == first.unit() && m.instance() == first.instance()),
                "{}",
                panel.key
            );
            assert!(
                panel.lines.len() <= 5 || panel.style == Style::Lines,
                "{}: at most 5 parts in a stack",
                panel.key
            );
            assert_eq!(panel.style == Style::Stacked, panel.headline.is_some());
            assert!(panel.absent.ends_with('.'));
        }
    }
}
