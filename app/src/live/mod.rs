//! Keeping a page current: what it shows, how fresh that is, and what to say when it is not.
//!
//! One connection a page, opened when the page follows something and is visible. Messages wait until the next tick, so
//! that everything on a page changes at once and at most once a second. The invariant: nothing here runs on the server,
//! where a page is simply "as of" its rendering, and the first render in the browser equals it. Charts do not come this
//! way; they are asked for again by their own component.

#[cfg(feature = "hydrate")]
mod connection;
pub mod delta;
pub mod message;
mod phase;

use leptos::prelude::*;

pub use phase::{Line, Phase, phase};

use crate::fleet::view::{LiveTopic, LiveUpdate};

/// Where a page's one live connection is opened.
pub const PATH: &str = "/fn/live";

/// The page's live state; a context given once by the app.
#[derive(Clone, Copy)]
pub struct Live {
    /// What the page follows; `None` on pages where nothing moves.
    topic: RwSignal<Option<LiveTopic>>,
    /// What came last, for the topic that is followed now.
    latest: RwSignal<Option<LiveUpdate>>,
    /// The line, as the connection sees it.
    line: RwSignal<Line>,
    /// The server's clock as far as we know it, moved on every second; 0 until the page has come to life.
    now_ms: RwSignal<i64>,
    /// Milliseconds of the browser's steady clock, moved on with `now_ms`.
    steady_ms: RwSignal<f64>,
    /// Server's clock when the person paused; 0 when it was not known.
    paused_at_ms: RwSignal<Option<i64>>,
    /// How often the line came back: who loads data apart from the line loads it again.
    recovered: RwSignal<u32>,
    /// Version of the server that the line last told.
    server_version: RwSignal<Option<String>>,
    /// (server's clock, steady clock) at the same moment.
    anchor: StoredValue<Option<(i64, f64)>>,
    /// Waits for the next tick.
    pending: StoredValue<Option<LiveUpdate>>,
    /// Raised to make the connection try at once.
    retry: RwSignal<u32>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// At rest until [`Live::start`].
    pub fn new() -> Self {
        Self {
            topic: RwSignal::new(None),
            latest: RwSignal::new(None),
            line: RwSignal::new(Line::Resting),
            now_ms: RwSignal::new(0),
            steady_ms: RwSignal::new(0.0),
            paused_at_ms: RwSignal::new(None),
            recovered: RwSignal::new(0),
            server_version: RwSignal::new(None),
            anchor: StoredValue::new(None),
            pending: StoredValue::new(None),
            retry: RwSignal::new(0),
        }
    }

    /// The server's clock now; on the first render the one of the data itself.
    pub fn now_or(self, data_now_ms: i64) -> i64 {
        self.now_ms.get().max(data_now_ms)
    }

    /// What to say about the line now.
    pub fn phase(self) -> Phase {
        phase(
            &self.line.get(),
            self.steady_ms.get(),
            self.paused_at_ms.get(),
        )
    }

    /// Is what the page shows too old to be trusted at a glance?
    pub fn is_stale(self) -> bool {
        matches!(self.phase(), Phase::Lost { .. } | Phase::SignedOut)
    }

    /// What came last for the topic followed now.
    pub fn latest(self) -> Option<LiveUpdate> {
        self.latest.get()
    }

    /// Changes when data that did not come over the line should be loaded again.
    pub fn recovered(self) -> u32 {
        self.recovered.get()
    }

    /// The server's version, once the line has told it.
    pub fn server_version(self) -> Option<String> {
        self.server_version.get()
    }

    /// Do messages come, and are they shown?
    pub fn is_live(self) -> bool {
        self.phase() == Phase::Live
    }

    /// The page follows `topic` from now on. Call in an effect.
    pub fn follow(self, topic: LiveTopic) {
        if self.topic.read_untracked().as_ref() != Some(&topic) {
            self.pending.set_value(None);
            self.latest.set(None);
            self.topic.set(Some(topic));
        }
    }

    /// The page that followed `topic` is gone; does nothing when another has taken its place.
    pub fn leave(self, topic: &LiveTopic) {
        if self.topic.read_untracked().as_ref() == Some(topic) {
            self.pending.set_value(None);
            self.latest.set(None);
            self.topic.set(None);
        }
    }

    /// Tells the server's clock as of now (`steady_ms`), from data the page was given.
    pub fn set_clock(self, server_now_ms: i64, steady_ms: f64) {
        self.anchor.set_value(Some((server_now_ms, steady_ms)));
    }

    /// The server's clock at `steady_ms`; `None` before anything has told it.
    fn clock(self, steady_ms: f64) -> Option<i64> {
        let (server_ms, at) = self.anchor.get_value()?;
        Some(server_ms.saturating_add((steady_ms - at).max(0.0) as i64))
    }

    /// Freezes the page, or lets it go on with what came meanwhile.
    pub fn toggle_pause(self) {
        let paused_at = match self.paused_at_ms.get_untracked() {
            Some(_) => None,
            // Before the first tick the clock may be known already.
            None => Some(self.clock(steady_now_ms()).unwrap_or(0)),
        };
        self.paused_at_ms.set(paused_at);
    }

    /// Tries the line at once.
    pub fn retry_now(self) {
        self.retry.update(|count| *count += 1);
    }

    /// One tick: moves the clock, shows what came since the last.
    #[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
    fn tick(self, steady_ms: f64) {
        if self.paused_at_ms.get_untracked().is_some() {
            return;
        }
        self.steady_ms.set(steady_ms);
        if let Some(now_ms) = self.clock(steady_ms) {
            self.now_ms.set(now_ms);
        }
        if let Some(update) = self.pending.try_update_value(Option::take).flatten() {
            self.latest.set(Some(update));
        }
    }

    /// Begins to tick and to connect. Call once, in an effect.
    pub fn start(self) {
        #[cfg(feature = "hydrate")]
        connection::start(self);
    }
}

/// Milliseconds of the browser's steady clock; 0 on the server.
pub fn steady_now_ms() -> f64 {
    #[cfg(feature = "hydrate")]
    {
        web_sys::window()
            .and_then(|window| window.performance())
            .map_or(0.0, |clock| clock.now())
    }
    #[cfg(not(feature = "hydrate"))]
    0.0
}
