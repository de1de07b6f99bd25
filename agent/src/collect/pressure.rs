//! Pressure stall information from /proc/pressure: the share of time in which tasks waited.

use domain::metric::Metric;

use super::counters::delta;
use super::file::KeptFile;
use super::text::{lines, number, words};
use super::{Collect, Outcome, Roots, Samples};

/// Total µs of the lines `some` and `full`.
type Stalled = [u64; 2];

struct Source {
    file: KeptFile,
    some: Metric,
    full: Option<Metric>,
    before: Option<(u64, Stalled)>,
}

/// The collector.
pub struct Pressure {
    sources: [Source; 3],
}

impl Pressure {
    pub fn new(roots: &Roots) -> Self {
        let source = |name: &str, some, full| Source {
            file: KeptFile::new(roots.proc.join("pressure").join(name)),
            some,
            full,
            before: None,
        };
        Self {
            sources: [
                source("cpu", Metric::PressureCpuSomeRatio, None),
                source(
                    "memory",
                    Metric::PressureMemorySomeRatio,
                    Some(Metric::PressureMemoryFullRatio),
                ),
                source(
                    "io",
                    Metric::PressureIoSomeRatio,
                    Some(Metric::PressureIoFullRatio),
                ),
            ],
        }
    }
}

impl Collect for Pressure {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let mut first_problem = None;
        let mut measured = 0;
        for source in &mut self.sources {
            match source.collect(now_ns, out) {
                Ok(()) => measured += 1,
                Err(problem) => {
                    source.before = None;
                    first_problem.get_or_insert(problem);
                }
            }
        }
        match first_problem {
            None => Outcome::Ok(None),
            Some(problem) if measured == 0 => problem,
            Some(problem) => Outcome::Failed(problem.reason().unwrap_or_default().to_owned()),
        }
    }
}

impl Source {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Result<(), Outcome> {
        let stalled = match self.file.read(now_ns).map(parse) {
            Ok(Some(stalled)) => stalled,
            Ok(None) => {
                return Err(Outcome::Failed(format!(
                    "{}: no line `some`",
                    self.file.path().display()
                )));
            }
            // Compiled in but off, the files exist and reading them fails with EOPNOTSUPP.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Outcome::Absent(
                    "the kernel has no pressure information (before 4.20, or without CONFIG_PSI)"
                        .to_owned(),
                ));
            }
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EOPNOTSUPP as i32) => {
                return Err(Outcome::Absent(
                    "pressure information is switched off in the kernel (boot with psi=1)"
                        .to_owned(),
                ));
            }
            Err(error) => {
                return Err(Outcome::Failed(super::file::failed(
                    self.file.path(),
                    &error,
                )));
            }
        };
        if let Some((before_ns, before)) = self.before.replace((now_ns, stalled))
            && let Some(delta) = delta(&before, before_ns, &stalled, now_ns)
        {
            for (at, metric) in [Some(self.some), self.full].into_iter().enumerate() {
                // The kernel's clock and ours may differ by a little: a whole second stalled is not more than whole.
                if let (Some(metric), Some(us_per_s)) = (metric, delta.rate(at)) {
                    out.put(metric, (us_per_s / 1e6).min(1.0));
                }
            }
        }
        Ok(())
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345`, and the same for `full`, which /proc/pressure/cpu had not
/// before 5.13.
pub fn parse(pressure: &[u8]) -> Option<Stalled> {
    let total = |kind: &[u8]| {
        let line = lines(pressure).find(|line| words(line).next() == Some(kind))?;
        number(words(line).find_map(|word| word.strip_prefix(b"total="))?)
    };
    Some([total(b"some")?, total(b"full").unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn totals_are_read_with_and_without_a_full_line() {
        let both = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=55\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(parse(both), Some([55, 7]));
        assert_eq!(
            parse(b"some avg10=0 avg60=0 avg300=0 total=55\n"),
            Some([55, 0])
        );
        assert_eq!(parse(b"full total=5\n"), None);
        assert_eq!(parse(b"some total=x\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
