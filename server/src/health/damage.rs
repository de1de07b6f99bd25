//! Hears of damaged databases: every error of a database is logged once, with its chain, whoever met it.
//!
//! Reads go through pools that tell nobody of their errors, so the log is the one place where all of them pass.

use std::error::Error;
use std::fmt::Debug;

use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::error::is_damage;

/// Cancels its token at the first error that is SQLite telling of damage.
#[derive(Debug, Default)]
pub struct DamageWatch(pub CancellationToken);

impl<S: Subscriber> Layer<S> for DamageWatch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Errors(&self.0));
    }
}

struct Errors<'a>(&'a CancellationToken);

impl Visit for Errors<'_> {
    fn record_error(&mut self, _: &Field, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.downcast_ref::<sqlx::Error>().is_some_and(is_damage) {
                self.0.cancel();
            }
            next = error.source();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
