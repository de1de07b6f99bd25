//! Columns of the nodes list: what may be shown, in which sets, and the number a row has in each.
//!
//! Used on both sides: the server sorts, totals and exports by what the browser shows.

use super::view::NodeRow;

/// Where a column's cells and totals get their form from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, sorted by letters.
    Text,
    /// A share 0..=1, of something that is a problem when it runs full, or not.
    Share {
        /// Is it a problem?
        limited: bool,
    },
    /// Bytes.
    Bytes,
    /// A network's bytes per second.
    Network,
    /// A plain number.
    Count,
    /// Tasks.
    Load,
    /// Seconds.
    Span,
    /// Milliseconds.
    Milliseconds,
}

macro_rules! columns {
    ($($variant:ident = $key:literal, $label:literal, $export:expr, $kind:expr;)+) => {
        /// One column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Column {
            $(#[doc = $label] $variant,)+
        }

        impl Column {
            /// Every column, in reading order.
            pub const ALL: &'static [Column] = &[$(Column::$variant),+];

            /// As in the URL.
            pub fn key(self) -> &'static str {
                match self { $(Column::$variant => $key),+ }
            }

            /// As in the head.
            pub fn label(self) -> &'static str {
                match self { $(Column::$variant => $label),+ }
            }

            /// As in files, a name a value: numbers with their unit last.
            pub fn export_names(self) -> &'static [&'static str] {
                match self { $(Column::$variant => &$export),+ }
            }

            /// What stands in it.
            pub fn kind(self) -> Kind {
                match self { $(Column::$variant => $kind),+ }
            }
        }
    };
}

columns! {
    Status = "status", "Status", ["status"], Kind::Text;
    Name = "name", "Name", ["name"], Kind::Text;
    Kind = "kind", "Kind", ["kind"], Kind::Text;
    Host = "host", "Host", ["host"], Kind::Text;
    System = "system", "System", ["system"], Kind::Text;
    Cluster = "cluster", "Cluster", ["cluster"], Kind::Text;
    Role = "role", "Role", ["role"], Kind::Text;
    Product = "product", "Product", ["product"], Kind::Text;
    Version = "version", "Version", ["version"], Kind::Text;
    Address = "ip", "IP", ["address"], Kind::Text;
    SubDomain = "subdomain", "Sub domain", ["sub_domain"], Kind::Text;
    Console = "console", "Admin URL", ["console_url"], Kind::Text;
    Tags = "tags", "Tags", ["tags"], Kind::Text;
    Cpu = "cpu", "CPU", ["cpu_used_ratio"], Kind::Share { limited: false };
    Memory = "memory", "Memory", ["memory_used_ratio"], Kind::Share { limited: true };
    Disk = "disk", "Disk", ["disk_used_ratio", "disk_mount_point"], Kind::Share { limited: true };
    Network = "net", "In / out, bit/s", ["network_receive_bytes_per_s", "network_transmit_bytes_per_s"], Kind::Network;
    Load = "load", "Load", ["load1"], Kind::Load;
    Uptime = "uptime", "Uptime", ["uptime_s"], Kind::Span;
    TotalMemory = "ram", "Total RAM", ["memory_total_bytes"], Kind::Bytes;
    FreeMemory = "free", "Free RAM", ["memory_available_bytes"], Kind::Bytes;
    ServerMemory = "rss", "Own RAM", ["memory_used_bytes"], Kind::Bytes;
    Threads = "threads", "Threads", ["threads"], Kind::Count;
    OpenFiles = "files", "Open files", ["open_files"], Kind::Count;
    Probe = "probe", "Probe", ["probe_ms"], Kind::Milliseconds;
    Connections = "connections", "Connections", ["connections"], Kind::Count;
    Patches = "patches", "Patches", ["patches"], Kind::Text;
    Report = "report", "Report", ["last_report_at"], Kind::Span;
}

/// A set of columns for one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// As in `view=`.
    pub key: &'static str,
    /// As in the menu.
    pub label: &'static str,
    /// In reading order.
    pub columns: &'static [Column],
}

/// The first is shown when nothing is said.
pub const PRESETS: [Preset; 4] = [
    Preset {
        key: "on-call",
        label: "On-call",
        columns: &[
            Column::Status,
            Column::Name,
            Column::Cluster,
            Column::Cpu,
            Column::Memory,
            Column::Disk,
            Column::Network,
            Column::Load,
            Column::Report,
        ],
    },
    Preset {
        key: "capacity",
        label: "Capacity",
        columns: &[
            Column::Name,
            Column::Cluster,
            Column::Cpu,
            Column::Load,
            Column::Memory,
            Column::FreeMemory,
            Column::TotalMemory,
            Column::Disk,
            Column::Uptime,
        ],
    },
    Preset {
        key: "network",
        label: "Network",
        columns: &[
            Column::Status,
            Column::Name,
            Column::Cluster,
            Column::Address,
            Column::Network,
            Column::Connections,
            Column::Probe,
            Column::Report,
        ],
    },
    // What the table of the first operations center had.
    Preset {
        key: "stats",
        label: "Stat table",
        columns: &[
            Column::Name,
            Column::Cluster,
            Column::Address,
            Column::SubDomain,
            Column::Console,
            Column::Uptime,
            Column::TotalMemory,
            Column::FreeMemory,
            Column::Threads,
            Column::Status,
            Column::Patches,
        ],
    },
];

impl Column {
    /// The column with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Column::ALL
            .iter()
            .copied()
            .find(|column| column.key() == key)
    }

    /// Numbers stand right, have totals, and their first click sorts the greatest first.
    pub fn is_number(self) -> bool {
        self.kind() != Kind::Text
    }

    /// The row's number in this column; `None` for text and for what is not known.
    pub fn number(self, row: &NodeRow, now_ms: i64) -> Option<f64> {
        let now = &row.now;
        match self {
            Column::Cpu => now.cpu_used_ratio,
            Column::Memory => now.memory_used_ratio,
            Column::Disk => now.disk_used_ratio,
            Column::Network => now
                .network_receive_bytes_per_s
                .zip(now.network_transmit_bytes_per_s)
                .map(|(received, sent)| received + sent),
            Column::Load => now.load1,
            Column::Uptime => now.uptime_s,
            Column::TotalMemory => now.memory_total_bytes.map(|bytes| bytes as f64),
            Column::FreeMemory => now.memory_available_bytes,
            Column::ServerMemory => now.memory_used_bytes,
            Column::Threads => now.threads,
            Column::OpenFiles => now.open_files,
            Column::Probe => now.probe_ms,
            Column::Connections => now.connections,
            Column::Report => row
                .last_report_at_ms
                .map(|at_ms| now_ms.saturating_sub(at_ms).max(0) as f64 / 1_000.0),
            _ => None,
        }
    }

    /// The row's text in this column; `None` for numbers and for what is not known.
    pub fn text(self, row: &NodeRow) -> Option<&str> {
        match self {
            Column::Status => Some(row.status.as_str()),
            Column::Name => Some(&row.name),
            Column::Kind => Some(&row.kind),
            Column::Host => Some(&row.host_name),
            Column::System => Some(&row.system),
            Column::Cluster => Some(&row.cluster),
            Column::Role => row.role.as_deref(),
            Column::Product => row.product.as_deref(),
            Column::Version => row.version.as_deref(),
            Column::Address => row.address.as_deref(),
            Column::SubDomain => row.sub_domain.as_deref(),
            Column::Console => row.console_url.as_deref(),
            _ => None,
        }
    }
}

/// What `cols=` and `view=` ask for: columns in the order they were named, the name always among them.
pub fn columns(cols: &str, view: &str) -> Vec<Column> {
    let mut chosen: Vec<Column> = Vec::new();
    for column in cols
        .split(',')
        .filter_map(|key| Column::from_key(key.trim()))
    {
        if !chosen.contains(&column) {
            chosen.push(column);
        }
    }
    if chosen.is_empty() {
        chosen = preset(view).columns.to_vec();
    }
    if !chosen.contains(&Column::Name) {
        chosen.insert(0, Column::Name);
    }
    chosen
}

/// The set that is meant; the first where none is.
pub fn preset(view: &str) -> &'static Preset {
    let [first, ..] = &PRESETS;
    PRESETS
        .iter()
        .find(|preset| preset.key == view)
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_every_set_names_the_node() {
        let keys: std::collections::BTreeSet<_> =
            Column::ALL.iter().map(|column| column.key()).collect();
        assert_eq!(keys.len(), Column::ALL.len());
        let mut names = std::collections::BTreeSet::new();
        for name in Column::ALL.iter().flat_map(|column| column.export_names()) {
            assert!(names.insert(name), "{name}");
        }
        for preset in PRESETS {
            assert!(preset.columns.contains(&Column::Name), "{}", preset.key);
        }
    }

    #[test]
    fn columns_are_shown_as_they_are_named() {
        assert_eq!(
            columns("cpu, name,cpu,nonsense", ""),
            [Column::Cpu, Column::Name]
        );
        assert_eq!(columns("disk", "capacity"), [Column::Name, Column::Disk]);
        assert_eq!(columns("", "capacity"), preset("capacity").columns);
        assert_eq!(columns("nonsense", "nonsense"), preset("on-call").columns);
    }
}
