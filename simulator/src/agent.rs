//! One identity at work: samples on its grid while an exchange is under way, sends one thing at a time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::DRAIN_MS;
use crate::book::{Book, Effect, Now};
use crate::clock;
use crate::latency::Latencies;
use crate::link::Link;

/// Different problems that are remembered.
const PROBLEMS_MAX: usize = 20;

/// What all identities of a run count together.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) latencies: Latencies,
    problems: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            sent: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            latencies: Latencies::new(),
            problems: Mutex::new(BTreeMap::new()),
        }
    }

    fn note(&self, effect: Effect) {
        self.acked.fetch_add(effect.acked, Ordering::Relaxed);
        if let Some(us) = effect.latency_us {
            self.latencies.add(us);
        }
        if let Some(problem) = effect.problem {
            self.note_problem(problem);
        }
    }

    pub(crate) fn note_problem(&self, problem: String) {
        // Nothing panics while the lock is held; should it, the counts are still whole.
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < PROBLEMS_MAX || problems.contains_key(&problem) {
            *problems.entry(problem).or_default() += 1;
        }
    }

    /// The most frequent first.
    pub(crate) fn problems(&self) -> Vec<(String, u64)> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<(String, u64)> = problems
            .iter()
            .map(|(words, count)| (words.clone(), *count))
            .collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sorted
    }
}

fn now() -> Now {
    Now {
        boot_ms: clock::boot_ms(),
        wall_ms: clock::wall_ms(),
    }
}

async fn sleep_until(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms.saturating_sub(clock::boot_ms()))).await;
}

async fn sleep_until_some(ms: Option<u64>) {
    match ms {
        Some(ms) => sleep_until(ms).await,
        None => std::future::pending().await,
    }
}

/// Reports until the end that `end` holds (it may be moved closer), then drains.
pub(crate) async fn run(
    mut book: Book,
    mut link: Link,
    counts: Arc<Counts>,
    mut end: watch::Receiver<u64>,
) -> Book {
    loop {
        let end_ms = *end.borrow_and_update();
        let taken = book.take_due(now(), end_ms);
        counts.sent.fetch_add(taken, Ordering::Relaxed);
        book.hold_back(now(), end_ms);
        let now_ms = clock::boot_ms();
        if book.is_done(now_ms, end_ms) {
            return book;
        }
        let Some(work) = book.work(link.has_session(), now_ms) else {
            tokio::select! {
                () = sleep_until(book.wake_ms(end_ms)) => {}
                changed = end.changed() => if changed.is_err() { return book },
            }
            continue;
        };
        let mut exchange = pin!(link.exchange(work));
        let heard = loop {
            let end_ms = *end.borrow_and_update();
            tokio::select! {
                biased;
                heard = &mut exchange => break Some(heard),
                () = sleep_until_some(book.sample_ms(end_ms)) => {
                    let taken = book.take_due(now(), end_ms);
                    counts.sent.fetch_add(taken, Ordering::Relaxed);
                }
                () = sleep_until(end_ms.saturating_add(DRAIN_MS)) => break None,
                changed = end.changed() => if changed.is_err() { break None },
            }
        };
        let Some(heard) = heard else { return book };
        let effect = book.hear(heard, clock::boot_ms(), *end.borrow());
        counts.note(effect);
    }
}
