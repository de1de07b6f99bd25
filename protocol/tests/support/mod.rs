//! One conversation with fixed keys and nonces, so that every byte of it is always the same.

#![allow(dead_code, reason = "not every test needs all of it")]

use protocol::handshake::{self, HelloSent};
use protocol::http::PATH_REPORT;
use protocol::keys::{PrivateKey, fingerprint};
use protocol::session::{AuthHeader, RequestHead, SessionKeys};
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::{EnrollAnswer, EnrollRequest};
use protocol::v1::hello::{Hello, HelloAnswer, ServedPack, Suggested};
use protocol::v1::report::{
    CollectorRun, EarlierBoot, EncodedRecord, Facts, Filesystem, Group, Interface, Lost, Record,
    Report, ReportAnswer,
};
use protocol::v1::section::{
    BoundListener, Certificate, Certificates, Connections, Flow, HeldSection, KIND_CERTIFICATES,
    KIND_CONNECTIONS, KIND_PROCESSES, KIND_SERVERS, KIND_SOCKETS, KIND_UNITS, Listener, Probe,
    Process, Processes, Section, Server, Servers, Sockets, Unit, Units,
};
use protocol::wire;

pub const NONCE: [u8; 32] = [0x11; 32];

pub fn server() -> PrivateKey {
    PrivateKey::from_seed([0x51; 32])
}

pub fn other_server() -> PrivateKey {
    PrivateKey::from_seed([0x52; 32])
}

pub fn agent() -> PrivateKey {
    PrivateKey::from_seed([0xA1; 32])
}

pub fn token() -> EnrollmentToken {
    EnrollmentToken::new([0x01; 10], [0x02; 20], fingerprint(&server().public()))
}

pub fn enroll_request() -> EnrollRequest {
    EnrollRequest {
        protocol: 1,
        token_id: [0x01; 10],
        agent_key: agent().public(),
        hostname: "web-1.example".to_owned(),
        agent_version: "0.1.0".to_owned(),
        replace: Some("n0123456789abcdef".to_owned()),
        interval_s: 10,
        name: Some("web one".to_owned()),
    }
}

pub fn enroll_body() -> Vec<u8> {
    handshake::enroll_request(&token(), &agent(), &server().public(), &enroll_request())
}

pub fn enroll_answer() -> EnrollAnswer {
    EnrollAnswer {
        host_id: "h0123456789abcdef".to_owned(),
        node_id: "n0123456789abcdef".to_owned(),
        pending_review: true,
    }
}

/// As given to `hello_request`, which fills in the ephemeral key.
pub fn hello() -> Hello {
    Hello {
        protocol: 1,
        host_id: "h0123456789abcdef".to_owned(),
        session: [0x5E; 16],
        ephemeral: [0; 32],
        process: [0x0F; 8],
        epoch: 3,
        highest_seq: 1_000_005,
        acked_seq: 1_000_000,
        acked_digest: Some([0xD1; 8]),
        boot_id: [0xB0; 16],
        agent_version: "0.1.0".to_owned(),
        interval_s: 10,
        wall_ms: 1_795_317_127_000,
        wants_new_epoch: false,
        suggested: None,
    }
}

pub fn hello_sent() -> HelloSent {
    handshake::hello_request(&agent(), &server().public(), [0xE1; 32], hello())
}

/// As given to `hello_answer`, which fills in the ephemeral key.
pub fn hello_answer() -> HelloAnswer {
    HelloAnswer {
        ephemeral: [0; 32],
        epoch: 3,
        stored_seq: 1_000_002,
        facts_digest: Some([0xFA; 8]),
        now_ms: 1_795_317_127_040,
        pending_review: false,
        sections: None,
        packs: None,
    }
}

/// The answer's body and the server's keys of the session.
pub fn hello_answered() -> (Vec<u8>, SessionKeys) {
    let verified = handshake::open_hello(&hello_sent().body)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    handshake::hello_answer(&server(), [0xE2; 32], &verified, hello_answer()).unwrap()
}

pub fn facts() -> Facts {
    Facts {
        hostname: "web-1".to_owned(),
        os: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        kernel: Some("Linux 6.1.0-18-amd64".to_owned()),
        architecture: Some("x86_64".to_owned()),
        cpu_model: Some("Intel(R) Xeon(R)".to_owned()),
        cpu_count: Some(4),
        virtualization: Some("kvm".to_owned()),
        memory_bytes: Some(16 << 30),
        swap_bytes: Some(0),
        boot_id: Some("b0b0b0b0-b0b0-b0b0-b0b0-b0b0b0b0b0b0".to_owned()),
        booted_at_s: Some(1_795_000_000),
        agent_version: "0.1.0".to_owned(),
        policy: "observe only".to_owned(),
        filesystems: vec![Filesystem {
            mount_point: "/var".to_owned(),
            device: "/dev/sda2".to_owned(),
            kind: "ext4".to_owned(),
            size_bytes: 100 << 30,
            read_only: false,
        }],
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            addresses: vec!["10.0.0.7".to_owned(), "fe80::1".to_owned()],
            speed_mbit: Some(1_000),
        }],
        reboot_required: None,
    }
}

pub fn processes() -> Processes {
    Processes {
        over_ms: 600_000,
        processes: vec![Process {
            pid: 4_711,
            name: "postgres".to_owned(),
            cpu_milli: 1_250,
            rss_bytes: 1 << 30,
        }],
    }
}

pub fn units() -> Units {
    Units {
        units: vec![Unit {
            name: "ssh.service".to_owned(),
            active: "active".to_owned(),
            sub: "running".to_owned(),
            restarts: Some(2),
            description: Some("OpenBSD Secure Shell server".to_owned()),
        }],
        left_out: 3,
    }
}

pub fn sockets() -> Sockets {
    Sockets {
        listeners: vec![Listener {
            address: "::".to_owned(),
            port: 443,
        }],
        left_out: 1,
        states: vec![(1, 250), (6, 12)],
    }
}

pub fn certificates() -> Certificates {
    Certificates {
        certificates: vec![Certificate {
            port: 443,
            subject: "ops.example.org".to_owned(),
            issuer: "Example CA".to_owned(),
            not_after_s: 1_800_000_000,
        }],
    }
}

pub fn servers() -> Servers {
    Servers {
        servers: vec![Server {
            key: "carbon:/opt/wso2am:1".to_owned(),
            pack: "carbon".to_owned(),
            name: "wso2am".to_owned(),
            product: Some("WSO2 API Manager".to_owned()),
            version: Some("4.4.20".to_owned()),
            home: Some("/opt/wso2am".to_owned()),
            unit: Some("wso2am.service".to_owned()),
            port_offset: Some(1),
            pid: Some(4_242),
            started_at_s: Some(1_790_000_000),
            ports: vec![9_444, 9_764],
            cluster: Some("am".to_owned()),
            role: Some("worker".to_owned()),
            sub_domain: Some("worker".to_owned()),
            console_url: Some("https://10.0.4.12:9444/carbon".to_owned()),
            state: 1,
            probe: Some(probe()),
            restarts: Some(2),
        }],
        left_out: 3,
        refused_packs: vec!["tomcat.toml, line 4: no such key".to_owned()],
    }
}

pub fn probe() -> Probe {
    Probe {
        url: "http://127.0.0.1:9764/services/Version".to_owned(),
        is_up: false,
        code: Some(503),
        reason: Some("status".to_owned()),
    }
}

pub fn connections() -> Connections {
    Connections {
        listeners: vec![BoundListener {
            address: vec![0; 16],
            port: 9_764,
            server: Some("carbon:/opt/wso2am:1".to_owned()),
            process: Some("java".to_owned()),
        }],
        flows: vec![Flow {
            is_incoming: true,
            server: Some("carbon:/opt/wso2am:1".to_owned()),
            process: Some("java".to_owned()),
            local: vec![10, 0, 4, 12],
            peer: vec![10, 0, 4, 3],
            port: 9_764,
            client_ports: vec![40_000, 40_002],
            connections: 7,
            failing: 1,
            bytes_per_s: None,
        }],
        left_out: 5,
    }
}

/// The same with a rate, which was added later.
pub fn connections_with_rate() -> Connections {
    let mut told = connections();
    told.flows[0].bytes_per_s = Some(8_400_000);
    told
}

/// The sections of servers and connections, added with product packs.
pub fn servers_record() -> Record {
    let section = |kind, body| Section { kind, body };
    Record {
        sections: Some(vec![
            section(KIND_SERVERS, wire::encode(&servers())),
            section(KIND_CONNECTIONS, wire::encode(&connections())),
        ]),
        ..least_record()
    }
}

/// A record with every section of the first version.
pub fn sections_record() -> Record {
    let section = |kind, body| Section { kind, body };
    Record {
        sections: Some(vec![
            section(KIND_PROCESSES, wire::encode(&processes())),
            section(KIND_UNITS, wire::encode(&units())),
            section(KIND_SOCKETS, wire::encode(&sockets())),
            section(KIND_CERTIFICATES, wire::encode(&certificates())),
        ]),
        ..least_record()
    }
}

pub fn suggested() -> Suggested {
    Suggested {
        name: Some("web one".to_owned()),
        system: Some("shop".to_owned()),
        cluster: Some("web".to_owned()),
        role: Some("front".to_owned()),
        tags: vec![("rack".to_owned(), "r1".to_owned())],
    }
}

pub fn hello_answer_with_packs() -> HelloAnswer {
    HelloAnswer {
        packs: Some(vec![ServedPack {
            file: "billing.toml".to_owned(),
            text: "name = \"billing\"\n[detect]\nunit = [\"billing.service\"]\n".to_owned(),
        }]),
        ..hello_answer()
    }
}

pub fn hello_answer_with_sections() -> HelloAnswer {
    HelloAnswer {
        sections: Some(vec![HeldSection {
            kind: KIND_UNITS,
            digest: [0xD5; 8],
        }]),
        ..hello_answer()
    }
}

/// Everything a record can hold.
pub fn full_record() -> Record {
    Record {
        epoch: 3,
        seq: 1_000_003,
        taken_boot_ms: 317_000_000,
        taken_at_ms: 1_795_317_127_000,
        boot_id: Some([0xB1; 16]),
        groups: vec![
            Group {
                instance: String::new(),
                values: vec![1, 731, 10, 105, 21, 9_000_000_000, 16, 317_000],
            },
            Group {
                instance: "/var".to_owned(),
                values: vec![40, 512, 41, 48_000_000_000, 42, -1],
            },
        ],
        facts: Some(wire::encode(&facts())),
        collectors: Some(vec![
            CollectorRun {
                collector: 1,
                duration_us: 84,
                outcome: 0,
                reason: None,
            },
            CollectorRun {
                collector: 4,
                duration_us: 12,
                outcome: 1,
                reason: Some("no /proc/pressure".to_owned()),
            },
        ]),
        lost: Some(Lost {
            records: 7,
            first_age_ms: 90_000,
            last_age_ms: 30_000,
            reason: "queue_full".to_owned(),
        }),
        goodbye: Some(true),
        sections: None,
    }
}

/// What every record holds.
pub fn least_record() -> Record {
    Record {
        epoch: 3,
        seq: 1_000_004,
        taken_boot_ms: 317_010_000,
        taken_at_ms: 1_795_317_137_000,
        groups: vec![Group {
            instance: String::new(),
            values: vec![1, 730],
        }],
        ..Record::default()
    }
}

pub fn report_of(records: &[Record]) -> Report {
    Report {
        sent_boot_ms: 317_010_050,
        sent_wall_ms: 1_795_317_137_050,
        records: records
            .iter()
            .map(|record| EncodedRecord(wire::encode(record)))
            .collect(),
        earlier_boots: None,
    }
}

pub fn earlier_report() -> Report {
    Report {
        earlier_boots: Some(vec![EarlierBoot {
            boot_id: [0x0b; 16],
            records: 1,
        }]),
        ..report()
    }
}

pub fn report() -> Report {
    report_of(&[full_record(), least_record()])
}

pub const HEAD: RequestHead<'static> = RequestHead {
    method: "POST",
    path: PATH_REPORT,
    epoch: 3,
    seq: 1_000_004,
    encoding: "",
};

pub fn report_auth() -> AuthHeader {
    hello_answered()
        .1
        .seal_request(HEAD, &wire::encode(&report()))
}

pub fn report_answer() -> ReportAnswer {
    ReportAnswer {
        acked_epoch: 3,
        acked_seq: 1_000_004,
        next_interval_ms: 1_000,
        now_ms: 1_795_317_137_100,
        notes: vec!["metrics unknown to this server were not stored: 9999".to_owned()],
    }
}
