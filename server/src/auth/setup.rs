//! The one-time code with which the first administrator is made: new at each start, an hour long, never logged.

use std::sync::{Mutex, PoisonError};

use domain::time::Monotonic;
use protocol::keys::digest;

use crate::random;

/// Life of the code.
const LIFE_MS: u64 = 3_600_000;
/// Wrong codes before it ends: 100 bits are not guessed, so whoever errs so often is not the one who started the server.
const TRIES_MAX: u32 = 50;

#[derive(Debug)]
struct Code {
    digest: [u8; 32],
    made: Monotonic,
    tries: u32,
}

/// Holds the code's digest while there is no administrator.
#[derive(Debug, Default)]
pub struct SetupCode(Mutex<Option<Code>>);

impl SetupCode {
    /// Makes the code; whoever gets it may become administrator.
    pub fn begin(&self, now: Monotonic) -> String {
        let text = data_encoding::BASE32_NOPAD
            .encode(&random::bytes::<15>())
            .to_lowercase();
        let code = Code {
            digest: digest(text.as_bytes()),
            made: now,
            tries: 0,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        text
    }

    /// Is this the code, and still good?
    pub fn matches(&self, text: &str, now: Monotonic) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(code) = held.as_mut() else {
            return false;
        };
        // Digests are compared, so the time it takes tells nothing of the code.
        let right =
            now.since_ms(code.made) <= LIFE_MS && digest(text.trim().as_bytes()) == code.digest;
        code.tries += u32::from(!right);
        if code.tries > TRIES_MAX {
            *held = None;
        }
        right
    }

    /// There is an administrator.
    pub fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
