//! `oc-agent run`: the loop. Samples on the grid, keeps what is not acknowledged, sends when it can.
//!
//! One thread. A server that is away or slow costs at most one request's timeout at a time; sampling goes on in between
//! and the queue keeps the records; what is said to it is in [`exchange`]. Signals are read from a descriptor, so nothing runs at a signal's mercy.

mod exchange;

use protocol::keys::short_digest;
use protocol::v1::hello::ServedPack;
use protocol::v1::report::Record;
use protocol::{RECORDS_MAX, wire};

use crate::client::Client;
use crate::collect::servers::Setup;
use crate::collect::{Collectors, Lists, Outcome, Roots, Run, boot_id};
use crate::config::Config;
use crate::exit::Failure;
use crate::identity::{Cursor, CursorFile, Identity, StateFolder, StateLock};
use crate::lists::ListsState;
use crate::outbox::{FactsState, RunsState};
use crate::packs::{Packs, Served};
use crate::policy::Policy;
use crate::refusal::Refusals;
use crate::schedule::{Backoff, next_sample_ms, phase_seed};
use crate::session::{Session, Speaker};
use crate::signals::{Signals, Wake};
use crate::spool::{Opening, Spool};
use crate::url::ServerUrl;
use crate::{clock, log, random};
use domain::fleet::Collector;
use domain::metric::Metric;

const FACTS_EVERY_MS: u64 = 60_000;
/// For the goodbye; the process ends [`crate::signals::STOP_MS_MAX`] after the signal whatever hangs.
const GOODBYE_MS: u64 = 2_000;

/// Reads settings and policy anew, at start and at SIGHUP.
pub type Reload<'a> = dyn Fn() -> Result<(Config, Policy), Failure> + 'a;

/// Runs until told to stop.
///
/// # Errors
/// It could not begin: not enrolled, wrong settings, folder in use.
pub fn run(folder: &StateFolder, reload: &Reload<'_>) -> Result<(), Failure> {
    let (config, policy) = reload()?;
    let Some(identity) = folder.identity()? else {
        return Err(Failure::usage(format!(
            "this agent is not enrolled; run `oc-agent enroll --server URL --token TOKEN --state {}` first (a token comes from the page \"Add a node\")",
            folder.path().display()
        )));
    };
    let lock = folder.lock()?;
    let signals = Signals::new()?;
    let mut agent = Running::new(folder, lock, identity, config, policy)?;
    agent.say_start();
    loop {
        agent.turn();
        match signals.wait_until(agent.wake_ms()) {
            None => {}
            Some(Wake::Reload) => agent.reload(reload),
            Some(Wake::Stop) => {
                agent.goodbye();
                return Ok(());
            }
        }
    }
}

struct Running {
    _lock: StateLock,
    identity: Identity,
    config: Config,
    policy: Policy,
    speaker: Speaker,
    cursor: CursorFile,
    spool: Spool,
    client: Client,
    session: Option<Session>,
    collectors: Collectors,
    facts: FactsState,
    runs: RunsState,
    seed: u64,
    interval_ms: u64,
    next_sample_ms: u64,
    next_send_ms: u64,
    backoff: Backoff,
    /// A session was lost, and nothing was accepted since.
    is_renewing: bool,
    batch_max: usize,
    unproved_refusals: u32,
    is_ready_told: bool,
    last_notes: Vec<String>,
    is_clock_told: bool,
    disk_trouble: Option<String>,
    refusals: Refusals,
    lists: Lists,
    lists_state: ListsState,
    /// This host's wall clock minus the server's, as last measured.
    clock_skew_ms: Option<i64>,
    spool_folder: std::path::PathBuf,
    /// Where found servers are remembered.
    servers_file: std::path::PathBuf,
    served: Served,
}

impl Running {
    fn new(
        folder: &StateFolder,
        lock: StateLock,
        identity: Identity,
        config: Config,
        policy: Policy,
    ) -> Result<Self, Failure> {
        let roots = Roots::default();
        let Some(key) = folder.key()? else {
            return Err(Failure::could_not(format!(
                "{} is missing although this agent is enrolled; restore it from a backup, or move the folder away and enroll with a new token and --replace {}",
                folder.path().join("key").display(),
                identity.node_id
            )));
        };
        let boot_id = boot_id(&roots);
        let mut cursor = folder.open_cursor(boot_id)?;
        if cursor.wants_new_epoch() {
            log::warn(
                "the cursor file was damaged; the server is asked for a new epoch, which shows as a gap",
            );
        }
        let served = Served::open(folder.served_packs());
        let (spool, last_seq) = Spool::open(
            &folder.spool(),
            config.spool,
            Opening {
                epoch: cursor.get().epoch,
                acked_seq: cursor.get().acked_seq,
                waiting: u64::from(cursor.get().waiting),
                is_same_boot: cursor.is_same_boot(),
                is_cursor_damaged: cursor.wants_new_epoch(),
                boot_id,
                boot_ms: clock::boot_ms(),
                wall_ms: clock::wall_ms(),
                last_ack_at_ms: cursor.get().last_ack_at_ms,
            },
        );
        cursor.skip_to(last_seq)?;
        if !spool.is_empty() {
            log::info(format!(
                "{} records wait from before this start",
                spool.len()
            ));
        }
        Ok(Self {
            client: client(&identity, &config)?,
            speaker: Speaker {
                key,
                server_key: identity.server_key()?,
                host_id: identity.host_id.clone(),
                process: random::bytes()?,
                boot_id,
            },
            cursor,
            spool,
            session: None,
            collectors: Collectors::new(&roots, &config.off),
            facts: FactsState::default(),
            runs: RunsState::default(),
            seed: phase_seed(&identity.host_id),
            interval_ms: config.interval_ms,
            next_sample_ms: 0,
            next_send_ms: 0,
            backoff: Backoff::default(),
            is_renewing: false,
            batch_max: RECORDS_MAX,
            unproved_refusals: 0,
            is_ready_told: false,
            last_notes: Vec::new(),
            is_clock_told: false,
            disk_trouble: None,
            refusals: Refusals::in_file(folder.refusal()),
            lists: Lists::new(
                &roots,
                servers_setup(&config, served.packs(), Some(folder.servers())),
            ),
            lists_state: ListsState::new(clock::boot_ms(), &config.off),
            clock_skew_ms: None,
            spool_folder: folder.spool(),
            servers_file: folder.servers(),
            served,
            _lock: lock,
            identity,
            config,
            policy,
        })
    }

    fn say_start(&self) {
        log::info(format!(
            "node {} reports every {} s to {}; policy: {}",
            self.identity.node_id,
            self.config.interval_ms / 1000,
            self.config
                .server
                .as_ref()
                .map_or_else(|| self.identity.server.clone(), ToString::to_string),
            self.policy.text
        ));
        if let Some(finding) = &self.policy.finding {
            log::warn(format!("policy: {finding}"));
        }
        self.say_refused_packs();
        if self.config.is_publish_enabled {
            log::warn(
                "[publish] enabled: publishing is not part of this version, nothing is accepted",
            );
        }
    }

    fn say_refused_packs(&self) {
        for refused in &self.lists.servers.packs().refused {
            log::warn(format!("pack not in force: {refused}"));
        }
    }

    /// Does what is due.
    fn turn(&mut self) {
        if self.session.is_none() && clock::boot_ms() >= self.next_send_ms {
            self.hello();
        }
        let now_ms = clock::boot_ms();
        if now_ms >= self.next_sample_ms {
            self.sample(false);
            self.next_sample_ms = next_sample_ms(now_ms, self.interval_ms, self.seed);
        }
        if clock::boot_ms() >= self.next_send_ms {
            self.send();
        }
        self.spool.sync_if_due(clock::boot_ms());
        self.tell_disk();
    }

    fn wake_ms(&self) -> u64 {
        let sync_ms = self.spool.sync_due_ms().unwrap_or(u64::MAX);
        let send_ms = if self.session.is_none() || !self.spool.is_empty() {
            self.next_send_ms
        } else {
            u64::MAX
        };
        self.next_sample_ms.min(send_ms).min(sync_ms)
    }

    /// Says once that the disk refuses, and once that it takes records again.
    fn tell_disk(&mut self) {
        let trouble = self.spool.trouble();
        if trouble == self.disk_trouble.as_deref() {
            return;
        }
        match trouble {
            Some(error) => log::error(format!(
                "{} cannot be used ({error}); records wait in memory meanwhile, at most {} MiB, and are lost if the agent ends; make room on the disk",
                self.spool_folder.display(),
                crate::spool::MEMORY_BYTES_MAX >> 20
            )),
            None => log::info("the disk takes records again"),
        }
        self.disk_trouble = trouble.map(str::to_owned);
    }

    fn sample(&mut self, is_goodbye: bool) {
        let taken_boot_ms = clock::boot_ms();
        let taken_at_ms = clock::wall_ms();
        let (mut groups, mut runs) = if is_goodbye {
            (Vec::new(), Vec::new())
        } else {
            let skew = self.clock_skew_ms.map(|ms| (Metric::ClockSkewMs, ms));
            self.collectors
                .collect(clock::boot_ns, self.is_watched(), skew.as_slice())
        };
        if !is_goodbye {
            self.check_facts(taken_boot_ms, taken_at_ms);
            let is_watched = self.is_watched();
            if !self.config.off.contains(&Collector::Servers) {
                groups.extend(self.lists.servers.measure(clock::boot_ns()));
            }
            let (now_ns, wall_ms) = (clock::boot_ns(), clock::wall_ms());
            self.lists_state
                .read(&mut self.lists, now_ns, wall_ms, is_watched);
            runs.extend(self.lists_state.runs().cloned());
            runs.extend(self.lists.servers.probes_run());
        }
        if let Some(trouble) = &self.disk_trouble {
            runs.push(Run {
                collector: Collector::Spool,
                duration_us: 0,
                outcome: Outcome::Failed(trouble.clone()),
            });
        }
        // A number that is not on disk may be given again after a crash: the server finds that out and begins a new epoch.
        if let Err(failure) = self.cursor.next_seq(self.spool.len() + 1) {
            self.tell_trouble(&failure.message);
        }
        let Cursor { epoch, seq, .. } = self.cursor.get();
        let dropped = self.spool.push(Record {
            epoch,
            seq,
            taken_boot_ms,
            taken_at_ms,
            boot_id: None,
            groups,
            facts: if is_goodbye {
                None
            } else {
                self.facts.due(&self.spool)
            },
            collectors: self.runs.due(taken_boot_ms, &runs, self.facts.run.as_ref()),
            lost: None,
            goodbye: is_goodbye.then_some(true),
            sections: if is_goodbye {
                None
            } else {
                self.lists_state.due(seq)
            },
        });
        if dropped > 0 {
            log::warn(format!(
                "{dropped} of the oldest records were dropped: {} wait for the server already",
                self.spool.len()
            ));
            self.lists_state.forget_sent();
            self.note_waiting();
        }
    }

    /// Does somebody look, so that the server wants reports more often than configured?
    fn is_watched(&self) -> bool {
        self.interval_ms < self.config.interval_ms
    }

    fn note_waiting(&mut self) {
        if let Err(failure) = self.cursor.note_waiting(self.spool.len()) {
            log::error(failure.message);
        }
    }

    fn check_facts(&mut self, now_ms: u64, wall_ms: i64) {
        let is_due = self
            .facts
            .checked_ms
            .is_none_or(|checked| now_ms.saturating_sub(checked) >= FACTS_EVERY_MS);
        if !is_due {
            return;
        }
        self.facts.checked_ms = Some(now_ms);
        let (facts, run) = self
            .collectors
            .facts(clock::boot_ns, wall_ms, &self.policy.text);
        self.facts.run = Some(run);
        self.facts.encoded = facts.map(|facts| wire::encode(&facts)).unwrap_or_default();
        self.facts.digest =
            (!self.facts.encoded.is_empty()).then(|| short_digest(&self.facts.encoded));
    }

    fn set_interval(&mut self, interval_ms: u64) {
        if interval_ms != self.interval_ms {
            self.interval_ms = interval_ms;
            self.next_sample_ms = next_sample_ms(clock::boot_ms(), interval_ms, self.seed);
        }
    }

    fn reload(&mut self, reload: &Reload<'_>) {
        let (config, policy) = match reload() {
            Ok(read) => read,
            Err(failure) => {
                log::error(format!(
                    "the settings were not reloaded, the old ones stay:\n{failure}"
                ));
                return;
            }
        };
        let prepared = client(&self.identity, &config);
        match prepared {
            Ok(client) => self.client = client,
            Err(failure) => {
                log::error(format!(
                    "the settings were not reloaded, the old ones stay:\n{failure}"
                ));
                return;
            }
        }
        if config.off != self.config.off {
            self.collectors = Collectors::new(&Roots::default(), &config.off);
            self.lists_state = ListsState::new(clock::boot_ms(), &config.off);
        }
        self.session = None;
        self.next_send_ms = 0;
        self.backoff.reset();
        self.facts.checked_ms = None;
        self.policy = policy;
        self.spool.set_limits(config.spool);
        let interval_ms = config.interval_ms;
        self.config = config;
        self.set_interval(interval_ms);
        self.follow_packs();
        log::info("settings reloaded");
        self.say_start();
    }

    /// Packs are others now: servers are looked for anew.
    fn follow_packs(&mut self) {
        self.lists = Lists::new(
            &Roots::default(),
            servers_setup(
                &self.config,
                self.served.packs(),
                Some(self.servers_file.clone()),
            ),
        );
        self.lists_state.read_servers_soon();
    }

    fn goodbye(&mut self) {
        let until_ms = clock::boot_ms() + GOODBYE_MS;
        self.sample(true);
        while !self.spool.is_empty() {
            let left_ms = until_ms.saturating_sub(clock::boot_ms());
            if left_ms == 0 {
                break;
            }
            self.client.limit_ms(left_ms);
            self.next_send_ms = 0;
            if self.session.is_none() {
                self.hello();
            }
            let before = self.spool.len();
            self.send();
            // Smaller batches are tried; anything else that takes nothing will not within the seconds left.
            let is_smaller_tried = self.next_send_ms == 0 && self.batch_max < before;
            if self.spool.len() == before && !is_smaller_tried {
                break;
            }
        }
        if let Err(failure) = self.cursor.sync() {
            log::error(failure.message);
        }
        if let Err(error) = self.spool.sync() {
            log::error(format!("{}: {error}", self.spool_folder.display()));
        }
        match self.spool.len() {
            0 => log::info("stopped; everything was acknowledged"),
            waiting => log::info(format!(
                "stopped; {waiting} records wait for the next start"
            )),
        }
    }
}

/// The packs and probes that the settings ask for.
pub fn servers_setup(
    config: &Config,
    served: &[ServedPack],
    memory: Option<std::path::PathBuf>,
) -> Setup {
    let is_off = |collector| config.off.contains(&collector);
    Setup {
        // Without servers nothing is matched; processes still have their names.
        packs: if is_off(Collector::Servers) {
            Packs::default()
        } else {
            Packs::load(config.packs_dir(), served)
        },
        memory: memory.filter(|_| !is_off(Collector::Servers)),
        is_probing: !is_off(Collector::Servers) && !is_off(Collector::Probes),
    }
}

/// The connection that settings and identity ask for.
///
/// # Errors
/// The address or the authorities cannot be used.
pub fn client(identity: &Identity, config: &Config) -> Result<Client, Failure> {
    let url = server_url(identity, config)?;
    let ca_file = config.ca_file.as_deref().or(identity.ca_file.as_deref());
    Client::new(&url, ca_file, identity.insecure_http, config.interval_ms)
}

/// The settings' address, else the one enrolled at.
///
/// # Errors
/// The stored one was damaged.
pub fn server_url(identity: &Identity, config: &Config) -> Result<ServerUrl, Failure> {
    match &config.server {
        Some(url) => Ok(url.clone()),
        None => ServerUrl::parse(&identity.server)
            .map_err(|error| Failure::could_not(format!("identity.json: server: {error}"))),
    }
}
