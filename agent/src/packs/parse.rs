//! Reads a pack's text: everything wrong in it at once, each with its line, what stands there and the way out.

use std::collections::BTreeMap;

use domain::text::{clean_label, is_deceptive, is_slug};
use domain::time::parse_duration_ms;
use regex_lite::{Regex, RegexBuilder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::pack::{Console, Detect, Glob, Pack, PortSource, Probe, Source};

/// Longest text of a pack.
pub const PACK_BYTES_MAX: u64 = 64 * 1024;
const NAME_BYTES_MAX: usize = 32;
const TEXT_BYTES_MAX: usize = 200;
const PATTERN_BYTES_MAX: usize = 1024;
/// Of the compiled pattern; what a counted repetition may grow to.
const PATTERN_SIZE_MAX: usize = 256 * 1024;
const NESTING_MAX: u32 = 32;
const ENTRIES_MAX: usize = 16;
const TIMEOUT_MS: u64 = 1_000;
const TIMEOUT_MS_MIN: i64 = 1_000;
const TIMEOUT_MS_MAX: i64 = 5_000;

const FIELDS: &[&str] = &[
    "name",
    "product",
    "detect",
    "home",
    "label",
    "version",
    "cluster",
    "role",
    "sub_domain",
    "ports",
    "console",
    "probe",
];

/// Who wrote a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// It is part of the agent.
    Agent,
    /// A file of root's on this host.
    Host(&'a str),
    /// The server, which may have been stolen: such a pack only matches and labels. It names no file and asks nothing.
    Server(&'a str),
}

/// Reads it.
///
/// # Errors
/// All problems.
pub fn parse(text: &str, origin: Origin<'_>) -> Result<Pack, Vec<String>> {
    let file = match origin {
        Origin::Agent => None,
        Origin::Host(file) | Origin::Server(file) => Some(file),
    };
    let mut reader = Reader {
        text,
        problems: Vec::new(),
        only_labels: matches!(origin, Origin::Server(_)),
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let problem = format!("line {} is not TOML: {}", reader.line(at), error.message());
            return Err(vec![defused(&problem)]);
        }
    };
    let pack = reader.pack(&table, file);
    if reader.problems.is_empty() {
        Ok(pack)
    } else {
        Err(reader.problems)
    }
}

/// One line, without what deceives.
fn defused(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if is_deceptive(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<String>,
    /// See [`Origin::Server`].
    only_labels: bool,
}

/// Why a pack of the server may not say something.
const ONLY_LABELS: &str = "is not followed from the server, whose packs only match and label: put the pack into the packs folder of the host";

/// Command lines may hold passwords: what stands in them goes to nobody, only whether a pattern matches.
const ONLY_MATCHES: &str = "is not followed from the server, which may not read command lines: add the `value` to be told when it matches";

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// `line 3: process = '(': why and what to do`
    fn problem(&mut self, value: &Value<'_>, key: &str, why: impl std::fmt::Display) {
        let span = value.span();
        let line = self.line(span.start);
        let shown = self.text.get(span).unwrap_or_default();
        let first = shown.lines().next().unwrap_or_default();
        let mut clipped: String = first.chars().take(80).collect();
        if clipped.len() < shown.len() {
            clipped.push('…');
        }
        let problem = format!("line {line}: `{key} = {clipped}` {why}");
        self.problems.push(defused(&problem));
    }

    fn missing(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn unknown(&mut self, table: &DeTable<'_>, place: &str, known: &[&str]) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!(" in [{place}]")
                };
                let why = format!("is not known{place}; known are {}", known.join(", "));
                self.problem(value, name, why);
            }
        }
    }

    fn pack(&mut self, table: &DeTable<'_>, file: Option<&str>) -> Pack {
        self.unknown(table, "", FIELDS);
        let name = self.name(table);
        let product = table
            .get("product")
            .and_then(|value| self.label(value, "product"));
        let detect = match table.get("detect") {
            Some(value) => self.detect(value),
            None => {
                self.missing("there is no [detect]: say `process = 'PATTERN'` or `unit = [\"NAME.service\"]` below it");
                Detect::default()
            }
        };
        let home = self.sources(table, "home");
        let captures_home = detect
            .process
            .as_ref()
            .is_some_and(|pattern| pattern.capture_names().any(|name| name == Some("home")));
        if table.contains_key("detect")
            && home.is_empty()
            && !captures_home
            && detect.unit.is_empty()
        {
            self.missing("its servers cannot be told apart: capture the folder as `(?<home>…)` in `process`, add [home], or name a `unit`");
        }
        let (offset, ports) = self.ports(table);
        let console = table
            .get("console")
            .and_then(|value| self.console(value, &ports));
        let probe = table
            .get("probe")
            .and_then(|value| self.probe(value, &ports));
        Pack {
            name,
            product,
            file: file.map(str::to_owned),
            detect,
            home,
            label: self.sources(table, "label"),
            version: self.sources(table, "version"),
            cluster: self.sources(table, "cluster"),
            role: self.sources(table, "role"),
            sub_domain: self.sources(table, "sub_domain"),
            offset,
            ports,
            console,
            probe,
            only_labels: self.only_labels,
        }
    }

    fn name(&mut self, table: &DeTable<'_>) -> String {
        let Some(value) = table.get("name") else {
            self.missing("there is no `name`: add one such as `name = \"billing\"`");
            return String::new();
        };
        match value.get_ref().as_str() {
            Some(name) if is_slug(name) && name.len() <= NAME_BYTES_MAX && name != "host" => {
                name.to_owned()
            }
            _ => {
                let why =
                    format!("must be 1 to {NAME_BYTES_MAX} of a-z, 0-9 and -, and not \"host\"");
                self.problem(value, "name", why);
                String::new()
            }
        }
    }

    fn label(&mut self, value: &Value<'_>, key: &str) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text)
                if !text.is_empty()
                    && text.len() <= TEXT_BYTES_MAX
                    && clean_label(text) == text =>
            {
                Some(text.to_owned())
            }
            _ => {
                let why =
                    format!("must be visible text of at most {TEXT_BYTES_MAX} bytes in quotes");
                self.problem(value, key, why);
                None
            }
        }
    }

    fn pattern(&mut self, value: &Value<'_>, key: &str) -> Option<Regex> {
        let Some(text) = value.get_ref().as_str() else {
            self.problem(value, key, "must be a pattern in quotes");
            return None;
        };
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            let why = format!("must be a pattern of 1 to {PATTERN_BYTES_MAX} bytes");
            self.problem(value, key, why);
            return None;
        }
        let built = RegexBuilder::new(text)
            .multi_line(true)
            .size_limit(PATTERN_SIZE_MAX)
            .nest_limit(NESTING_MAX)
            .build();
        match built {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let why = format!(
                    "is not a pattern that can be used: {error}; put it into single quotes and escape . ( [ with \\"
                );
                self.problem(value, key, why);
                None
            }
        }
    }

    fn table<'a, 'i>(
        &mut self,
        value: &'a Value<'i>,
        key: &str,
        known: &[&str],
    ) -> Option<&'a DeTable<'i>> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value, key, format!("must be a section: write [{key}]"));
            return None;
        };
        self.unknown(table, key, known);
        Some(table)
    }

    fn texts(&mut self, value: &Value<'_>, key: &str) -> Vec<String> {
        let values: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => vec![value],
        };
        if values.is_empty() || values.len() > ENTRIES_MAX {
            self.problem(value, key, format!("must hold 1 to {ENTRIES_MAX} names"));
        }
        values
            .into_iter()
            .filter_map(|value| self.label(value, key))
            .collect()
    }

    fn detect(&mut self, value: &Value<'_>) -> Detect {
        let known = ["program", "process", "not", "unit"];
        let Some(table) = self.table(value, "detect", &known) else {
            return Detect::default();
        };
        let program = table
            .get("program")
            .map(|value| self.texts(value, "program"))
            .unwrap_or_default();
        // The kernel keeps 15 bytes of a process's name.
        let program = program
            .iter()
            .map(|name| super::kernel_name(name))
            .collect();
        let unit = table
            .get("unit")
            .map(|value| self.texts(value, "unit"))
            .unwrap_or_default();
        let detect = Detect {
            program,
            process: table
                .get("process")
                .and_then(|value| self.pattern(value, "process")),
            not: table
                .get("not")
                .and_then(|value| self.pattern(value, "not")),
            unit: unit.into_iter().map(Glob).collect(),
        };
        if !table.contains_key("process") && !table.contains_key("unit") {
            self.problem(value, "detect", "must name a `process` pattern or a `unit`");
        }
        detect
    }

    fn sources(&mut self, table: &DeTable<'_>, key: &str) -> Vec<Source> {
        table
            .get(key)
            .map(|value| self.source_list(value, key))
            .unwrap_or_default()
    }

    fn source_list(&mut self, value: &Value<'_>, key: &str) -> Vec<Source> {
        let values: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => vec![value],
        };
        if values.len() > ENTRIES_MAX {
            self.problem(
                value,
                key,
                format!("must hold at most {ENTRIES_MAX} sources"),
            );
        }
        values
            .into_iter()
            .filter_map(|value| self.source(value, key))
            .collect()
    }

    fn source(&mut self, value: &Value<'_>, key: &str) -> Option<Source> {
        if let Some(text) = value.get_ref().as_str() {
            let text = text.to_owned();
            return self.label(value, key).map(|_| Source::Value(text));
        }
        let known = ["file", "pattern", "when", "command_line", "value"];
        let table = self.table(value, key, &known)?;
        if let Some(file) = table.get("file").filter(|_| self.only_labels) {
            self.problem(file, "file", ONLY_LABELS);
            return None;
        }
        let mut get = |name: &str| table.get(name).map(|value| self.pattern(value, name));
        let (pattern, when, command_line) = (get("pattern"), get("when"), get("command_line"));
        if let Some(line) = table.get("command_line")
            && self.only_labels
            && !table.contains_key("value")
        {
            self.problem(line, "command_line", ONLY_MATCHES);
            return None;
        }
        let fixed = table.get("value").map(|value| self.label(value, "value"));
        // What was wrong is told already.
        let fixed = match fixed {
            Some(None) => return None,
            Some(Some(text)) => Some(text),
            None => None,
        };
        let source = match (table.get("file"), pattern, command_line) {
            (Some(file), Some(pattern), None) => Source::File {
                path: self.path(file)?,
                pattern: pattern?,
                when: match when {
                    Some(when) => Some(when?),
                    None => None,
                },
                value: fixed,
            },
            (None, None, Some(pattern)) if when.is_none() => Source::CommandLine {
                pattern: pattern?,
                value: fixed,
            },
            (None, None, None) if when.is_none() && fixed.is_some() => Source::Value(fixed?),
            _ => {
                self.problem(value, key, "must be `file` and `pattern` (and `when`), or `command_line`, or a `value` alone");
                return None;
            }
        };
        let is_without_group = match &source {
            Source::File { pattern, value, .. } | Source::CommandLine { pattern, value } => {
                value.is_none() && pattern.captures_len() < 2
            }
            Source::Value(_) => false,
        };
        if is_without_group {
            self.problem(
                value,
                key,
                "has no group: put what is wanted into ( ), or add a `value`",
            );
            return None;
        }
        Some(source)
    }

    fn path(&mut self, value: &Value<'_>) -> Option<String> {
        let path = self.label(value, "file")?;
        let is_beneath =
            !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if is_beneath {
            Some(path)
        } else {
            self.problem(
                value,
                "file",
                "must be beneath the server's home: neither absolute nor with `..`",
            );
            None
        }
    }

    fn ports(&mut self, table: &DeTable<'_>) -> (Vec<Source>, BTreeMap<String, Vec<PortSource>>) {
        let mut ports = BTreeMap::new();
        let Some(value) = table.get("ports") else {
            return (Vec::new(), ports);
        };
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value, "ports", "must be a section: write [ports]");
            return (Vec::new(), ports);
        };
        if table.len() > ENTRIES_MAX {
            self.problem(
                value,
                "ports",
                format!("must hold at most {ENTRIES_MAX} ports"),
            );
        }
        let offset = self.sources(table, "offset");
        for (key, value) in table {
            let key = key.get_ref().as_ref();
            if key == "offset" {
                continue;
            }
            let values: Vec<&Value<'_>> = match value.get_ref() {
                DeValue::Array(list) => list.iter().collect(),
                _ => vec![value],
            };
            let sources = values
                .into_iter()
                .filter_map(|value| self.port(value, key))
                .collect();
            ports.insert(key.to_owned(), sources);
        }
        (offset, ports)
    }

    fn port(&mut self, value: &Value<'_>, key: &str) -> Option<PortSource> {
        match value.get_ref() {
            DeValue::Integer(number) => {
                let port = number.as_str().parse::<u16>().ok().filter(|port| *port > 0);
                if port.is_none() {
                    self.problem(value, key, "must be from 1 to 65535");
                }
                port.map(PortSource::Fixed)
            }
            DeValue::Table(table) if table.contains_key("listening") => {
                let is_true = table.get("listening").and_then(|v| v.get_ref().as_bool());
                if is_true != Some(true) || table.len() != 1 {
                    self.problem(value, key, "must be `{ listening = true }`");
                    return None;
                }
                Some(PortSource::Listening)
            }
            _ => self.source(value, key).map(PortSource::Found),
        }
    }

    fn port_name(
        &mut self,
        value: &Value<'_>,
        ports: &BTreeMap<String, Vec<PortSource>>,
    ) -> Option<String> {
        match value.get_ref().as_str() {
            Some(name) if ports.contains_key(name) => Some(name.to_owned()),
            _ => {
                let known: Vec<&str> = ports.keys().map(String::as_str).collect();
                let why = format!(
                    "must be a name from [ports]; there are: {}",
                    known.join(", ")
                );
                self.problem(value, "port", why);
                None
            }
        }
    }

    fn console(
        &mut self,
        value: &Value<'_>,
        ports: &BTreeMap<String, Vec<PortSource>>,
    ) -> Option<Console> {
        let table = self.table(value, "console", &["url", "port", "host"])?;
        let port = match table.get("port") {
            Some(value) => Some(self.port_name(value, ports)?),
            None => None,
        };
        let host = self.sources(table, "host");
        let Some(value) = table.get("url") else {
            self.problem(
                value,
                "console",
                "has no `url`: add one such as \"https://{host}:{port}/\"",
            );
            return None;
        };
        let url = self.label(value, "url")?;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            self.problem(value, "url", "must begin with https:// or http://");
            return None;
        }
        if url.contains("{port}") && port.is_none() {
            self.problem(
                value,
                "url",
                "has a {port}: say which with `port = \"NAME\"`",
            );
            return None;
        }
        Some(Console { url, port, host })
    }

    fn probe(
        &mut self,
        value: &Value<'_>,
        ports: &BTreeMap<String, Vec<PortSource>>,
    ) -> Option<Probe> {
        if self.only_labels {
            self.problem(value, "probe", ONLY_LABELS);
            return None;
        }
        let known = ["port", "path", "code", "body", "timeout", "scheme"];
        let table = self.table(value, "probe", &known)?;
        if let Some(scheme) = table
            .get("scheme")
            .filter(|s| s.get_ref().as_str() != Some("http"))
        {
            self.problem(
                scheme,
                "scheme",
                "is not supported: probes are plain http; name a port that speaks it",
            );
        }
        let port = match table.get("port") {
            Some(value) => self.port_name(value, ports),
            None => {
                self.problem(value, "probe", "has no `port`: name one of [ports]");
                None
            }
        };
        let path = match table.get("path") {
            Some(value) => self.label(value, "path").filter(|path| {
                let is_path =
                    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
                if !is_path {
                    self.problem(
                        value,
                        "path",
                        "must begin with / and hold no blanks (write %20)",
                    );
                }
                is_path
            }),
            None => Some("/".to_owned()),
        };
        let codes = match table.get("code") {
            Some(value) => self.codes(value),
            None => Some((200, 399)),
        };
        let body = match table.get("body") {
            Some(value) => Some(self.label(value, "body")?),
            None => None,
        };
        let timeout_ms = match table.get("timeout") {
            Some(value) => self.timeout(value),
            None => Some(TIMEOUT_MS),
        };
        Some(Probe {
            port: port?,
            path: path?,
            codes: codes?,
            body,
            timeout_ms: timeout_ms?,
        })
    }

    fn codes(&mut self, value: &Value<'_>) -> Option<(u16, u16)> {
        let code = |text: &str| {
            text.trim()
                .parse::<u16>()
                .ok()
                .filter(|code| (100..=599).contains(code))
        };
        let codes = match value.get_ref() {
            DeValue::Integer(number) => code(number.as_str()).map(|code| (code, code)),
            DeValue::String(text) => match text.split_once('-') {
                Some((low, high)) => code(low).zip(code(high)),
                None => code(text).map(|code| (code, code)),
            },
            _ => None,
        }
        .filter(|(low, high)| low <= high);
        if codes.is_none() {
            self.problem(
                value,
                "code",
                "must be a status such as 200, or a range such as \"200-399\"",
            );
        }
        codes
    }

    fn timeout(&mut self, value: &Value<'_>) -> Option<u64> {
        let ms = value
            .get_ref()
            .as_str()
            .and_then(|text| parse_duration_ms(text).ok())
            .filter(|ms| (TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(ms))
            .and_then(|ms| u64::try_from(ms).ok());
        if ms.is_none() {
            self.problem(value, "timeout", "must be from \"1s\" to \"5s\"");
        }
        ms
    }
}
