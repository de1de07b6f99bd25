//! A file in the data folder that only takes room, so that there is some to give up when all else is taken.
//!
//! Kept by `health::disk`, which decides by `domain::disk`. Invariant: its room really is taken, not only promised.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::posix_fallocate;

const NAME: &str = "ballast";
/// As `stat` counts blocks, whatever the filesystem's own are.
const BLOCK_BYTES: u64 = 512;

/// How much room it takes.
pub fn held_bytes(data: &Path) -> u64 {
    std::fs::metadata(data.join(NAME)).map_or(0, |found| {
        // A copy of the folder may have left out what holds nothing.
        found.len().min(found.blocks().saturating_mul(BLOCK_BYTES))
    })
}

/// Makes it, or makes it whole; nothing remains of one that could not be.
///
/// # Errors
/// There is no room for it.
pub fn make(data: &Path, bytes: u64) -> io::Result<()> {
    let made = take(&data.join(NAME), bytes);
    if made.is_err() {
        give_up(data)?;
    }
    made
}

fn take(path: &Path, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path)?;
    Ok(posix_fallocate(&file, 0, length)?)
}

/// Gives its room to whoever needs it.
///
/// # Errors
/// It cannot be removed.
pub fn give_up(data: &Path) -> io::Result<()> {
    match std::fs::remove_file(data.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_room_it_says_and_gives_it_back() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        assert_eq!(held_bytes(data), 0);
        make(data, 1 << 20).unwrap();
        assert_eq!(held_bytes(data), 1 << 20);
        give_up(data).unwrap();
        give_up(data).unwrap();
        assert_eq!(held_bytes(data), 0);
        // Long, and with nothing in it.
        File::create(data.join(NAME))
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
        assert_eq!(held_bytes(data), 0);
        make(data, 1 << 20).unwrap();
        assert_eq!(held_bytes(data), 1 << 20);
    }

    #[test]
    fn nothing_remains_of_one_for_which_there_is_no_room() {
        let data = tempfile::tempdir().unwrap();
        make(data.path(), u64::from(u32::MAX) << 24).unwrap_err();
        assert!(!data.path().join(NAME).exists());
    }
}
