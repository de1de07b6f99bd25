//! Records that will never arrive: how many, from when to when, and why. A later record tells the server.

use protocol::v1::report::Lost;

/// Why records were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostReason {
    /// They did not fit, or waited too long.
    QueueFull,
    /// The server will never take them.
    Refused,
    /// The disk did not give back what was written.
    Damaged,
}

impl LostReason {
    const ALL: [Self; 3] = [Self::QueueFull, Self::Refused, Self::Damaged];

    fn as_str(self) -> &'static str {
        match self {
            LostReason::QueueFull => "queue_full",
            LostReason::Refused => "refused",
            LostReason::Damaged => "spool_damaged",
        }
    }
}

/// Lost records, by this boot's clock; what was taken before this boot has negative instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How many.
    pub records: u64,
    /// The first one's instant.
    pub first_ms: i64,
    /// The last one's.
    pub last_ms: i64,
    /// Why.
    pub reason: LostReason,
}

impl Span {
    /// As a record taken at `taken_ms` tells it.
    pub fn to_wire(self, taken_ms: i64) -> Lost {
        let age = |at_ms: i64| u64::try_from(taken_ms.saturating_sub(at_ms)).unwrap_or(0);
        Lost {
            records: self.records,
            first_age_ms: age(self.first_ms),
            last_age_ms: age(self.last_ms),
            reason: self.reason.as_str().to_owned(),
        }
    }

    /// What a record taken at `taken_ms` told.
    pub fn of_wire(lost: &Lost, taken_ms: i64) -> Self {
        let at = |age_ms: u64| taken_ms.saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX));
        Self {
            records: lost.records,
            first_ms: at(lost.first_age_ms),
            last_ms: at(lost.last_age_ms),
            reason: LostReason::ALL
                .into_iter()
                .find(|reason| reason.as_str() == lost.reason)
                .unwrap_or(LostReason::Damaged),
        }
    }
}

/// What no record has told yet, one span a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Untold(Vec<Span>);

impl Untold {
    /// Adds to it.
    pub fn note(&mut self, span: Span) {
        match self.0.iter_mut().find(|known| known.reason == span.reason) {
            Some(known) => {
                known.records = known.records.saturating_add(span.records);
                known.first_ms = known.first_ms.min(span.first_ms);
                known.last_ms = known.last_ms.max(span.last_ms);
            }
            None => self.0.push(span),
        }
    }

    /// The next to tell.
    pub fn take(&mut self) -> Option<Span> {
        if self.0.is_empty() {
            None
        } else {
            Some(self.0.remove(0))
        }
    }

    /// How many records in all.
    #[cfg(test)]
    pub fn records(&self) -> u64 {
        self.0.iter().map(|span| span.records).sum()
    }
}
