//! Load means from /proc/loadavg.

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{decimal, words};
use super::{Collect, Outcome, Roots, Samples};

/// The collector.
pub struct Load {
    file: KeptFile,
}

impl Load {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::new(roots.proc.join("loadavg")),
        }
    }
}

impl Collect for Load {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let path = self.file.path().to_owned();
        match self.file.read(now_ns).map(parse) {
            Ok(Some([one, five, fifteen])) => {
                out.put(Metric::Load1, one);
                out.put(Metric::Load5, five);
                out.put(Metric::Load15, fifteen);
                Outcome::Ok(None)
            }
            Ok(None) => Outcome::Failed(format!("{}: not three numbers", path.display())),
            Err(error) => Outcome::Failed(failed(&path, &error)),
        }
    }
}

/// `0.20 0.18 0.12 1/80 11206`
pub fn parse(loadavg: &[u8]) -> Option<[f64; 3]> {
    let mut words = words(loadavg).map(decimal);
    Some([words.next()??, words.next()??, words.next()??])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_means_or_nothing() {
        assert_eq!(
            parse(b"0.20 0.18 12.5 1/80 11206\n"),
            Some([0.2, 0.18, 12.5])
        );
        for bad in [&b""[..], b"0.2 0.1", b"a b c", b"nan 0 0", b"-1 0 0"] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
