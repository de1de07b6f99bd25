//! Slows down guessing: by address, by account, and two hashes at a time at most.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use domain::throttle::{Limit, Throttle};
use domain::time::Monotonic;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::OpsError;

const BY_ADDRESS: Limit = Limit {
    burst: 10,
    refill_ms: 6_000,
};
const BY_ACCOUNT: Limit = Limit {
    burst: 10,
    refill_ms: 15_000,
};
const KEYS_MAX: usize = 10_000;
/// Passwords hashed at once: each takes 46 MiB and a tenth of a second of one core.
const HASHES_AT_ONCE: usize = 2;

/// Asked before any password is hashed.
#[derive(Debug)]
pub struct LoginGuard {
    by_address: Mutex<Throttle>,
    by_account: Mutex<Throttle>,
    hashes: Semaphore,
}

impl Default for LoginGuard {
    fn default() -> Self {
        Self {
            by_address: Mutex::new(Throttle::new(BY_ADDRESS, KEYS_MAX)),
            by_account: Mutex::new(Throttle::new(BY_ACCOUNT, KEYS_MAX)),
            hashes: Semaphore::new(HASHES_AT_ONCE),
        }
    }
}

/// IPv6 addresses are handed out by the /64, so that is what counts.
fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

impl LoginGuard {
    /// One try for this address and account; hold what it gives while hashing.
    ///
    /// # Errors
    /// [`OpsError::TooMany`] with when to come back.
    pub async fn attempt(
        &self,
        address: IpAddr,
        account: &str,
        now: Monotonic,
    ) -> Result<SemaphorePermit<'_>, OpsError> {
        let too_many = |wait_ms: u64| OpsError::TooMany {
            retry_after_s: wait_ms.div_ceil(1000).max(1),
        };
        let key = address_key(address);
        {
            let mut by_address = self
                .by_address
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            by_address.take(&key, now).map_err(too_many)?;
        }
        {
            let mut by_account = self
                .by_account
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            by_account.take(account, now).map_err(too_many)?;
        }
        self.hashes
            .acquire()
            .await
            .map_err(|_| OpsError::TooMany { retry_after_s: 1 })
    }

    /// The password was right: nothing is held against account and address.
    pub fn succeeded(&self, address: IpAddr, account: &str) {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear(&address_key(address));
        self.by_account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear(account);
    }
}
