//! What a pack says, after it was read.

use std::collections::BTreeMap;

use regex_lite::Regex;

/// How a product is found on a host and what is told of it.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Kind of the servers it finds, such as `tomcat`.
    pub name: String,
    /// For people.
    pub product: Option<String>,
    /// File that it came from; `None` for those that are part of the agent.
    pub file: Option<String>,
    /// Which processes are its servers.
    pub detect: Detect,
    /// Folder a server runs from, where the process pattern does not capture it.
    pub home: Vec<Source>,
    /// What people call the server; the last part of its home when nothing is found.
    pub label: Vec<Source>,
    /// Version of the product.
    pub version: Vec<Source>,
    /// Cluster that the server's own configuration names.
    pub cluster: Vec<Source>,
    /// Its part in that cluster.
    pub role: Vec<Source>,
    /// Its sub-domain.
    pub sub_domain: Vec<Source>,
    /// Added to all fixed ports.
    pub offset: Vec<Source>,
    /// Ports by what they are for.
    pub ports: BTreeMap<String, Vec<PortSource>>,
    /// Where its own console is.
    pub console: Option<Console>,
    /// How it is asked whether it is well.
    pub probe: Option<Probe>,
    /// It came from the server, which is told no more of a command line than a folder that is there.
    pub only_labels: bool,
}

/// Which processes are servers of a pack: everything that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Detect {
    /// The kernel's name of the process is one of these; any when empty.
    pub program: Vec<String>,
    /// Found in the command line, one argument a line.
    pub process: Option<Regex>,
    /// Not found there.
    pub not: Option<Regex>,
    /// Its service's name matches one of these; any when empty.
    pub unit: Vec<Glob>,
}

/// Where a text comes from. Of several the first that gives something counts.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file beneath the home.
    File {
        /// Relative to the home.
        path: String,
        /// Its group is the text, unless there is a value.
        pattern: Regex,
        /// Must be found too.
        when: Option<Regex>,
        /// The text where the pattern is found.
        value: Option<String>,
    },
    /// The command line, one argument a line.
    CommandLine {
        /// Its group is the text, unless there is a value.
        pattern: Regex,
        /// The text where the pattern is found.
        value: Option<String>,
    },
    /// Always this.
    Value(String),
}

/// Where a port comes from.
#[derive(Debug, Clone)]
pub enum PortSource {
    /// This one, plus the offset.
    Fixed(u16),
    /// As found; no offset is added.
    Found(Source),
    /// The lowest at which the server listens and that is not for this host alone; else the lowest.
    Listening,
}

/// Address of a server's own console.
#[derive(Debug, Clone)]
pub struct Console {
    /// With `{host}` and `{port}`.
    pub url: String,
    /// Which of the ports.
    pub port: Option<String>,
    /// What is put for `{host}`; the host's name when nothing is found.
    pub host: Vec<Source>,
}

/// A health probe: one HTTP request to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which of the ports.
    pub port: String,
    /// Path and query.
    pub path: String,
    /// Expected statuses, both ends included.
    pub codes: (u16, u16),
    /// Must be in the answer.
    pub body: Option<String>,
    /// Longest time for the whole answer.
    pub timeout_ms: u64,
}

/// A name with `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(pub String);

impl Glob {
    /// Is this name meant?
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (glob, name, is_meant) in [
            ("a.service", "a.service", true),
            ("a.service", "ab.service", false),
            ("*", "", true),
            ("bill-*.service", "bill-1.service", true),
            ("bill-*.service", "bill.service", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*a*", "bab", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(
                Glob(glob.to_owned()).matches(name),
                is_meant,
                "{glob} {name}"
            );
        }
    }
}
