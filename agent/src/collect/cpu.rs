//! Processor states from /proc/stat.

use std::cell::RefCell;
use std::rc::Rc;

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{lines, number, words};
use super::{Collect, INSTANCES_MAX, Outcome, Samples};

/// user nice system idle iowait irq softirq steal guest guest_nice, in ticks; old kernels and containers give fewer.
type Ticks = [u64; 10];

/// The collector.
pub struct Cpu {
    stat: Rc<RefCell<KeptFile>>,
    before: Option<Ticks>,
    /// Of each processor, while somebody watches.
    cores: Vec<(u64, Ticks)>,
}

impl Cpu {
    pub fn new(stat: Rc<RefCell<KeptFile>>) -> Self {
        Self {
            stat,
            before: None,
            cores: Vec::new(),
        }
    }
}

impl Collect for Cpu {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let mut stat = self.stat.borrow_mut();
        let path = stat.path().to_owned();
        let (ticks, cores) = match stat.read(now_ns) {
            Ok(bytes) if out.is_watched => (parse(bytes), parse_cores(bytes)),
            Ok(bytes) => (parse(bytes), Vec::new()),
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        let Some(ticks) = ticks else {
            self.before = None;
            return Outcome::Failed(format!("{}: no line `cpu`", path.display()));
        };
        if let Some(before) = self.before.replace(ticks)
            && let Some(shares) = shares(&before, &ticks)
        {
            for (metric, share) in shares {
                out.put(metric, share);
            }
        }
        let cores_before = std::mem::replace(&mut self.cores, cores);
        self.put_cores(&cores_before, out);
        Outcome::Ok(None)
    }
}

impl Cpu {
    /// Behind the host's own values: each processor is a group of its own, so the host's group is begun again after.
    fn put_cores(&self, before: &[(u64, Ticks)], out: &mut Samples) {
        if before.is_empty() || self.cores.is_empty() {
            return;
        }
        for (number, now) in &self.cores {
            let before = before.iter().find(|(own, _)| own == number);
            let used = before
                .and_then(|(_, before)| shares(before, now))
                .and_then(|shares| shares.first().copied());
            if let Some((_, used)) = used {
                out.begin(&format!("cpu{number}"));
                out.put(Metric::CpuCoreUsedRatio, used);
            }
        }
        out.begin("");
    }
}

/// The lines of single processors, at most [`INSTANCES_MAX`].
fn parse_cores(stat: &[u8]) -> Vec<(u64, Ticks)> {
    lines(stat)
        .filter_map(|line| {
            let first = words(line).next()?.strip_prefix(b"cpu")?;
            Some((number(first)?, ticks_of(line)?))
        })
        .take(INSTANCES_MAX)
        .collect()
}

/// The line of all processors.
pub fn parse(stat: &[u8]) -> Option<Ticks> {
    ticks_of(lines(stat).find(|line| line.starts_with(b"cpu "))?)
}

fn ticks_of(line: &[u8]) -> Option<Ticks> {
    let mut ticks = [0; 10];
    let mut given = 0;
    for (tick, word) in ticks.iter_mut().zip(words(line).skip(1)) {
        *tick = number(word)?;
        given += 1;
    }
    // user, nice, system and idle have always been there.
    (given >= 4).then_some(ticks)
}

/// Shares of the time between two readings; `None` after a reset or when no time went by.
///
/// `guest` is also in `user` and `guest_nice` in `nice`, so the whole is the first eight. `idle` and `iowait` may go
/// back a little (the kernel says so of iowait): that counts as none. Example: of 1,000 ticks 700 idle and 50 iowait:
/// used is 0.25.
pub fn shares(before: &Ticks, now: &Ticks) -> Option<[(Metric, f64); 7]> {
    let mut counted = [0u64; 10];
    for (at, ((counted, now), before)) in counted.iter_mut().zip(now).zip(before).enumerate() {
        *counted = match now.checked_sub(*before) {
            Some(counted) => counted,
            None if matches!(at, 3 | 4) => 0,
            None => return None,
        };
    }
    let [
        user,
        nice,
        system,
        idle,
        iowait,
        irq,
        softirq,
        steal,
        guest,
        _,
    ] = counted;
    let whole = [nice, system, idle, iowait, irq, softirq, steal]
        .into_iter()
        .try_fold(user, u64::checked_add)
        .filter(|whole| *whole > 0)?;
    let share = |ticks: u64| ticks as f64 / whole as f64;
    Some([
        (Metric::CpuUsedRatio, share(whole - idle - iowait)),
        (Metric::CpuUserRatio, share(user.saturating_sub(guest))),
        (Metric::CpuNiceRatio, share(nice)),
        (Metric::CpuSystemRatio, share(system)),
        (Metric::CpuIowaitRatio, share(iowait)),
        (Metric::CpuIrqRatio, share(irq.saturating_add(softirq))),
        (Metric::CpuStealRatio, share(steal)),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_of_the_time_between_two_readings() {
        let before = parse(b"cpu  100 0 100 1000 10 0 0 0 0 0\ncpu0 1 1 1 1\n").unwrap();
        let now = parse(b"cpu  200 0 150 1700 60 60 40 0 30 0\n").unwrap();
        let shares = shares(&before, &now).unwrap();
        let values: Vec<_> = shares
            .iter()
            .map(|(m, v)| (*m, (v * 1000.0).round()))
            .collect();
        assert_eq!(
            values,
            [
                (Metric::CpuUsedRatio, 250.0),
                (Metric::CpuUserRatio, 70.0),
                (Metric::CpuNiceRatio, 0.0),
                (Metric::CpuSystemRatio, 50.0),
                (Metric::CpuIowaitRatio, 50.0),
                (Metric::CpuIrqRatio, 100.0),
                (Metric::CpuStealRatio, 0.0),
            ]
        );
    }

    #[test]
    fn processors_are_told_one_by_one_only_while_somebody_watches() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("stat");
        let text = |idle: u64, busy: u64| {
            format!("cpu {busy} 0 0 {idle}\ncpu0 {busy} 0 0 {idle}\ncpu11 0 0 0 {idle}\nintr 5\n")
        };
        let mut cpu = Cpu::new(Rc::new(RefCell::new(KeptFile::new(path.clone()))));
        let mut round = |at: u64, is_watched: bool| {
            std::fs::write(&path, text(100 * at, 300 * at)).unwrap();
            let mut out = Samples {
                is_watched,
                ..Samples::default()
            };
            out.begin("");
            cpu.collect(at, &mut out);
            let groups = out.into_groups();
            groups
                .into_iter()
                .map(|group| (group.instance, group.values))
                .collect::<Vec<_>>()
        };
        assert!(round(1, true).is_empty());
        let core = i64::from(Metric::CpuCoreUsedRatio.wire());
        let told = round(2, true);
        assert_eq!(
            told[1..],
            [
                ("cpu0".to_owned(), vec![core, 750]),
                ("cpu11".to_owned(), vec![core, 0])
            ]
        );
        assert_eq!(round(3, false).len(), 1);
        assert_eq!(
            round(4, true).len(),
            1,
            "what nobody looked at is no beginning"
        );
    }

    #[test]
    fn a_reset_gives_nothing_and_iowait_may_go_back() {
        let before = [100, 0, 0, 100, 50, 0, 0, 0, 0, 0];
        assert_eq!(shares(&before, &[5, 0, 0, 200, 50, 0, 0, 0, 0, 0]), None);
        assert_eq!(shares(&before, &before), None);
        assert!(shares(&before, &[200, 0, 0, 200, 49, 0, 0, 0, 0, 0]).is_some());
    }

    #[test]
    fn old_kernels_give_fewer_fields_and_less_is_no_line() {
        assert_eq!(
            parse(b"cpu 1 2 3 4\n"),
            Some([1, 2, 3, 4, 0, 0, 0, 0, 0, 0])
        );
        for bad in [
            &b"cpu 1 2 3\n"[..],
            b"cpu a b c d\n",
            b"intr 5\n",
            b"",
            b"cpu -1 2 3 4\n",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn shares_stay_within_the_whole(before: [u64; 10], now: [u64; 10]) {
            for (_, share) in shares(&before, &now).into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }
    }
}
