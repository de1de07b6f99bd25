//! What pages follow, made once for everybody who follows the same: the data of a topic, and the changes that led to it.
//!
//! Asked by each live connection at its own tick. A topic is made anew at most once a second, and only when something
//! changed or silence has to be judged again; its whole text and each change are encoded once and handed out as they are.
//! A topic lives as long as somebody follows it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use app::backend::Operator;
use app::error::UiError;
use app::fleet::view::LiveTopic;
use app::live::delta;
use app::live::message::{Body, LivePayload};
use domain::access::Role;
use domain::time::Monotonic;
use serde_json::Value;

use super::stream;
use crate::ops::Ops;

/// Between two makings of a topic; a little less than the tick of a connection.
const MAKE_AGAIN_MS: u64 = 950;
/// Lists grow old without any news: ages of silence are judged again this often.
const REFRESH_MS: u64 = 3_000;
/// Changes that are kept for connections that missed a tick.
const CHANGES_MAX: usize = 8;

/// What decides what is shown: the topic, and what its reader may do.
type Key = (LiveTopic, Role);

/// All topics that somebody follows.
#[derive(Debug, Default)]
pub struct Topics(Mutex<HashMap<Key, Weak<Topic>>>);

/// One of them.
#[derive(Debug)]
pub struct Topic {
    key: Key,
    made: tokio::sync::Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    at: Option<Monotonic>,
    /// Of what is live, when this was made.
    live_version: u64,
    seq: u32,
    value: Value,
    whole: Option<Body>,
    changes: VecDeque<(u32, Body)>,
}

impl Topics {
    /// The topic as its followers share it.
    pub fn follow(&self, topic: LiveTopic, role: Role) -> Arc<Topic> {
        let key = (topic, role);
        // Nothing panics while the lock is held; should it, the map is still whole.
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = topics.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        topics.retain(|_, topic| topic.strong_count() > 0);
        let topic = Arc::new(Topic {
            key: key.clone(),
            made: tokio::sync::Mutex::default(),
        });
        topics.insert(key, Arc::downgrade(&topic));
        topic
    }
}

impl Topic {
    /// What is followed.
    pub fn topic(&self) -> &LiveTopic {
        &self.key.0
    }

    /// What to send to a page that shows state `shown` (`None`: nothing yet); `None` when that is what there is.
    ///
    /// # Errors
    /// What is followed cannot be made: it is gone, or the database refuses.
    pub async fn since(
        &self,
        ops: &Ops,
        who: &Operator,
        live_version: u64,
        shown: Option<u32>,
    ) -> Result<Option<(u32, Vec<LivePayload>)>, UiError> {
        let mut made = self.made.lock().await;
        let now = ops.clock.monotonic();
        let is_old = made.at.is_none_or(|at| {
            let is_changed = live_version != made.live_version;
            let age_ms = now.since_ms(at);
            age_ms >= REFRESH_MS || (is_changed && age_ms >= MAKE_AGAIN_MS)
        });
        if is_old {
            let update = stream::update(ops, who, self.topic()).await?;
            let value = serde_json::to_value(&update)
                .map_err(|_| UiError::Unavailable("this page cannot be sent".to_owned()))?;
            made.take(value, now, live_version)?;
        }
        let seq = made.seq;
        Ok(match shown {
            Some(shown) if shown == seq => None,
            Some(shown) if made.has_all_since(shown) => {
                let changes = made.changes.iter().filter(|(of, _)| *of > shown);
                let changes = changes.map(|(seq, body)| LivePayload::Change {
                    seq: *seq,
                    body: body.clone(),
                });
                Some((seq, changes.collect()))
            }
            Some(_) | None => {
                let body = made.whole()?;
                Some((seq, vec![LivePayload::Whole { seq, body }]))
            }
        })
    }
}

/// When the data was made, where a [`LiveUpdate`](app::fleet::view::LiveUpdate) says so.
fn clock_of(update: &mut Value) -> Option<&mut Value> {
    let (_, data) = update.as_object_mut()?.iter_mut().next()?;
    data.get_mut("now_ms")
}

impl Made {
    fn take(&mut self, mut value: Value, now: Monotonic, live_version: u64) -> Result<(), UiError> {
        // The clock stands in the message; without other news it is none.
        let clock = clock_of(&mut value).cloned();
        let kept = clock_of(&mut self.value).cloned();
        if let (Some(kept), Some(slot)) = (kept, clock_of(&mut value)) {
            *slot = kept;
        }
        let is_first = self.at.is_none();
        self.at = Some(now);
        self.live_version = live_version;
        if !is_first && delta::diff(&self.value, &value).is_none() {
            return Ok(());
        }
        if let (Some(clock), Some(slot)) = (clock, clock_of(&mut value)) {
            *slot = clock;
        }
        self.seq = self.seq.wrapping_add(1);
        // Once more, with the clock this time.
        if !is_first && let Some(change) = delta::diff(&self.value, &value) {
            self.changes.push_back((self.seq, Body::of(&change)?));
            while self.changes.len() > CHANGES_MAX {
                self.changes.pop_front();
            }
        }
        self.value = value;
        self.whole = None;
        Ok(())
    }

    fn has_all_since(&self, shown: u32) -> bool {
        shown < self.seq
            && self
                .changes
                .front()
                .is_some_and(|(first, _)| *first <= shown + 1)
    }

    fn whole(&mut self) -> Result<Body, UiError> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let whole = Body::of(&self.value)?;
        self.whole = Some(whole.clone());
        Ok(whole)
    }
}
