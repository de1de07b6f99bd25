//! Sessions of agents, in memory only: a restart of the server ends them all, and agents say hello again.
//!
//! A session does nothing until its first valid MAC, because a recorded hello can be replayed but its keys cannot be
//! known. Revocation drops an identity's sessions at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::identity::{Processes, Speaker, Verdict};
use domain::time::Monotonic;
use protocol::session::SessionKeys;

/// Sessions that wait for their first report, per identity; more are dropped, oldest first.
const UNCONFIRMED_MAX: usize = 4;

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose (public id).
    pub host_id: String,
    /// Whose (number).
    pub host_no: i64,
    /// Its MAC keys.
    pub keys: SessionKeys,
    /// When it began.
    pub began: Monotonic,
    /// Boot id of the host.
    pub boot_id: [u8; 16],
    /// Which process of the agent.
    pub process: [u8; 8],
    /// What hello decided; acted upon with the first report.
    pub verdict: Verdict,
    confirmed: bool,
}

impl Session {
    /// A session that still has to prove itself.
    #[allow(clippy::too_many_arguments, reason = "all of them come from one hello")]
    pub fn new(
        host_id: String,
        host_no: i64,
        keys: SessionKeys,
        began: Monotonic,
        boot_id: [u8; 16],
        process: [u8; 8],
        verdict: Verdict,
    ) -> Self {
        Self {
            host_id,
            host_no,
            keys,
            began,
            boot_id,
            process,
            verdict,
            confirmed: false,
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    by_id: HashMap<[u8; 16], Session>,
    of_host: HashMap<i64, OfHost>,
}

#[derive(Debug, Default)]
struct OfHost {
    processes: Processes,
    sessions: Vec<[u8; 16]>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What the first valid report of a session means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// It was confirmed before.
    Already,
    /// It is the identity's session now; what hello decided takes effect.
    Now,
    /// Another live process uses this identity.
    Clone,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Tables>);

impl Sessions {
    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        // Nothing panics while the lock is held; should it, the tables are still whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds an unconfirmed session; false when its name is taken (a replayed hello).
    pub fn add(&self, session: Session) -> bool {
        let mut tables = self.tables();
        let id = session.keys.session();
        if tables.by_id.contains_key(&id) {
            return false;
        }
        let of_host = tables.of_host.entry(session.host_no).or_default();
        of_host.sessions.push(id);
        let surplus = of_host.sessions.len().saturating_sub(UNCONFIRMED_MAX + 1);
        let sessions = of_host.sessions.clone();
        tables.by_id.insert(id, session);
        let dropped: Vec<[u8; 16]> = sessions
            .into_iter()
            .filter(|id| {
                tables
                    .by_id
                    .get(id)
                    .is_some_and(|session| !session.confirmed)
            })
            .take(surplus)
            .collect();
        for id in dropped {
            remove(&mut tables, id);
        }
        true
    }

    /// Held while what a host tells is compared with what is known of it and written: bounds that count what is known hold
    /// also for one that tells much at once.
    pub async fn turn(&self, host_no: i64) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self
            .tables()
            .of_host
            .entry(host_no)
            .or_default()
            .turn
            .clone();
        turn.lock_owned().await
    }

    /// The session with this name, unless it is older than `life_ms`.
    pub fn find(&self, id: &[u8; 16], now: Monotonic, life_ms: u64) -> Option<Session> {
        let mut tables = self.tables();
        let session = tables.by_id.get(id)?.clone();
        if now.since_ms(session.began) > life_ms {
            remove(&mut tables, *id);
            return None;
        }
        Some(session)
    }

    /// Notes that a session proved itself. The identity's other sessions end.
    pub fn confirm(&self, id: &[u8; 16]) -> Confirmed {
        let mut tables = self.tables();
        let Some(session) = tables.by_id.get_mut(id) else {
            return Confirmed::Already;
        };
        if session.confirmed {
            return Confirmed::Already;
        }
        session.confirmed = true;
        let (host_no, process) = (session.host_no, session.process);
        let of_host = tables.of_host.entry(host_no).or_default();
        let speaker = of_host.processes.speak(process);
        let others: Vec<[u8; 16]> = of_host
            .sessions
            .iter()
            .copied()
            .filter(|other| other != id)
            .collect();
        if speaker == Speaker::Clone {
            drop(tables);
            self.end_host(host_no);
            return Confirmed::Clone;
        }
        for other in others {
            remove(&mut tables, other);
        }
        Confirmed::Now
    }

    /// Ends one session, so that the agent says hello again.
    pub fn end(&self, id: &[u8; 16]) {
        remove(&mut self.tables(), *id);
    }

    /// Ends all sessions of an identity, at once.
    pub fn end_host(&self, host_no: i64) {
        let mut tables = self.tables();
        if let Some(of_host) = tables.of_host.remove(&host_no) {
            for id in of_host.sessions {
                tables.by_id.remove(&id);
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tables().by_id.len()
    }
}

fn remove(tables: &mut Tables, id: [u8; 16]) {
    if let Some(session) = tables.by_id.remove(&id)
        && let Some(of_host) = tables.of_host.get_mut(&session.host_no)
    {
        of_host.sessions.retain(|other| *other != id);
    }
}
