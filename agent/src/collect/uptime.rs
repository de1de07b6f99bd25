//! Time since boot from /proc/uptime (a container's own where it has one).

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{decimal, words};
use super::{Collect, Outcome, Roots, Samples};

/// The collector.
pub struct Uptime {
    file: KeptFile,
}

impl Uptime {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::new(roots.proc.join("uptime")),
        }
    }
}

impl Collect for Uptime {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let path = self.file.path().to_owned();
        match self.file.read(now_ns).map(parse) {
            Ok(Some(seconds)) => {
                out.put(Metric::UptimeS, seconds.floor());
                Outcome::Ok(None)
            }
            Ok(None) => Outcome::Failed(format!("{}: no number", path.display())),
            Err(error) => Outcome::Failed(failed(&path, &error)),
        }
    }
}

/// `5025.11 9960.33`: seconds up, seconds idle of all processors.
pub fn parse(uptime: &[u8]) -> Option<f64> {
    decimal(words(uptime).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        assert_eq!(parse(b"5025.11 9960.33\n"), Some(5025.11));
        assert_eq!(parse(b"\n"), None);
        assert_eq!(parse(b"inf 1\n"), None);
    }
}
