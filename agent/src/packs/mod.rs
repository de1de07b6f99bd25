//! Product packs: how servers of a product are found on a host, in files that only say what to look for.
//!
//! Some are part of the agent; others come from a folder of the host that belongs to root, or from the server. A pack that is wrong is
//! refused with its line and reason, and the others stay in force. Packs match and label: nothing in them is run, they
//! read only beneath the home of the server they found, and their probes stay on this host.

mod folder;
mod pack;
mod parse;
mod served;

pub use folder::DEFAULT_DIR;
pub use pack::{Console, Detect, Glob, Pack, PortSource, Probe, Source};
pub use parse::{Origin, parse};
pub use served::Served;

use std::path::Path;

use protocol::v1::hello::ServedPack;

/// Packs that are part of the agent.
const BUILT_IN: &[&str] = &[
    include_str!("../../packs/carbon.toml"),
    include_str!("../../packs/tomcat.toml"),
    include_str!("../../packs/nginx.toml"),
    include_str!("../../packs/postgresql.toml"),
    include_str!("../../packs/haproxy.toml"),
];

/// The packs in force, and why others are not.
#[derive(Debug, Default)]
pub struct Packs {
    /// The host's own first; the first that matches a process counts.
    pub in_force: Vec<Pack>,
    /// Each with file, line and reason.
    pub refused: Vec<String>,
}

impl Packs {
    /// The host's own from this folder, then the agent's that are not replaced by one of the same name, then the
    /// server's: those find what no other does.
    pub fn load(dir: &Path, served: &[ServedPack]) -> Self {
        Self::with(folder::read(dir), served)
    }

    /// Only the agent's own.
    pub fn built_in() -> Self {
        Self::with(folder::Texts::default(), &[])
    }

    fn with(texts: folder::Texts, served: &[ServedPack]) -> Self {
        let mut packs = Self {
            in_force: Vec::new(),
            refused: texts.refused,
        };
        for (file, text) in &texts.packs {
            packs.read(text, Origin::Host(file), file);
        }
        for text in BUILT_IN {
            match parse(text, Origin::Agent) {
                Ok(pack) if packs.in_force.iter().any(|own| own.name == pack.name) => {}
                Ok(pack) => packs.in_force.push(pack),
                // A test reads all of them.
                Err(problems) => packs.refused.extend(problems),
            }
        }
        for pack in served {
            let file = format!("{} of the server", domain::text::clean_label(&pack.file));
            packs.read(&pack.text, Origin::Server(&file), &file);
        }
        packs
    }

    fn read(&mut self, text: &str, origin: Origin<'_>, file: &str) {
        match parse(text, origin) {
            Ok(pack) => self.add(pack),
            Err(problems) => self.refused.extend(
                problems
                    .into_iter()
                    .map(|problem| format!("{file}: {problem}")),
            ),
        }
    }

    fn add(&mut self, pack: Pack) {
        match self.in_force.iter().find(|other| other.name == pack.name) {
            Some(other) => self.refused.push(format!(
                "{}: `name = \"{}\"` is taken by {}: choose another",
                pack.file.as_deref().unwrap_or_default(),
                pack.name,
                other.file.as_deref().unwrap_or("the agent's own")
            )),
            None => self.in_force.push(pack),
        }
    }
}

/// The kernel keeps 15 bytes of a process's name.
fn kernel_name(name: &str) -> String {
    const KEPT: usize = 15;
    let end = (0..=KEPT.min(name.len()))
        .rev()
        .find(|end| name.is_char_boundary(*end))
        .unwrap_or(0);
    name.get(..end).unwrap_or_default().to_owned()
}

impl Detect {
    /// Could a process of this name be meant?
    pub fn allows_program(&self, name: &str) -> bool {
        self.program.is_empty() || self.program.iter().any(|program| program == name)
    }

    /// Is the process meant? Its home, when the pattern captures it.
    pub fn matches(&self, command_line: &str, unit: Option<&str>) -> Option<Option<String>> {
        let is_unit = self.unit.is_empty()
            || unit.is_some_and(|unit| self.unit.iter().any(|glob| glob.matches(unit)));
        let is_denied = self
            .not
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(command_line));
        if !is_unit || is_denied {
            return None;
        }
        match &self.process {
            None => Some(None),
            Some(pattern) => {
                let found = pattern.captures(command_line)?;
                Some(found.name("home").map(|home| home.as_str().to_owned()))
            }
        }
    }
}

/// What the sources of a pack read.
pub trait Look {
    /// The command line, one argument a line.
    fn command_line(&self) -> &str;
    /// The text of a file beneath the home; `None` when it is not there or may not be read.
    fn file(&mut self, path: &str) -> Option<&str>;
}

/// Longest text that a source gives.
const FOUND_BYTES_MAX: usize = 200;

/// The first that is found.
pub fn find(sources: &[Source], look: &mut dyn Look) -> Option<String> {
    sources.iter().find_map(|source| find_one(source, look))
}

/// What this source gives.
pub fn find_one(source: &Source, look: &mut dyn Look) -> Option<String> {
    let found = match source {
        Source::Value(text) => Some(text.clone()),
        Source::CommandLine { pattern, value } => group(pattern, look.command_line(), value),
        Source::File {
            path,
            pattern,
            when,
            value,
        } => {
            let text = look.file(path)?;
            // What is commented out is not in force.
            let plain;
            let text = if path.ends_with(".xml") {
                plain = without_comments(text);
                &plain
            } else {
                text
            };
            if when.as_ref().is_some_and(|when| !when.is_match(text)) {
                return None;
            }
            group(pattern, text, value)
        }
    };
    found.filter(|text| !text.is_empty() && text.len() <= FOUND_BYTES_MAX)
}

fn group(pattern: &regex_lite::Regex, text: &str, value: &Option<String>) -> Option<String> {
    let found = pattern.captures(text)?;
    match value {
        Some(value) => Some(value.clone()),
        // The first group that took part.
        None => (1..found.len())
            .find_map(|at| found.get(at))
            .map(|group| domain::text::clean_label(group.as_str())),
    }
}

/// XML without `<!-- … -->`; one that does not end hides the rest, as it does from XML's own readers.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
