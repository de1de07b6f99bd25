//! An agent that speaks the real protocol to a [`Site`], message by message.

use axum::http::StatusCode;
use protocol::handshake;
use protocol::http::{HEADER_AUTH, PATH_ENROLL, PATH_HELLO, PATH_REPORT};
use protocol::keys::{PrivateKey, fingerprint, short_digest};
use protocol::session::{RequestHead, SessionKeys};
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::EnrollRequest;
use protocol::v1::hello::{Hello, HelloAnswer, Suggested};
use protocol::v1::report::{EncodedRecord, Group, Record, Report, ReportAnswer};
use server::enroll::service::NewToken;

use super::{Answer, Site};

#[derive(Clone)]
pub struct TestAgent {
    pub protocol: u16,
    pub key: PrivateKey,
    pub host_id: String,
    pub node_id: String,
    pub process: [u8; 8],
    pub epoch: u32,
    pub highest_seq: u64,
    pub acked_seq: u64,
    pub acked_digest: Option<[u8; 8]>,
    pub keys: Option<SessionKeys>,
    pub wants_new_epoch: bool,
    pub suggested: Option<Suggested>,
    pub sessions: u8,
}

impl Site {
    pub async fn token(&self, change: impl FnOnce(&mut NewToken)) -> EnrollmentToken {
        let mut new = NewToken {
            system: "default".to_owned(),
            cluster: "web".to_owned(),
            node_role: None,
            ttl: "10m".to_owned(),
            uses: 1,
            review: false,
            allows_suggestions: false,
        };
        change(&mut new);
        let made = server::enroll::service::create(&self.ops, &self.root(), &new)
            .await
            .unwrap();
        EnrollmentToken::parse(&made.token).unwrap()
    }

    pub async fn enroll(
        &self,
        token: &EnrollmentToken,
        seed: u8,
        hostname: &str,
    ) -> Result<TestAgent, Answer> {
        self.enroll_with(token, seed, hostname, None).await
    }

    pub async fn enroll_with(
        &self,
        token: &EnrollmentToken,
        seed: u8,
        hostname: &str,
        replace: Option<String>,
    ) -> Result<TestAgent, Answer> {
        let hostname = hostname.to_owned();
        self.enroll_by(token, seed, |request| {
            (request.hostname, request.replace) = (hostname, replace);
        })
        .await
    }

    /// With a request that is changed before it is signed.
    pub async fn enroll_by(
        &self,
        token: &EnrollmentToken,
        seed: u8,
        change: impl FnOnce(&mut EnrollRequest),
    ) -> Result<TestAgent, Answer> {
        let server_key = self.ops.server_key.public();
        assert_eq!(fingerprint(&server_key), token.server_fingerprint);
        let key = PrivateKey::from_seed([seed; 32]);
        let mut request = EnrollRequest {
            protocol: protocol::CURRENT,
            token_id: token.id,
            agent_key: key.public(),
            hostname: format!("host-{seed}"),
            agent_version: "0.1.0".to_owned(),
            replace: None,
            interval_s: 10,
            name: None,
        };
        change(&mut request);
        let body = handshake::enroll_request(token, &key, &server_key, &request);
        let answer = self
            .call("POST", PATH_ENROLL)
            .no_origin()
            .bytes(body.clone())
            .send()
            .await;
        if answer.status != StatusCode::OK {
            return Err(answer);
        }
        let opened = handshake::open_enroll_answer(&server_key, &body, &answer.bytes).unwrap();
        Ok(TestAgent {
            protocol: protocol::CURRENT,
            key,
            host_id: opened.host_id,
            node_id: opened.node_id,
            process: [seed; 8],
            epoch: 1,
            highest_seq: 0,
            acked_seq: 0,
            acked_digest: None,
            keys: None,
            wants_new_epoch: false,
            suggested: None,
            sessions: 0,
        })
    }

    /// An enrolled agent that has said hello.
    pub async fn agent(&self, seed: u8) -> TestAgent {
        let token = self.token(|_| ()).await;
        let mut agent = self
            .enroll(&token, seed, &format!("host-{seed}"))
            .await
            .ok()
            .unwrap();
        agent.hello(self).await.ok().unwrap();
        agent
    }

    pub async fn stored(&self, agent: &TestAgent) -> Vec<(i64, i64, i64)> {
        let no = self.ops.live.host_by_id(&agent.host_id).unwrap().record.no;
        sqlx::query_as(
            "SELECT epoch, seq, t_ms FROM sample_tail WHERE host_no = $1 ORDER BY epoch, seq",
        )
        .bind(no)
        .fetch_all(self.ops.metrics.read())
        .await
        .unwrap()
    }
}

impl TestAgent {
    pub async fn hello(&mut self, site: &Site) -> Result<HelloAnswer, Answer> {
        self.sessions += 1;
        let server_key = site.ops.server_key.public();
        let mut session = [0; 16];
        session[..8].copy_from_slice(&self.process);
        session[8] = self.sessions;
        let hello = Hello {
            protocol: self.protocol,
            host_id: self.host_id.clone(),
            session,
            ephemeral: [0; 32],
            process: self.process,
            epoch: self.epoch,
            highest_seq: self.highest_seq,
            acked_seq: self.acked_seq,
            acked_digest: self.acked_digest,
            boot_id: [7; 16],
            agent_version: "0.1.0".to_owned(),
            interval_s: 10,
            wall_ms: 0,
            wants_new_epoch: self.wants_new_epoch,
            suggested: self.suggested.clone(),
        };
        let sent = handshake::hello_request(
            &self.key,
            &server_key,
            [self.sessions.wrapping_add(self.process[0]); 32],
            hello,
        );
        let answer = site
            .call("POST", PATH_HELLO)
            .no_origin()
            .bytes(sent.body.clone())
            .send()
            .await;
        if answer.status != StatusCode::OK {
            return Err(answer);
        }
        let (opened, keys) = sent.finish(&server_key, &answer.bytes).unwrap();
        self.keys = Some(keys);
        Ok(opened)
    }

    /// The next record, with a value or two.
    pub fn record(&mut self, cpu: i64) -> Record {
        self.highest_seq += 1;
        Record {
            epoch: self.epoch,
            seq: self.highest_seq,
            taken_boot_ms: 1_000_000,
            taken_at_ms: 0,
            groups: vec![
                Group {
                    instance: String::new(),
                    values: vec![1, cpu, 20, 440],
                },
                Group {
                    instance: "/".to_owned(),
                    values: vec![40, 960],
                },
            ],
            ..Record::default()
        }
    }

    pub fn report_of(records: &[Record]) -> Vec<u8> {
        let records = records
            .iter()
            .map(|record| EncodedRecord(protocol::wire::encode(record)))
            .collect();
        protocol::wire::encode(&Report {
            sent_boot_ms: 1_000_000,
            sent_wall_ms: 0,
            records,
            earlier_boots: None,
        })
    }

    /// Sends records; the answer's MAC is checked, an acknowledgement is taken note of.
    pub async fn send(&mut self, site: &Site, records: &[Record]) -> Result<ReportAnswer, Answer> {
        let last = records.last().unwrap();
        let (epoch, seq) = (last.epoch, last.seq);
        let answer = self
            .send_bytes(site, epoch, seq, Self::report_of(records))
            .await?;
        if (answer.acked_epoch, answer.acked_seq) == (epoch, seq) {
            self.acked_seq = seq;
            self.acked_digest = Some(short_digest(&protocol::wire::encode(last)));
        }
        Ok(answer)
    }

    pub async fn send_bytes(
        &self,
        site: &Site,
        epoch: u32,
        seq: u64,
        body: Vec<u8>,
    ) -> Result<ReportAnswer, Answer> {
        let keys = self.keys.as_ref().unwrap();
        let head = RequestHead {
            method: "POST",
            path: PATH_REPORT,
            epoch,
            seq,
            encoding: "",
        };
        let auth = keys.seal_request(head, &body);
        let call = site
            .call("POST", PATH_REPORT)
            .no_origin()
            .header(HEADER_AUTH, &auth.format());
        let answer = call.bytes(body).send().await;
        let sealed = keys
            .open_answer(
                answer.status.as_u16(),
                &auth.mac,
                &answer.bytes,
                answer.header(HEADER_AUTH),
            )
            .is_ok();
        let before_the_mac = answer.status == StatusCode::UNAUTHORIZED;
        assert!(
            sealed || before_the_mac,
            "{} {} is not sealed",
            answer.status,
            answer.body
        );
        if answer.status == StatusCode::OK {
            Ok(protocol::wire::decode("answer", &answer.bytes).unwrap())
        } else {
            Err(answer)
        }
    }
}

impl Answer {
    /// The machine-readable reason of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("").to_owned()
    }
}
