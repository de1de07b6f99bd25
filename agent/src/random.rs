//! The only place that draws random numbers.

use crate::exit::Failure;

/// Random bytes from the kernel.
///
/// # Errors
/// The kernel gives none: nothing that needs them may go on.
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|error| {
        Failure::could_not(format!("the kernel gives no random bytes: {error}"))
    })?;
    Ok(out)
}

/// A number for jitter; when the kernel gives none, zero, which only means no jitter.
pub fn jitter() -> u64 {
    bytes().map_or(0, u64::from_le_bytes)
}
