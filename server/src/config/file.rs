//! The settings file: each value is read by itself, so that everything that is wrong with a file is named at once.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The flags' names and what has no flag.
#[derive(Debug, Default)]
pub struct File {
    pub listen: Option<String>,
    pub public_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub insecure_http: Option<bool>,
    pub metrics_listen: Option<String>,
    pub log: Option<String>,
    pub trusted_proxies: Vec<String>,
    pub retention: RetentionTable,
    pub backup: BackupTable,
    /// Unknown names and values of another type.
    pub problems: Vec<String>,
}

/// `[backup]`
#[derive(Debug, Default)]
pub struct BackupTable {
    pub dir: Option<PathBuf>,
    pub every: Option<String>,
    pub keep: Option<usize>,
}

/// `[retention]`
#[derive(Debug, Default)]
pub struct RetentionTable {
    pub raw: Option<String>,
    pub one_minute: Option<String>,
    pub ten_minutes: Option<String>,
    pub one_hour: Option<String>,
    pub max_bytes: Option<u64>,
}

impl File {
    /// Reads the file at a path; the usual one may be missing.
    ///
    /// # Errors
    /// It cannot be read, or is no TOML.
    pub fn read(named: Option<&Path>) -> Result<Self, String> {
        let path = named.unwrap_or(Path::new(super::DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                Ok(Self::default())
            }
            Err(error) => Err(format!(
                "config: {} cannot be read: {error}",
                path.display()
            )),
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no TOML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let mut problems = Vec::new();
        let mut top = Names::new("", table, &mut problems);
        let (backup, retention): (Table, Table) =
            (top.or_empty("backup"), top.or_empty("retention"));
        let mut file = Self {
            listen: top.get("listen"),
            public_url: top.get("public_url"),
            tls_cert: top.get("tls_cert"),
            tls_key: top.get("tls_key"),
            insecure_http: top.get("insecure_http"),
            metrics_listen: top.get("metrics_listen"),
            log: top.get("log"),
            trusted_proxies: top.or_empty("trusted_proxies"),
            ..Self::default()
        };
        top.refuse_the_rest();
        let mut names = Names::new("backup.", backup, &mut problems);
        file.backup = BackupTable {
            dir: names.get("dir"),
            every: names.get("every"),
            keep: names.get("keep"),
        };
        names.refuse_the_rest();
        let mut names = Names::new("retention.", retention, &mut problems);
        file.retention = RetentionTable {
            raw: names.get("raw"),
            one_minute: names.get("1m"),
            ten_minutes: names.get("10m"),
            one_hour: names.get("1h"),
            max_bytes: names.get("max_bytes"),
        };
        names.refuse_the_rest();
        file.problems = problems;
        Ok(file)
    }
}

/// The names in one table, as they are asked for.
struct Names<'a> {
    prefix: &'static str,
    table: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<String>,
}

impl<'a> Names<'a> {
    fn new(prefix: &'static str, table: Table, problems: &'a mut Vec<String>) -> Self {
        Self {
            prefix,
            table,
            known: Vec::new(),
            problems,
        }
    }

    fn get<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value: Value = self.table.remove(name)?;
        let shown: String = value.to_string().chars().take(60).collect();
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                let error = error.to_string();
                let prefix = self.prefix;
                self.problems
                    .push(format!("{prefix}{name}: `{shown}`: {}", error.trim_end()));
                None
            }
        }
    }

    fn or_empty<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> T {
        self.get(name).unwrap_or_default()
    }

    fn refuse_the_rest(self) {
        let known = self.known.join(", ");
        for name in self.table.keys() {
            let prefix = self.prefix;
            self.problems.push(format!(
                "{prefix}{name:.60}: not known; the names here are {known}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_name_and_every_wrong_type_is_told() {
        let text = "listne = 1\nlog = 5\ntrusted_proxies = [1]\ninsecure_http = \"no\"\nlisten = \"[::1]:0\"\n\
            [backup]\nkeep = -1\ndri = \"x\"\n[retention]\nraw = 48\n2m = \"1h\"\n[beckup]\n";
        let file = File::parse(text).unwrap();
        assert_eq!(file.listen.as_deref(), Some("[::1]:0"));
        for field in [
            "listne: not known; the names here are backup, retention, listen,",
            "beckup: not known",
            "log: `5`: invalid type",
            "trusted_proxies: `[1]`: invalid type",
            "insecure_http: `\"no\"`: invalid type",
            "backup.keep: `-1`: ",
            "backup.dri: not known; the names here are dir, every, keep",
            "retention.raw: `48`: invalid type",
            "retention.2m: not known",
        ] {
            let told = file.problems.iter().filter(|told| told.starts_with(field));
            assert_eq!(told.count(), 1, "{field}: {:#?}", file.problems);
        }
        assert_eq!(file.problems.len(), 9, "{:#?}", file.problems);
        let whole = File::parse("backup = 3\nretention = []").unwrap();
        assert_eq!(whole.problems.len(), 2, "{:#?}", whole.problems);
        assert!(File::parse("listen =").is_err());
    }
}
