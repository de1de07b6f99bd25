//! How many connections a server lets in: each takes a file descriptor, and databases and local commands need some, too.

/// Descriptors for databases, backups, listeners and local commands, which work when no more connections are let in.
const RESERVE: u64 = 256;

/// The bounds of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of everybody together.
    pub all: u64,
    /// Of one address that is neither this machine nor a proxy: both speak for many.
    pub one_peer: u64,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All places are taken.
    #[error(
        "all {0} places for connections are taken; raise the limit of open files (LimitNOFILE)"
    )]
    All(u64),
    /// This address has all that one may have.
    #[error("this address has {0} connections already, which is all that one may have")]
    OnePeer(u64),
}

impl Bounds {
    /// Of a process that may hold this many files open. One address may have half of the places: a fleet behind one
    /// address fits in, and others still find one.
    pub fn of(open_files: u64) -> Self {
        let all = open_files.saturating_sub(RESERVE.min(open_files / 2));
        Self {
            all,
            one_peer: all / 2,
        }
    }

    /// May one more come in, where there are `all` now and `of_peer` of its address?
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn admit(self, all: u64, of_peer: u64, speaks_for_many: bool) -> Result<(), Full> {
        if all >= self.all {
            return Err(Full::All(self.all));
        }
        if of_peer >= self.one_peer && !speaks_for_many {
            return Err(Full::OnePeer(self.one_peer));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_over_however_few_there_are() {
        for (open_files, all) in [
            (0, 0),
            (64, 32),
            (512, 256),
            (1_024, 768),
            (524_288, 524_032),
        ] {
            let bounds = Bounds::of(open_files);
            assert_eq!(bounds.all, all, "{open_files}");
            assert_eq!(bounds.one_peer, all / 2, "{open_files}");
        }
    }

    #[test]
    fn one_address_leaves_room_for_others_unless_it_speaks_for_many() {
        let bounds = Bounds {
            all: 10,
            one_peer: 5,
        };
        for (all, of_peer, speaks_for_many, admitted) in [
            (0, 0, false, Ok(())),
            (9, 4, false, Ok(())),
            (5, 5, false, Err(Full::OnePeer(5))),
            (5, 5, true, Ok(())),
            (10, 0, false, Err(Full::All(10))),
            (10, 0, true, Err(Full::All(10))),
        ] {
            let found = bounds.admit(all, of_peer, speaks_for_many);
            assert_eq!(found, admitted, "{all} {of_peer} {speaks_for_many}");
        }
    }
}
