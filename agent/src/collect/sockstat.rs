//! How many TCP sockets there are, from /proc/net/sockstat: a sum that the kernel keeps, whatever their number.

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{lines, number, words};
use super::{Collect, Outcome, Roots, Samples};

/// The collector.
pub struct Sockstat {
    four: KeptFile,
    six: KeptFile,
}

impl Sockstat {
    pub fn new(roots: &Roots) -> Self {
        Self {
            four: KeptFile::new(roots.proc.join("net/sockstat")),
            six: KeptFile::new(roots.proc.join("net/sockstat6")),
        }
    }
}

impl Collect for Sockstat {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let path = self.four.path().to_owned();
        let (in_use, waiting) = match self.four.read(now_ns) {
            Ok(bytes) => (
                field(bytes, b"TCP:", b"inuse"),
                field(bytes, b"TCP:", b"tw"),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Outcome::Absent(format!("{} does not exist here", path.display()));
            }
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        // Hosts without IPv6 have no such file.
        let six = self.six.read(now_ns);
        let in_use_six = six.map_or(Some(0), |bytes| field(bytes, b"TCP6:", b"inuse"));
        if let (Some(four), Some(six)) = (in_use, in_use_six) {
            out.put_count(Metric::TcpConnections, four.saturating_add(six));
        }
        if let Some(waiting) = waiting {
            out.put_count(Metric::TcpTimeWait, waiting);
        }
        match in_use {
            Some(_) => Outcome::Ok(None),
            None => Outcome::Failed(format!("{}: no line `TCP: inuse`", path.display())),
        }
    }
}

/// The number behind a name in a line such as `TCP: inuse 5 orphan 0 tw 2`.
fn field(bytes: &[u8], line: &[u8], name: &[u8]) -> Option<u64> {
    let mut words = words(lines(bytes).find(|text| words_begin(text, line))?);
    words.find(|word| *word == name)?;
    number(words.next()?)
}

fn words_begin(text: &[u8], first: &[u8]) -> bool {
    words(text).next() == Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_by_their_names() {
        let text =
            b"sockets: used 290\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1\nUDP: inuse 3 mem 0\n";
        assert_eq!(field(text, b"TCP:", b"inuse"), Some(5));
        assert_eq!(field(text, b"TCP:", b"tw"), Some(2));
        assert_eq!(field(text, b"TCP6:", b"inuse"), None);
        assert_eq!(field(b"TCP: inuse", b"TCP:", b"inuse"), None);
        assert_eq!(field(b"TCP: inuse x", b"TCP:", b"inuse"), None);
    }
}
