//! Randomness: the kernel's for keys and names of sessions, a seeded hash for values and jitter.

use crate::outcome::StartError;

/// Random bytes from the kernel.
///
/// # Errors
/// It gives none; nothing that needs them may go on.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], StartError> {
    let mut out = [0; N];
    getrandom::fill(&mut out)
        .map_err(|error| StartError::Local(format!("the kernel gives no random bytes: {error}")))?;
    Ok(out)
}

/// One well-mixed number from two (the finaliser of SplitMix64, Steele et al. 2014).
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// As a number in 0..1.
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}

/// A stream of jitter.
#[derive(Debug, Clone)]
pub(crate) struct Jitter {
    seed: u64,
    drawn: u64,
}

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// From 0 to `below`, exclusive; 0 when that is 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn).checked_rem(below).unwrap_or(0)
    }
}
