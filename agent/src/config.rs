//! Settings: flag > environment > file > default, with every problem reported at once.
//!
//! Each problem names the field, its value and the way out. A file named on the command line or in the environment must
//! exist; the default one may be missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::fleet::Collector;
use domain::text::{clean_label, is_slug};
use domain::time::parse_duration_ms;
use protocol::v1::hello::Suggested;
use toml::{Table, Value};

use crate::exit::Failure;
use crate::spool::{Limits, SPOOL_AGE_MS, SPOOL_BYTES};
use crate::url::ServerUrl;

/// Where the settings are unless said otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/oc-agent/agent.toml";
/// Where the host's policy is unless said otherwise.
pub const DEFAULT_POLICY: &str = "/etc/oc-agent/policy.toml";
/// Where the identity lives unless said otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/oc-agent";

const INTERVAL_DEFAULT_MS: u64 = 10_000;
const INTERVAL_MS_MAX: i64 = 3_600_000;
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
const TAGS_MAX: usize = 64;
const SPOOL_BYTES_MIN: u64 = 64 << 10;
const SPOOL_BYTES_MAX: u64 = 16 << 30;
const SPOOL_AGE_MS_MIN: u64 = 60_000;
const SPOOL_AGE_MS_MAX: u64 = 31 * 86_400_000;

/// Settings after everything was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the server is; the enrolled address when not set.
    pub server: Option<ServerUrl>,
    /// Certificate authority that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// Between two reports.
    pub interval_ms: u64,
    /// Suggested system.
    pub system: Option<String>,
    /// Suggested cluster.
    pub cluster: Option<String>,
    /// Suggested role.
    pub role: Option<String>,
    /// Wanted name of the node.
    pub name: Option<String>,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// Collectors that are switched off.
    pub off: BTreeSet<Collector>,
    /// What is kept while the server is away.
    pub spool: Limits,
    /// Folder of product packs.
    pub packs_dir: Option<PathBuf>,
    /// Accept published values from this host?
    pub is_publish_enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: None,
            ca_file: None,
            interval_ms: INTERVAL_DEFAULT_MS,
            system: None,
            cluster: None,
            role: None,
            name: None,
            tags: BTreeMap::new(),
            off: BTreeSet::new(),
            spool: Limits {
                bytes_max: SPOOL_BYTES,
                age_ms_max: SPOOL_AGE_MS,
            },
            packs_dir: None,
            is_publish_enabled: false,
        }
    }
}

impl Config {
    /// What the server is told about the host beyond facts; `None` when the settings say nothing.
    pub fn suggested(&self) -> Option<Suggested> {
        let suggested = Suggested {
            name: self.name.clone(),
            system: self.system.clone(),
            cluster: self.cluster.clone(),
            role: self.role.clone(),
            tags: self
                .tags
                .iter()
                .map(|(tag, value)| (tag.clone(), value.clone()))
                .collect(),
        };
        (suggested != Suggested::default()).then_some(suggested)
    }
}

impl Config {
    /// Where the host's own product packs are.
    pub fn packs_dir(&self) -> &Path {
        self.packs_dir
            .as_deref()
            .unwrap_or(Path::new(crate::packs::DEFAULT_DIR))
    }
}

/// A path and whether a person named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// The path.
    pub path: PathBuf,
    /// By flag or environment?
    pub is_explicit: bool,
}

impl NamedPath {
    /// The given path, else the default.
    pub fn or_default(given: Option<PathBuf>, default: &str) -> Self {
        Self {
            is_explicit: given.is_some(),
            path: given.unwrap_or_else(|| PathBuf::from(default)),
        }
    }
}

/// Values from flags and environment, each with the name it was given by.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// (field, value, where it came from)
    pub values: Vec<(&'static str, String, String)>,
}

/// What must hold about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A file that was named must exist.
    NamedMustExist,
    /// Enrolling may come before the settings.
    MayBeMissing,
}

/// Reads the settings.
///
/// # Errors
/// Every problem, one a line.
pub fn load(file: &NamedPath, overrides: &Overrides, missing: Missing) -> Result<Config, Failure> {
    let mut problems = Vec::new();
    let mut config = Config::default();
    match read(&file.path) {
        Ok(Some(text)) => problems = fill(&mut config, &text),
        Ok(None) if file.is_explicit && missing == Missing::NamedMustExist => problems.push(
            "the file does not exist; create it (an empty one is enough) or leave out --config"
                .to_owned(),
        ),
        Ok(None) => {}
        Err(problem) => problems.push(problem),
    }
    let mut problems: Vec<String> = problems
        .into_iter()
        .map(|problem| format!("{}: {problem}", file.path.display()))
        .collect();
    for (field, value, source) in &overrides.values {
        if let Err(problem) = set_text(&mut config, field, value) {
            problems.push(format!("{source}: {problem}"));
        }
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(Failure::usage(problems.join("\n")))
    }
}

/// Reads the settings from the text of a file.
///
/// # Errors
/// Every problem, without the file's name.
pub fn parse(text: &str) -> Result<Config, Vec<String>> {
    let mut config = Config::default();
    let problems = fill(&mut config, text);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

fn fill(config: &mut Config, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    match text.parse::<Table>() {
        Ok(table) => apply(config, &table, &mut problems),
        Err(error) => problems.push(syntax(&error, text)),
    }
    problems
}

pub(crate) fn read(path: &Path) -> Result<Option<String>, String> {
    use std::io::Read;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!(
            "is larger than {CONFIG_BYTES_MAX} bytes; is it the right file?"
        ));
    }
    Ok(Some(text))
}

pub(crate) fn syntax(error: &toml::de::Error, text: &str) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(0, |before| before.matches('\n').count() + 1);
    format!("line {line} is not TOML: {}", error.message())
}

const TOP_FIELDS: &[&str] = &[
    "server",
    "ca_file",
    "interval",
    "system",
    "cluster",
    "role",
    "name",
    "tags",
    "collectors",
    "spool",
    "packs",
    "publish",
];

fn apply(config: &mut Config, table: &Table, problems: &mut Vec<String>) {
    for (field, value) in table {
        match field.as_str() {
            "tags" | "collectors" | "spool" | "packs" | "publish" => {
                match (value, field.as_str()) {
                    (Value::Table(section), "tags") => apply_tags(config, section, problems),
                    (Value::Table(section), "collectors") => {
                        apply_collectors(config, section, problems)
                    }
                    (Value::Table(section), _) => apply_section(config, field, section, problems),
                    (other, _) => problems.push(format!(
                        "`{field} = {}` must be a section: write [{field}] and its fields below",
                        shown(other)
                    )),
                }
            }
            _ => match value {
                Value::String(text) => {
                    if let Err(problem) = set_text(config, field, text) {
                        problems.push(problem);
                    }
                }
                other if TOP_FIELDS.contains(&field.as_str()) => problems.push(format!(
                    "`{field} = {}` must be text in quotes",
                    shown(other)
                )),
                _ => problems.push(unknown(field, TOP_FIELDS)),
            },
        }
    }
}

fn set_text(config: &mut Config, field: &str, value: &str) -> Result<(), String> {
    let quoted = || format!("`{field} = \"{}\"`", clip(value));
    let slug = || {
        is_slug(value)
            .then(|| value.to_owned())
            .ok_or_else(|| format!("{} must be 1 to 63 of a-z, 0-9 and -", quoted()))
    };
    match field {
        "server" => {
            config.server =
                Some(ServerUrl::parse(value).map_err(|error| format!("server: {error}"))?)
        }
        "ca_file" => {
            if value.is_empty() {
                return Err(format!(
                    "{} is empty; leave it out to trust the system's authorities",
                    quoted()
                ));
            }
            config.ca_file = Some(PathBuf::from(value));
        }
        "interval" => {
            config.interval_ms = parse_duration_ms(value)
                .ok()
                .filter(|ms| (1_000..=INTERVAL_MS_MAX).contains(ms))
                .and_then(|ms| u64::try_from(ms).ok())
                .ok_or_else(|| format!("{} must be from 1s to 1h, such as 10s", quoted()))?;
        }
        "system" => config.system = Some(slug()?),
        "cluster" => config.cluster = Some(slug()?),
        "role" => config.role = Some(slug()?),
        "name" => {
            if value.is_empty() || clean_label(value) != value {
                return Err(format!(
                    "{} must be 1 to 255 visible characters without spaces at its ends",
                    quoted()
                ));
            }
            config.name = Some(value.to_owned());
        }
        _ => return Err(unknown(field, TOP_FIELDS)),
    }
    Ok(())
}

fn apply_tags(config: &mut Config, section: &Table, problems: &mut Vec<String>) {
    if section.len() > TAGS_MAX {
        problems.push(format!(
            "[tags] has {} entries, at most {TAGS_MAX} are kept",
            section.len()
        ));
    }
    for (tag, value) in section {
        match value {
            Value::String(text)
                if clean_label(text) == *text && !tag.is_empty() && clean_label(tag) == *tag =>
            {
                config.tags.insert(tag.clone(), text.clone());
            }
            other => problems.push(format!(
                "[tags] `{} = {}` must be visible text in quotes",
                clip(tag),
                shown(other)
            )),
        }
    }
}

fn apply_collectors(config: &mut Config, section: &Table, problems: &mut Vec<String>) {
    for (name, value) in section {
        let sources = || Collector::ALL.iter().copied().filter(|c| c.is_source());
        let Some(collector) = sources().find(|c| c.name() == name) else {
            let known: Vec<&str> = sources().map(Collector::name).collect();
            problems.push(format!("[collectors] {}", unknown(name, &known)));
            continue;
        };
        match value {
            Value::Boolean(true) => {
                config.off.remove(&collector);
            }
            Value::Boolean(false) => {
                config.off.insert(collector);
            }
            other => problems.push(format!(
                "[collectors] `{name} = {}` must be true or false",
                shown(other)
            )),
        }
    }
}

fn apply_section(config: &mut Config, name: &str, section: &Table, problems: &mut Vec<String>) {
    for (field, value) in section {
        let said = format!("[{name}] `{} = {}`", clip(field), shown(value));
        match (name, field.as_str(), value) {
            ("spool", "max_bytes", value) => match bytes(value) {
                Some(bytes) => config.spool.bytes_max = bytes,
                None => problems.push(format!(
                    "{said} must be bytes from 64KiB to 16GiB, such as 67108864 or \"64MiB\""
                )),
            },
            ("spool", "max_age", value) => {
                match value
                    .as_str()
                    .and_then(|text| parse_duration_ms(text).ok())
                    .and_then(|ms| u64::try_from(ms).ok())
                    .filter(|ms| (SPOOL_AGE_MS_MIN..=SPOOL_AGE_MS_MAX).contains(ms))
                {
                    Some(age_ms) => config.spool.age_ms_max = age_ms,
                    None => problems.push(format!(
                        "{said} must be a duration from 1m to 31d, such as \"24h\""
                    )),
                }
            }
            ("packs", "dir", Value::String(dir)) if Path::new(dir).is_absolute() => {
                config.packs_dir = Some(PathBuf::from(dir));
            }
            ("packs", "dir", _) => {
                problems.push(format!("{said} must be an absolute path in quotes"))
            }
            ("publish", "enabled", Value::Boolean(enabled)) => config.is_publish_enabled = *enabled,
            ("publish", "enabled", _) => problems.push(format!("{said} must be true or false")),
            _ => {
                let known: &[&str] = match name {
                    "spool" => &["max_bytes", "max_age"],
                    "packs" => &["dir"],
                    _ => &["enabled"],
                };
                problems.push(format!("[{name}] {}", unknown(field, known)));
            }
        }
    }
}

/// `65536`, `"64KiB"`, `"64MiB"`, `"1GiB"`
fn bytes(value: &Value) -> Option<u64> {
    let bytes = match value {
        Value::Integer(bytes) => u64::try_from(*bytes).ok()?,
        Value::String(text) => {
            let text = text.trim();
            let split = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            let (number, unit) = text.split_at_checked(split)?;
            let unit: u64 = match unit.trim() {
                "" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            number.parse::<u64>().ok()?.checked_mul(unit)?
        }
        _ => return None,
    };
    (SPOOL_BYTES_MIN..=SPOOL_BYTES_MAX)
        .contains(&bytes)
        .then_some(bytes)
}

fn unknown(field: &str, known: &[&str]) -> String {
    format!(
        "`{}` is not known here; known are {}",
        clip(field),
        known.join(", ")
    )
}

fn clip(text: &str) -> String {
    let clipped: String = text.chars().take(80).collect();
    if clipped.len() < text.len() {
        format!("{clipped}…")
    } else {
        clipped
    }
}

fn shown(value: &Value) -> String {
    clip(&value.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        load(
            &NamedPath {
                path,
                is_explicit: true,
            },
            &Overrides::default(),
            Missing::NamedMustExist,
        )
        .map_err(|failure| failure.message)
    }

    #[test]
    fn every_documented_field_is_read() {
        let config = parse(
            r#"
            server = "https://ops.example.org"
            ca_file = "/etc/ssl/ops.pem"
            interval = "30s"
            system = "shop"
            cluster = "web"
            role = "front"
            name = "web-1"
            [tags]
            rack = "r1"
            [collectors]
            pressure = false
            cpu = true
            [spool]
            max_bytes = "1MiB"
            max_age = "1h"
            [packs]
            dir = "/etc/oc-agent/packs"
            [publish]
            enabled = true
            "#,
        )
        .unwrap();
        assert_eq!(config.interval_ms, 30_000);
        assert_eq!(config.off, BTreeSet::from([Collector::Pressure]));
        assert_eq!(config.tags["rack"], "r1");
        assert_eq!(
            (config.spool.bytes_max, config.spool.age_ms_max),
            (1 << 20, 3_600_000)
        );
        assert!(config.is_publish_enabled && config.packs_dir.is_some());
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn all_problems_are_told_at_once_each_with_field_value_and_way_out() {
        let message = parse(
            r#"
            server = "ops.example.org"
            interval = "500ms"
            cluster = "Web_1"
            name = " a "
            intervall = "10s"
            tags = "x"
            role = 5
            [collectors]
            cpus = false
            load = "no"
            [spool]
            max_bytes = 5
            max_size = 5
            max_age = 12
            [packs]
            dir = "packs"
            [publish]
            enabled = "yes"
            "#,
        )
        .unwrap_err();
        for part in [
            "`ops.example.org` must begin with https://",
            "`interval = \"500ms\"` must be from 1s to 1h",
            "`cluster = \"Web_1\"` must be 1 to 63",
            "must be 1 to 255 visible",
            "`intervall` is not known here",
            "`tags = \"x\"` must be a section",
            "`role = 5` must be text in quotes",
            "[collectors] `cpus` is not known here; known are cpu, memory",
            "[collectors] `load = \"no\"` must be true or false",
            "[spool] `max_bytes = 5` must be bytes",
            "[spool] `max_size` is not known here",
            "[spool] `max_age = 12` must be a duration",
            "[packs] `dir = \"packs\"` must be an absolute path",
            "[publish] `enabled = \"yes\"` must be true or false",
        ] {
            assert!(message.contains(part), "{part}\nis not in\n{message}");
        }
        assert_eq!(message.lines().count(), 14, "{message}");
        assert!(message.lines().all(|line| line.contains("agent.toml: ")));
    }

    #[test]
    fn a_flag_wins_over_the_file_and_its_mistake_is_named_by_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, "interval = \"30s\"").unwrap();
        let file = NamedPath {
            path,
            is_explicit: true,
        };
        let with = |value: &str| Overrides {
            values: vec![(
                "interval",
                value.to_owned(),
                "OPSCENTER_INTERVAL".to_owned(),
            )],
        };
        assert_eq!(
            load(&file, &with("1m"), Missing::NamedMustExist)
                .unwrap()
                .interval_ms,
            60_000
        );
        let failure = load(&file, &with("2h"), Missing::NamedMustExist).unwrap_err();
        assert!(
            failure
                .message
                .starts_with("OPSCENTER_INTERVAL: `interval = \"2h\"`"),
            "{failure}"
        );
    }

    #[test]
    fn a_named_file_must_exist_and_the_usual_one_need_not() {
        let path = PathBuf::from("/nonexistent/agent.toml");
        let explicit = NamedPath {
            path: path.clone(),
            is_explicit: true,
        };
        let usual = NamedPath {
            path,
            is_explicit: false,
        };
        let none = Overrides::default();
        assert!(load(&explicit, &none, Missing::NamedMustExist).is_err());
        assert!(load(&explicit, &none, Missing::MayBeMissing).is_ok());
        assert!(load(&usual, &none, Missing::NamedMustExist).is_ok());
    }

    #[test]
    fn a_broken_file_names_its_line() {
        let message = parse("server = \"https://a\"\ninterval = \n").unwrap_err();
        assert!(message.contains("line 2 is not TOML"), "{message}");
    }

    proptest! {
        #[test]
        fn any_text_is_settings_or_problems(text in any::<String>(), field in "[a-z_]{1,9}", value in ".{0,40}", section in "(\\[(spool|tags|packs|publish|collectors)\\]\n)?") {
            for text in [text, format!("{section}{field} = {value}"), format!("{section}{field} = {value:?}")] {
                if let Err(problems) = super::parse(&text) {
                    prop_assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.is_empty()), "{text}");
                }
            }
        }
    }
}
