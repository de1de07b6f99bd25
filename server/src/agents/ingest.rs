//! From what an agent sent to what we know: the only place where wire messages become domain values.
//!
//! Pure: the caller passes the time. Host-made text is cleaned here, once.

use std::net::IpAddr;

use domain::fleet::{
    CertificateRow, Collector, CollectorOutcome, ListenerRow, Outcome, ProbeResult, ProcessRow,
    ServerFacts, ServerState, Taken, UnitRow, tcp_state,
};
use domain::metric::{Gap, Metric};
use domain::text::{clean_label, is_slug};
use domain::topology::{Flow, HostConnections, Listener};
use protocol::keys::short_digest;
use protocol::v1::hello as wire_hello;
use protocol::v1::report::{CollectorRun, Facts, Record, Report};
use protocol::v1::section;
use protocol::wire;

use crate::series::SeriesKey;
use crate::series::writer::NewRecord;

/// Labels of one host.
const TAGS_MAX: usize = 64;
/// Servers of one host.
pub const SERVERS_MAX: usize = 256;
/// Flows and listeners of one host: more do not fit into a section.
const FLOWS_MAX: usize = 8_192;
/// Bytes a second of one flow: a quadrillion is beyond any network, so it is no rate.
const RATE_MAX: u64 = 1_000_000_000_000_000;
/// Ports of one server.
const PORTS_MAX: usize = 64;
/// Records older than this are placed here: no host is silent for longer and comes back with its queue.
const AGE_MS_MAX: i64 = 366 * 86_400_000;

/// What places a record in time.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// The server's wall clock on receipt.
    pub at_ms: i64,
    /// Boot id of the session's hello.
    pub boot_id: [u8; 16],
    /// The host's wall clock minus the server's, as last measured.
    pub skew_ms: i64,
}

/// When a record was taken, by the server's clock.
///
/// Same boot: `received − (sent on boot clock − taken on boot clock)`, so that no wall clock matters. An earlier boot:
/// `taken on wall clock − skew`. Never later than the receipt.
fn taken_at(
    received: Received,
    report: &Report,
    record: &Record,
    earlier: Option<[u8; 16]>,
) -> i64 {
    let same_boot = record
        .boot_id
        .or(earlier)
        .is_none_or(|boot| boot == received.boot_id);
    let age_ms = if same_boot {
        i64::try_from(report.sent_boot_ms.saturating_sub(record.taken_boot_ms))
            .unwrap_or(AGE_MS_MAX)
    } else {
        received
            .at_ms
            .saturating_sub(record.taken_at_ms.saturating_sub(received.skew_ms))
    };
    received.at_ms.saturating_sub(age_ms.clamp(0, AGE_MS_MAX))
}

/// The host's wall clock minus the server's, from one report.
///
/// Off by the time the report was on its way.
pub fn skew_ms(received_at_ms: i64, report: &Report) -> i64 {
    report.sent_wall_ms.saturating_sub(received_at_ms)
}

/// What a report holds that can be stored, and what not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// In the order of the report.
    pub records: Vec<NewRecord>,
    /// In words, for the answer: metrics that this version does not know.
    pub notes: Vec<String>,
}

/// Places a report's records in time and names their series.
pub fn open(received: Received, report: &Report, records: &[Record]) -> Opened {
    let mut unknown = std::collections::BTreeSet::new();
    let placed = records
        .iter()
        .zip(&report.records)
        .zip(report.boots())
        .map(|((record, encoded), earlier)| {
            let t_ms = taken_at(received, report, record, earlier);
            let samples = record
                .samples()
                .filter_map(|(instance, metric, value)| {
                    let known = u16::try_from(metric).ok().and_then(Metric::from_wire);
                    if known.is_none() {
                        unknown.insert(metric);
                    }
                    Some((
                        SeriesKey {
                            metric: known?,
                            instance: clean_label(instance),
                        },
                        value,
                    ))
                })
                .collect();
            let gap = record.lost.as_ref().map(|lost| {
                let ago = |age_ms: u64| {
                    t_ms.saturating_sub(i64::try_from(age_ms).unwrap_or(AGE_MS_MAX).min(AGE_MS_MAX))
                };
                let from_ms = ago(lost.first_age_ms.max(lost.last_age_ms));
                let to_ms = ago(lost.last_age_ms.min(lost.first_age_ms));
                (
                    Gap {
                        from_ms,
                        to_ms,
                        reason: gap_reason(&lost.reason).to_owned(),
                    },
                    lost.records,
                )
            });
            NewRecord {
                epoch: record.epoch,
                seq: record.seq,
                digest: short_digest(&encoded.0),
                t_ms,
                samples,
                gap,
                goodbye: record.goodbye == Some(true),
            }
        })
        .collect();
    let notes = if unknown.is_empty() {
        Vec::new()
    } else {
        let listed: Vec<String> = unknown.iter().take(10).map(i64::to_string).collect();
        vec![format!(
            "metrics unknown to this server were not stored: {}",
            listed.join(", ")
        )]
    };
    Opened {
        records: placed,
        notes,
    }
}

/// Why records were lost, in our words; an agent's own words are not repeated.
fn gap_reason(told: &str) -> &'static str {
    match told {
        "queue_full" => "dropped_by_agent",
        "refused" => "refused_by_server",
        "spool_damaged" => "damaged_at_agent",
        _ => "lost_by_agent",
    }
}

/// How collectors ran; those unknown to this version are left out.
pub fn collectors(runs: &[CollectorRun]) -> Vec<CollectorOutcome> {
    runs.iter()
        .filter_map(|run| {
            let reason = || run.reason.as_deref().map(clean_label).unwrap_or_default();
            let outcome = match run.outcome {
                0 if run.reason.is_some() => Outcome::Partial(reason()),
                0 => Outcome::Ok,
                1 => Outcome::Absent(reason()),
                3 => Outcome::Off,
                _ => Outcome::Failed(reason()),
            };
            Some(CollectorOutcome {
                collector: Collector::from_wire(run.collector)?,
                duration_us: run.duration_us,
                outcome,
            })
        })
        .collect()
}

/// What a host is, cleaned.
pub fn facts(wire: &Facts) -> domain::fleet::Facts {
    let clean = |text: &Option<String>| text.as_deref().map(clean_label);
    domain::fleet::Facts {
        hostname: clean_label(&wire.hostname),
        os: clean(&wire.os),
        kernel: clean(&wire.kernel),
        architecture: clean(&wire.architecture),
        cpu_model: clean(&wire.cpu_model),
        cpu_count: wire.cpu_count,
        virtualization: clean(&wire.virtualization),
        memory_bytes: wire.memory_bytes,
        swap_bytes: wire.swap_bytes,
        boot_id: clean(&wire.boot_id),
        booted_at_ms: wire.booted_at_s.map(|seconds| seconds.saturating_mul(1000)),
        agent_version: clean_label(&wire.agent_version),
        policy: clean_label(&wire.policy),
        filesystems: wire
            .filesystems
            .iter()
            .map(|filesystem| domain::fleet::FilesystemFact {
                mount_point: clean_label(&filesystem.mount_point),
                device: clean_label(&filesystem.device),
                kind: clean_label(&filesystem.kind),
                size_bytes: filesystem.size_bytes,
                read_only: filesystem.read_only,
            })
            .collect(),
        interfaces: wire
            .interfaces
            .iter()
            .map(|interface| domain::fleet::InterfaceFact {
                name: clean_label(&interface.name),
                addresses: interface
                    .addresses
                    .iter()
                    .map(|address| clean_label(address))
                    .collect(),
                speed_mbit: interface.speed_mbit,
            })
            .collect(),
        reboot_required: clean(&wire.reboot_required),
    }
}

/// What a host's owner suggests, cleaned; what is no name of its kind is left out.
pub fn suggested(wire: Option<&wire_hello::Suggested>) -> domain::fleet::Suggested {
    let Some(wire) = wire else {
        return domain::fleet::Suggested::default();
    };
    let slug = |text: &Option<String>| text.clone().filter(|text| is_slug(text));
    let label = |text: &str| Some(clean_label(text)).filter(|text| !text.is_empty());
    domain::fleet::Suggested {
        name: wire.name.as_deref().and_then(label),
        system: slug(&wire.system),
        cluster: slug(&wire.cluster),
        role: slug(&wire.role),
        tags: wire
            .tags
            .iter()
            .take(TAGS_MAX)
            .filter_map(|(tag, value)| Some((label(tag)?, clean_label(value))))
            .collect(),
    }
}

/// The servers that a host told, cleaned; at most [`SERVERS_MAX`]. `None` when the list cannot be read.
pub fn servers(body: &[u8]) -> Option<Vec<ServerFacts>> {
    let list = wire::decode::<section::Servers>("servers", body).ok()?;
    let mut seen = std::collections::BTreeSet::new();
    Some(
        list.servers
            .iter()
            .take(SERVERS_MAX)
            .map(server)
            .filter(|server| !server.key.is_empty() && seen.insert(server.key.clone()))
            .collect(),
    )
}

fn server(wire: &section::Server) -> ServerFacts {
    let label = |text: &Option<String>| {
        text.as_deref()
            .map(clean_label)
            .filter(|text| !text.is_empty())
    };
    let pack = clean_label(&wire.pack);
    let name = clean_label(&wire.name);
    let mut ports = wire.ports.clone();
    ports.sort_unstable();
    ports.dedup();
    ports.truncate(PORTS_MAX);
    ServerFacts {
        key: clean_label(&wire.key),
        name: if name.is_empty() { pack.clone() } else { name },
        pack: if is_slug(&pack) {
            pack
        } else {
            "unknown".to_owned()
        },
        product: label(&wire.product),
        version: label(&wire.version),
        home: label(&wire.home),
        unit: label(&wire.unit),
        port_offset: wire.port_offset,
        pid: wire.pid,
        started_at_ms: wire
            .started_at_s
            .map(|seconds| seconds.saturating_mul(1000)),
        ports,
        cluster: wire.cluster.as_deref().and_then(to_slug),
        role: wire.role.as_deref().and_then(to_slug),
        sub_domain: label(&wire.sub_domain),
        // Anything else could be a script.
        console_url: label(&wire.console_url)
            .filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        state: match wire.state {
            1 => ServerState::Running,
            2 => ServerState::Stopped,
            3 => ServerState::Failed,
            _ => ServerState::Gone,
        },
        probe: wire.probe.as_ref().map(|probe| ProbeResult {
            url: clean_label(&probe.url),
            is_up: probe.is_up,
            code: probe.code,
            reason: label(&probe.reason),
        }),
        restarts: wire.restarts,
    }
}

/// The connections that a host told, cleaned; `None` when the list cannot be read.
///
/// What has no address is left out and counted; so is what is beyond [`FLOWS_MAX`].
pub fn connections(body: &[u8]) -> Option<HostConnections> {
    let list = wire::decode::<section::Connections>("connections", body).ok()?;
    let label = |text: &Option<String>| {
        text.as_deref()
            .map(clean_label)
            .filter(|text| !text.is_empty())
    };
    let flow = |wire: &section::Flow| {
        let mut client_ports = wire.client_ports.clone();
        client_ports.sort_unstable();
        client_ports.dedup();
        client_ports.truncate(section::FLOW_PORTS_MAX);
        Some(Flow {
            is_incoming: wire.is_incoming,
            server: label(&wire.server),
            process: label(&wire.process),
            local: address(&wire.local)?,
            peer: address(&wire.peer)?,
            port: wire.port,
            client_ports,
            connections: wire.connections,
            failing: wire.failing.min(wire.connections),
            bytes_per_s: wire.bytes_per_s.filter(|rate| *rate <= RATE_MAX),
        })
    };
    let flows: Vec<Flow> = list.flows.iter().take(FLOWS_MAX).filter_map(flow).collect();
    let told: u64 = list
        .flows
        .iter()
        .map(|flow| u64::from(flow.connections))
        .sum();
    let kept: u64 = flows.iter().map(|flow| u64::from(flow.connections)).sum();
    let listener = |wire: &section::BoundListener| {
        Some(Listener {
            address: address(&wire.address)?,
            port: wire.port,
            server: label(&wire.server),
            process: label(&wire.process),
        })
    };
    Some(HostConnections {
        listeners: list
            .listeners
            .iter()
            .take(FLOWS_MAX)
            .filter_map(listener)
            .collect(),
        left_out: u32::try_from(u64::from(list.left_out) + (told - kept)).unwrap_or(u32::MAX),
        flows,
    })
}

/// Four or sixteen bytes; IPv4 within IPv6 is IPv4.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
        .map(|address| address.to_canonical())
}

/// A name from a product's configuration as a slug: `wso2.as.domain` is `wso2-as-domain`; `None` when nothing is left.
fn to_slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in clean_label(text).to_ascii_lowercase().chars().take(63) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-').to_owned();
    is_slug(&slug).then_some(slug)
}

/// Adds a stored list to what is known of a host; one of an unknown kind, or that cannot be read, is left out.
pub fn add_section(known: &mut domain::fleet::Sections, kind: u16, at_ms: i64, body: &[u8]) {
    match kind {
        section::KIND_PROCESSES => {
            let list = wire::decode::<section::Processes>("processes", body);
            known.processes = list
                .ok()
                .map(|list| taken(at_ms, 0, list.processes.iter().map(process)));
        }
        section::KIND_UNITS => {
            let list = wire::decode::<section::Units>("units", body);
            known.units = list
                .ok()
                .map(|list| taken(at_ms, list.left_out, list.units.iter().map(unit)));
        }
        section::KIND_SOCKETS => {
            let list = wire::decode::<section::Sockets>("sockets", body).ok();
            let states = list.iter().flat_map(|list| &list.states);
            known.tcp_states = states
                .filter_map(|(state, count)| Some((tcp_state(*state)?.to_owned(), *count)))
                .collect();
            known.listeners =
                list.map(|list| taken(at_ms, list.left_out, list.listeners.iter().map(listener)));
        }
        section::KIND_CERTIFICATES => {
            let list = wire::decode::<section::Certificates>("certificates", body);
            known.certificates = list
                .ok()
                .map(|list| taken(at_ms, 0, list.certificates.iter().map(certificate)));
        }
        _ => {}
    }
}

fn taken<R>(at_ms: i64, left_out: u32, rows: impl Iterator<Item = R>) -> Taken<R> {
    Taken {
        at_ms,
        left_out,
        rows: rows.collect(),
    }
}

fn listener(wire: &section::Listener) -> ListenerRow {
    ListenerRow {
        address: clean_label(&wire.address),
        port: wire.port,
    }
}

fn certificate(wire: &section::Certificate) -> CertificateRow {
    CertificateRow {
        port: wire.port,
        subject: clean_label(&wire.subject),
        issuer: clean_label(&wire.issuer),
        not_after_ms: wire.not_after_s.saturating_mul(1000),
    }
}

fn process(wire: &section::Process) -> ProcessRow {
    ProcessRow {
        pid: wire.pid,
        name: clean_label(&wire.name),
        cpu_used_ratio: f64::from(wire.cpu_milli) / 1000.0,
        rss_bytes: wire.rss_bytes,
    }
}

fn unit(wire: &section::Unit) -> UnitRow {
    UnitRow {
        name: clean_label(&wire.name),
        active: clean_label(&wire.active),
        sub: clean_label(&wire.sub),
        restarts: wire.restarts,
        description: wire.description.as_deref().map(clean_label),
    }
}

#[cfg(test)]
mod tests {
    use protocol::v1::report::{EncodedRecord, Group, Lost};

    use super::*;

    fn report(sent_boot_ms: u64, records: &[Record]) -> Report {
        let records = records
            .iter()
            .map(|record| EncodedRecord(protocol::wire::encode(record)))
            .collect();
        Report {
            sent_boot_ms,
            sent_wall_ms: 0,
            records,
            earlier_boots: None,
        }
    }

    const RECEIVED: Received = Received {
        at_ms: 1_000_000,
        boot_id: [1; 16],
        skew_ms: 3_600_000,
    };

    #[test]
    fn the_same_boot_is_placed_by_age_and_an_earlier_one_by_the_wall_clock_without_its_skew() {
        let now = Record {
            seq: 1,
            taken_boot_ms: 70_000,
            taken_at_ms: 99,
            ..Record::default()
        };
        let earlier = Record {
            seq: 2,
            boot_id: Some([2; 16]),
            taken_at_ms: 3_600_000 + 400_000,
            ..Record::default()
        };
        let future = Record {
            seq: 3,
            taken_boot_ms: 999_999,
            ..Record::default()
        };
        let records = [now, earlier, future];
        let opened = open(RECEIVED, &report(100_000, &records), &records);
        let placed: Vec<i64> = opened.records.iter().map(|record| record.t_ms).collect();
        assert_eq!(
            placed,
            [970_000, 400_000, 1_000_000],
            "never after the receipt"
        );
    }

    #[test]
    fn records_of_an_earlier_boot_that_the_report_names_are_placed_by_the_wall_clock() {
        let record = |seq| Record {
            seq,
            taken_boot_ms: 90_000,
            taken_at_ms: 3_600_000 + 400_000,
            ..Record::default()
        };
        let records = [record(1), record(2), record(3)];
        let boot = |boot_id, records| protocol::v1::report::EarlierBoot { boot_id, records };
        let report = Report {
            earlier_boots: Some(vec![boot([0; 16], 1), boot([2; 16], 1)]),
            ..report(100_000, &records)
        };
        let placed: Vec<i64> = open(RECEIVED, &report, &records)
            .records
            .iter()
            .map(|record| record.t_ms)
            .collect();
        assert_eq!(placed, [400_000, 400_000, 990_000]);
    }

    #[test]
    fn unknown_metrics_are_said_and_hostile_names_cleaned() {
        let record = Record {
            seq: 1,
            groups: vec![Group {
                instance: "/mnt/\u{202E}evil\u{1b}[2J".to_owned(),
                values: vec![40, 960, 9_999, 1, -5, 1],
            }],
            ..Record::default()
        };
        let opened = open(
            RECEIVED,
            &report(0, std::slice::from_ref(&record)),
            std::slice::from_ref(&record),
        );
        let first = &opened.records[0];
        assert_eq!(first.samples.len(), 1);
        assert_eq!(first.samples[0].0.instance, "/mnt/\u{FFFD}evil\u{FFFD}[2J");
        assert_eq!(
            opened.notes,
            ["metrics unknown to this server were not stored: -5, 9999"]
        );
    }

    #[test]
    fn sections_are_cleaned_and_unknown_ones_left_out() {
        let mut known = domain::fleet::Sections::default();
        let processes = section::Processes {
            over_ms: 5_000,
            processes: vec![section::Process {
                pid: 7,
                name: "ba\u{202E}sh".to_owned(),
                cpu_milli: 1_250,
                rss_bytes: 4_096,
            }],
        };
        let sockets = section::Sockets {
            listeners: Vec::new(),
            left_out: 3,
            states: vec![(1, 12), (99, 1)],
        };
        let body = protocol::wire::encode(&processes);
        add_section(&mut known, section::KIND_PROCESSES, 55, &body);
        let body = protocol::wire::encode(&sockets);
        add_section(&mut known, section::KIND_SOCKETS, 56, &body);
        add_section(&mut known, section::KIND_UNITS, 57, b"rubbish");
        add_section(&mut known, 999, 58, b"rubbish");
        let processes = known.processes.clone().unwrap();
        assert_eq!(
            (processes.at_ms, processes.rows[0].cpu_used_ratio),
            (55, 1.25)
        );
        assert_eq!(processes.rows[0].name, "ba\u{FFFD}sh");
        assert_eq!(known.tcp_states, [("established".to_owned(), 12)]);
        assert_eq!(known.listeners.unwrap().left_out, 3);
        assert_eq!((known.units, known.certificates), (None, None));
    }

    #[test]
    fn suggestions_that_are_no_names_are_left_out() {
        let wire = wire_hello::Suggested {
            name: Some("web \u{1b}one".to_owned()),
            cluster: Some("Prod DB".to_owned()),
            role: Some("front".to_owned()),
            tags: vec![
                ("rack".to_owned(), "r1".to_owned()),
                (String::new(), "x".to_owned()),
            ],
            ..wire_hello::Suggested::default()
        };
        let suggested = suggested(Some(&wire));
        assert_eq!(suggested.name.as_deref(), Some("web \u{FFFD}one"));
        assert_eq!(
            (suggested.cluster, suggested.role.as_deref()),
            (None, Some("front"))
        );
        assert_eq!(suggested.tags.len(), 1);
    }

    #[test]
    fn what_was_lost_becomes_a_gap_in_its_place() {
        let lost = Lost {
            records: 6,
            first_age_ms: 70_000,
            last_age_ms: 20_000,
            reason: "queue_full".to_owned(),
        };
        let record = Record {
            seq: 1,
            taken_boot_ms: 0,
            lost: Some(lost),
            ..Record::default()
        };
        let opened = open(
            RECEIVED,
            &report(0, std::slice::from_ref(&record)),
            std::slice::from_ref(&record),
        );
        let gap = opened.records[0].gap.clone();
        let wanted = Gap {
            from_ms: 930_000,
            to_ms: 980_000,
            reason: "dropped_by_agent".to_owned(),
        };
        assert_eq!(gap, Some((wanted, 6)));
    }
}
