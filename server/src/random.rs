//! The server's only source of randomness: the operating system's.

/// `N` random bytes.
///
/// # Panics
/// When the operating system has none to give; going on without would be worse.
#[allow(
    clippy::panic,
    reason = "no key, token or session may ever be made without randomness"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    if let Err(error) = getrandom::fill(&mut out) {
        panic!("the operating system gives no randomness: {error}");
    }
    out
}
