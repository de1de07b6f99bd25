//! A fleet from its plan to its outcome.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use protocol::keys::fingerprint;
use protocol::token::EnrollmentToken;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::{self, Counts};
use crate::book::Book;
use crate::client::{Address, Client};
use crate::enroll::{self, Candidate, Enrolling};
use crate::link::{Link, Speaker};
use crate::lists::{Lists, Stage};
use crate::machine::Machine;
use crate::outcome::{AgentOutcome, Outcome, Progress, StartError, Summary};
use crate::scenario::Scenario;
use crate::schedule::phase_ms;
use crate::sections::Subject;
use crate::state::{Identity, StateFolder};
use crate::world::World;
use crate::{AGENTS_MAX, clock, random};

/// Memory that the queues of all identities may take together.
const QUEUES_BYTES_MAX: usize = 1 << 30;
/// Files besides the connections.
const OTHER_FILES: u64 = 64;
/// Shortest interval: a thousand times faster than agents report is enough for any test.
const INTERVAL_MS_MIN: u64 = 10;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the server is.
    pub server: Address,
    /// For identities that are not enrolled yet; it needs a use for each.
    pub token: Option<EnrollmentToken>,
    /// How many identities.
    pub agents: u32,
    /// Between two records of one identity.
    pub interval_ms: u64,
    /// The same seed gives the same hosts and values.
    pub seed: u64,
    /// Folder that keeps the identities; `None` forgets them.
    pub state: Option<PathBuf>,
    /// What the hosts are, brought to the number of agents; `None`: hosts that have nothing to do with each other.
    pub scenario: Option<Scenario>,
    /// Tokens for the hosts of some clusters of the scenario, by slug; the others take [`Plan::token`].
    pub cluster_tokens: BTreeMap<String, EnrollmentToken>,
}

/// Enrolled identities, ready to report.
#[derive(Debug)]
pub struct Fleet {
    plan: Plan,
    world: Option<Arc<World>>,
    folder: StateFolder,
    server_key: [u8; 32],
    identities: Vec<Identity>,
}

impl Plan {
    /// The scenario's hosts, as many as there are agents.
    fn world(&self) -> Result<Option<Arc<World>>, StartError> {
        let scaled = self.scenario.as_ref().map(|s| s.scaled(self.agents));
        let scaled = scaled.transpose();
        let scaled = scaled.map_err(|error| StartError::Usage(format!("the scenario: {error}")))?;
        Ok(scaled.map(|scenario| Arc::new(World::new(scenario, self.seed))))
    }

    /// Host number `index`.
    fn machine(&self, world: Option<&World>, index: u32) -> Machine {
        let placed = world.and_then(|world| Some((world, world.place(index)?)));
        placed.map_or_else(
            || Machine::new(self.seed, index),
            |(world, place)| {
                Machine::placed(
                    self.seed,
                    index,
                    place.cluster as u64,
                    world.hostname(place),
                )
            },
        )
    }

    /// The token of host number `index`.
    fn token_of(&self, world: Option<&World>, index: u32) -> Option<EnrollmentToken> {
        let cluster = world.and_then(|world| world.cluster(world.place(index)?));
        let own = cluster.and_then(|cluster| self.cluster_tokens.get(&cluster.slug));
        own.or(self.token.as_ref()).cloned()
    }

    fn check(&self) -> Result<(), StartError> {
        if !(1..=AGENTS_MAX).contains(&self.agents) {
            return Err(StartError::Usage(format!(
                "--agents {} is not from 1 to {AGENTS_MAX}",
                self.agents
            )));
        }
        if self.interval_ms < INTERVAL_MS_MIN {
            return Err(StartError::Usage(format!(
                "an interval of {} ms is shorter than {INTERVAL_MS_MIN} ms",
                self.interval_ms
            )));
        }
        Ok(())
    }

    fn interval_s(&self) -> u32 {
        u32::try_from(self.interval_ms / 1_000)
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

impl Fleet {
    /// Checks the server and enrolls what is not enrolled yet.
    ///
    /// # Errors
    /// See [`StartError`]; what was enrolled until then is kept in the state folder, if there is one.
    pub async fn enroll(plan: Plan) -> Result<Self, StartError> {
        plan.check()?;
        let world = plan.world()?;
        raise_file_limit(u64::from(plan.agents) + OTHER_FILES)?;
        let (folder, loaded) = StateFolder::open(plan.state.as_deref())?;
        let kept_key = loaded.as_ref().map(|(key, _)| *key);
        let a_token = plan.token.as_ref().or(plan.cluster_tokens.values().next());
        let trusted = match (kept_key.map(|key| fingerprint(&key)), a_token) {
            (Some(kept), Some(token)) if kept != token.server_fingerprint => {
                return Err(StartError::Usage(
                    "the identities in --state belong to another server than the token; name another folder"
                        .to_owned(),
                ));
            }
            (Some(kept), _) => kept,
            (None, Some(token)) => token.server_fingerprint,
            (None, None) => {
                return Err(StartError::Usage(
                    "no token is given: use --token-file FILE, OPSCENTER_TOKEN or --token TOKEN"
                        .to_owned(),
                ));
            }
        };
        let server_key = enroll::prove(&plan.server, &trusted).await?;
        let mut identities = loaded.map_or(Vec::new(), |(_, identities)| identities);
        let wanted = usize::try_from(plan.agents).unwrap_or(usize::MAX);
        while identities.len() < wanted {
            identities.push(Identity::new(random::bytes()?));
        }
        let mut fleet = Self {
            plan,
            world,
            folder,
            server_key,
            identities,
        };
        fleet.enroll_missing(wanted).await?;
        Ok(fleet)
    }

    async fn enroll_missing(&mut self, wanted: usize) -> Result<(), StartError> {
        let world = self.world.as_deref();
        let missing: Vec<(u32, &Identity)> = (0u32..)
            .zip(&self.identities)
            .take(wanted)
            .filter(|(_, identity)| identity.enrolled.is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let candidates: Option<Vec<Candidate>> = missing
            .iter()
            .map(|(index, identity)| {
                Some(Candidate {
                    index: *index as usize,
                    key: identity.key.clone(),
                    hostname: self.plan.machine(world, *index).hostname,
                    token: self.plan.token_of(world, *index)?,
                })
            })
            .collect();
        let Some(candidates) = candidates else {
            return Err(StartError::Usage(format!(
                "{} of the identities are not enrolled yet and no token is given for them: use --token-file FILE, OPSCENTER_TOKEN or --token TOKEN",
                missing.len()
            )));
        };
        self.save(0)?;
        let enrolling = Enrolling {
            address: self.plan.server.clone(),
            server_key: self.server_key,
            interval_s: self.plan.interval_s(),
        };
        let (admitted, outcome) = enroll::enroll_all(enrolling, candidates).await;
        for one in admitted {
            if let Some(identity) = self.identities.get_mut(one.index) {
                identity.key = one.key;
                identity.enrolled = Some(one.enrolled);
            }
        }
        self.save(0)?;
        outcome
    }

    fn save(&self, reserved: u64) -> Result<(), StartError> {
        self.folder
            .save(&self.server_key, &self.identities, reserved)
    }

    /// Starts reporting, for `duration_ms` from now.
    ///
    /// # Errors
    /// The state folder cannot be written, or there is no randomness.
    pub fn start(self, duration_ms: u64) -> Result<Running, StartError> {
        let began_ms = clock::boot_ms();
        // A watched host reports each second, whatever its interval.
        let fastest_ms = self.plan.interval_ms.clamp(1, 1_000);
        self.save(duration_ms / fastest_ms + 16)?;
        let counts = Arc::new(Counts::new());
        let end = watch::Sender::new(began_ms.saturating_add(duration_ms));
        let process: [u8; 8] = random::bytes()?;
        let began_at_ms = clock::wall_ms();
        let booted_at_s = (began_at_ms - i64::try_from(began_ms).unwrap_or(0)) / 1_000;
        let stage = self.world.clone();
        let stage = stage.map(|world| Arc::new(Stage::new(world, began_at_ms)));
        let agents = u64::from(self.plan.agents);
        let queue_bytes_max = (QUEUES_BYTES_MAX / self.identities.len().max(1)).max(64 * 1024);
        let mut tasks = JoinSet::new();
        for (index, identity) in (0..self.plan.agents).zip(&self.identities) {
            let Some(enrolled) = &identity.enrolled else {
                continue;
            };
            let machine = self.plan.machine(self.world.as_deref(), index);
            let world = self.world.as_deref();
            let speaker = Speaker {
                key: identity.key.clone(),
                server_key: self.server_key,
                host_id: enrolled.host_id.clone(),
                process,
                boot_id: machine.boot_id(),
                interval_s: self.plan.interval_s(),
                suggested: world
                    .and_then(|world| Subject::new(world, index, &machine, began_at_ms))
                    .map(|subject| subject.suggested()),
            };
            let first_due_ms = began_ms + phase_ms(u64::from(index), agents, self.plan.interval_ms);
            let book = Book::new(
                machine,
                identity.numbers,
                self.plan.interval_ms,
                queue_bytes_max,
                first_due_ms,
                booted_at_s,
            );
            let book = match &stage {
                Some(stage) => book.with_lists(Lists::new(stage.clone(), index)),
                None => book,
            };
            let link = Link::new(Client::new(self.plan.server.clone()), speaker);
            let (counts, end) = (counts.clone(), end.subscribe());
            tasks.spawn(async move { (index, agent::run(book, link, counts, end).await) });
        }
        Ok(Running {
            fleet: self,
            counts,
            end,
            tasks,
        })
    }
}

/// Ends a run early.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<u64>);

impl Stopper {
    /// Ends now instead of after the whole duration; draining follows as ever.
    pub fn stop(&self) {
        let now_ms = clock::boot_ms();
        self.0.send_if_modified(|end_ms| {
            let is_closer = now_ms < *end_ms;
            *end_ms = now_ms.min(*end_ms);
            is_closer
        });
    }
}

/// A fleet at work. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Running {
    fleet: Fleet,
    counts: Arc<Counts>,
    end: watch::Sender<u64>,
    tasks: JoinSet<(u32, Book)>,
}

impl Running {
    /// Where it stands.
    pub fn progress(&self) -> Progress {
        Progress {
            sent: self.counts.sent.load(Ordering::Relaxed),
            acked: self.counts.acked.load(Ordering::Relaxed),
        }
    }

    /// What ends it early.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.end.clone())
    }

    /// Waits for the end, drains, and tells what came of it.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub async fn finish(mut self) -> Result<Outcome, StartError> {
        let mut agents = Vec::new();
        while let Some(joined) = self.tasks.join_next().await {
            let (index, book) = match joined {
                Ok(done) => done,
                Err(error) => {
                    self.counts
                        .note_problem(format!("an identity ended unexpectedly: {error}"));
                    continue;
                }
            };
            let (numbers, acked, waiting) = book.close();
            let Some(identity) = self.fleet.identities.get_mut(index as usize) else {
                continue;
            };
            identity.numbers = numbers;
            if let Some(enrolled) = identity.enrolled.clone() {
                let outcome = AgentOutcome {
                    host_id: enrolled.host_id,
                    node_id: enrolled.node_id,
                    acked,
                    waiting,
                };
                agents.push((index, outcome));
            }
        }
        self.fleet.save(0)?;
        agents.sort_by_key(|(index, _)| *index);
        let Progress { sent, acked } = self.progress();
        Ok(Outcome {
            summary: Summary {
                agents: self.fleet.plan.agents,
                reports_sent: sent,
                reports_acked: acked,
                reports_lost: sent.saturating_sub(acked),
                latency_p50_ms: self.counts.latencies.quantile_ms(0.5),
                latency_p99_ms: self.counts.latencies.quantile_ms(0.99),
            },
            agents: agents.into_iter().map(|(_, outcome)| outcome).collect(),
            problems: self.counts.problems(),
        })
    }
}

/// Lets this process open as many connections as it needs, as far as the machine allows.
fn raise_file_limit(needed: u64) -> Result<(), StartError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| StartError::Local(format!("the limit of open files: {error}")))?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(StartError::Local(format!(
            "this process may open {hard} files and needs {needed}; raise the limit (`ulimit -n {needed}`) or simulate fewer agents"
        )));
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(needed.max(soft)), hard)
        .map_err(|error| StartError::Local(format!("raising the limit of open files: {error}")))
}
