//! Traffic of each interface from /proc/net/dev, without loopback.

use domain::metric::Metric;

use super::counters::Counters;
use super::file::{KeptFile, failed};
use super::text::{instance, lines, number, words};
use super::{Collect, INSTANCES_MAX, Outcome, Roots, Samples};

/// Interfaces made by containers and virtual machines, measured only while there is room.
const SECOND_RANK: &[&[u8]] = &[
    b"veth", b"docker", b"br-", b"cali", b"tap", b"tun", b"vnet", b"virbr", b"lxc", b"cni",
    b"flannel",
];

/// Bytes, packets, errors, drops in; the same out.
type Traffic = [u64; 8];

/// The collector.
pub struct Network {
    file: KeptFile,
    counters: Counters<8>,
}

impl Network {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::new(roots.proc.join("net/dev")),
            counters: Counters::new(),
        }
    }
}

impl Collect for Network {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let path = self.file.path().to_owned();
        let bytes = match self.file.read(now_ns) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Outcome::Absent(format!("{} does not exist here", path.display()));
            }
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        let mut all: Vec<(&[u8], Traffic)> = lines(bytes).filter_map(parse).collect();
        let found = all.len();
        if found > INSTANCES_MAX {
            // Stable: within a rank as the kernel lists them.
            all.sort_by_key(|(name, _)| is_second_rank(name));
            all.truncate(INSTANCES_MAX);
        }
        for (name, traffic) in all {
            let name = instance(name);
            let Some(delta) = self.counters.step(&name, now_ns, traffic) else {
                continue;
            };
            out.begin(&name);
            for (metric, rate) in [
                (Metric::NetworkReceiveBytesPerS, delta.rate(0)),
                (Metric::NetworkTransmitBytesPerS, delta.rate(4)),
                (Metric::NetworkReceivePacketsPerS, delta.rate(1)),
                (Metric::NetworkTransmitPacketsPerS, delta.rate(5)),
                (
                    Metric::NetworkErrorsPerS,
                    both(delta.rate(2), delta.rate(6)),
                ),
                (Metric::NetworkDropsPerS, both(delta.rate(3), delta.rate(7))),
            ] {
                if let Some(rate) = rate {
                    out.put(metric, rate);
                }
            }
        }
        self.counters.forget_before(now_ns);
        match found.checked_sub(INSTANCES_MAX) {
            _ if found == 0 => {
                Outcome::Absent("this host has no interface besides loopback".to_owned())
            }
            Some(left_out) if left_out > 0 => Outcome::Ok(Some(format!(
                "{left_out} interfaces beyond {INSTANCES_MAX} are left out, those of containers first"
            ))),
            _ => Outcome::Ok(None),
        }
    }
}

fn both(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

/// Made by containers or virtual machines?
pub fn is_second_rank(name: &[u8]) -> bool {
    SECOND_RANK.iter().any(|prefix| name.starts_with(prefix))
}

/// `  eth0: 1 2 …`; a name holds neither colon nor blank. `None` for the head and for loopback.
pub fn parse(line: &[u8]) -> Option<(&[u8], Traffic)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, rest) = line.split_at_checked(colon)?;
    let name = name.trim_ascii();
    if name == b"lo" || name.is_empty() {
        return None;
    }
    let mut words = words(rest.get(1..)?).map(number);
    let mut fields = [0u64; 16];
    for field in &mut fields {
        *field = words.next()??;
    }
    let [
        bytes_in,
        packets_in,
        errors_in,
        drops_in,
        _,
        _,
        _,
        _,
        bytes_out,
        packets_out,
        errors_out,
        drops_out,
        ..,
    ] = fields;
    Some((
        name,
        [
            bytes_in,
            packets_in,
            errors_in,
            drops_in,
            bytes_out,
            packets_out,
            errors_out,
            drops_out,
        ],
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_also_without_a_blank_after_the_colon() {
        let line = b"  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0";
        assert_eq!(
            parse(line),
            Some((&b"eth0"[..], [1000, 10, 1, 2, 2000, 20, 3, 4]))
        );
        assert_eq!(
            parse(b"    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"),
            None
        );
        assert_eq!(parse(b"Inter-|   Receive                |  Transmit"), None);
        assert_eq!(
            parse(b" face |bytes    packets errs drop fifo frame compressed multicast|bytes"),
            None
        );
        assert_eq!(parse(b"eth0: 1 2 3"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }
    }
}
