//! How a node was at an instant of the past, from what is stored of it.

use super::{Liveness, Status};

/// What is stored of a server's being up: a share, where a bucket spans more than one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StoredUp {
    /// The node is a host: that it reported says all.
    IsHost,
    /// Its host said nothing of it.
    Nothing,
    /// From 0 (down) to 1 (up all the time).
    Share(f64),
}

/// Status, liveness, and why it is not OK. `is_seen`: is a report kept that was new enough then?
pub fn then(is_seen: bool, up: StoredUp) -> (Status, Liveness, Option<&'static str>) {
    match up {
        _ if !is_seen => (
            Status::Unknown,
            Liveness::NoData,
            Some("No report of then is kept."),
        ),
        StoredUp::Nothing => (
            Status::Unknown,
            Liveness::NoData,
            Some("Its host said nothing of it then."),
        ),
        StoredUp::Share(share) if share < 1.0 => (
            Status::Critical,
            Liveness::Live,
            Some("It was down, or its health probe was not answered."),
        ),
        StoredUp::IsHost | StoredUp::Share(_) => (Status::Ok, Liveness::Live, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_without_data_and_a_part_of_the_time_down_is_critical() {
        use StoredUp::{IsHost, Nothing, Share};
        for (is_seen, up, status, liveness) in [
            (false, IsHost, Status::Unknown, Liveness::NoData),
            (false, Share(1.0), Status::Unknown, Liveness::NoData),
            (true, IsHost, Status::Ok, Liveness::Live),
            (true, Nothing, Status::Unknown, Liveness::NoData),
            (true, Share(1.0), Status::Ok, Liveness::Live),
            (true, Share(0.99), Status::Critical, Liveness::Live),
            (true, Share(0.0), Status::Critical, Liveness::Live),
        ] {
            let (found, alive, why) = then(is_seen, up);
            assert_eq!((found, alive), (status, liveness), "{is_seen} {up:?}");
            assert_eq!(why.is_none(), status == Status::Ok, "{is_seen} {up:?}");
        }
    }
}
