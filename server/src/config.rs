//! Settings: flag, then environment, then file, then default. All problems are found and named at once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use domain::backup::BackupPolicy;
use domain::disk::BALLAST_BYTES_MAX;
use domain::metric::history::Retention;
use domain::time::parse_duration_ms;
use ipnet::IpNet;

use crate::tls;

mod file;

use file::{BackupTable, File, RetentionTable};

/// Where the file is looked for when none is named.
pub const DEFAULT_FILE: &str = "/etc/operations-center/server.toml";
/// Where we listen when nothing is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7700";
/// Least `retention.max_bytes`: some hours of a few hosts.
const MAX_BYTES_LEAST: u64 = 16 << 20;

/// What flags and environment say; `None` where they say nothing.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--insecure-http`
    pub insecure_http: bool,
    /// `--metrics-listen`
    pub metrics_listen: Option<String>,
    /// `--log`
    pub log: Option<String>,
}

/// Scheduled backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// Where; `None`: `backups` in the data folder.
    pub dir: Option<PathBuf>,
    /// How often, and how many.
    pub policy: BackupPolicy,
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            dir: None,
            policy: BackupPolicy {
                every_ms: 86_400_000,
                keep: 3,
            },
        }
    }
}

impl RetentionTable {
    fn read(&self, problems: &mut Vec<String>) -> Retention {
        let mut retention = Retention::default();
        let spans = [
            ("raw", &self.raw, &mut retention.raw_ms),
            ("1m", &self.one_minute, &mut retention.one_minute_ms),
            ("10m", &self.ten_minutes, &mut retention.ten_minutes_ms),
            ("1h", &self.one_hour, &mut retention.one_hour_ms),
        ];
        let mut finer = ("raw", 0);
        for (level, text, span_ms) in spans {
            match text.as_deref().map(|text| (text, parse_duration_ms(text))) {
                None => {}
                Some((_, Ok(given_ms))) => *span_ms = given_ms,
                Some((text, Err(_))) => problems.push(format!(
                    "retention.{level}: `{text:.60}` is not a span of time; write one such as 48h, 14d or 2y"
                )),
            }
            if *span_ms < finer.1 {
                problems.push(format!(
                    "retention.{level}: shorter than retention.{}; a coarser level is kept at least as long as a finer one",
                    finer.0
                ));
            }
            finer = (level, *span_ms);
        }
        if self.max_bytes.is_some_and(|bytes| bytes < MAX_BYTES_LEAST) {
            problems.push(format!(
                "retention.max_bytes: {} is too little to work with; write {MAX_BYTES_LEAST} or more",
                self.max_bytes.unwrap_or(0)
            ));
        }
        retention.max_bytes = self.max_bytes;
        retention
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// An address under which people reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    https: bool,
    authority: String,
    is_loopback: bool,
}

/// Settings that make sense together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where we listen.
    pub listen: SocketAddr,
    /// Under which address we are reached, if another.
    pub public_url: Option<PublicUrl>,
    /// Certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Plain HTTP beyond loopback was asked for.
    pub insecure_http: bool,
    /// Where `/metrics` is served without a token, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How the log is written.
    pub log: LogFormat,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long samples are kept.
    pub retention: Retention,
    /// Scheduled backups.
    pub backup: BackupSettings,
    /// Greatest ballast on the disk of the data folder; 0 for none, as where the folder goes when the server does.
    pub ballast_bytes_max: u64,
}

/// All that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigErrors(pub Vec<String>);

impl BackupTable {
    fn settings(self) -> Result<BackupSettings, String> {
        let mut settings = BackupSettings {
            dir: self.dir,
            ..BackupSettings::default()
        };
        if let Some(keep) = self.keep {
            settings.policy.keep = keep;
        }
        if let Some(text) = self.every {
            settings.policy.every_ms =
                parse_duration_ms(&text).map_err(|error| format!("backup.every: {error}"))?;
            if settings.policy.every_ms < 60_000 {
                return Err(format!(
                    "backup.every: `{text:.20}` is less than a minute; write one such as 24h, or `keep = 0` for no scheduled backups"
                ));
            }
        }
        Ok(settings)
    }
}

impl Settings {
    /// Settings of a server on loopback, as tests and local commands use them.
    pub fn loopback() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            public_url: None,
            tls: None,
            insecure_http: false,
            metrics_listen: None,
            log: LogFormat::Text,
            trusted_proxies: Vec::new(),
            retention: Retention::default(),
            backup: BackupSettings::default(),
            ballast_bytes_max: 0,
        }
    }

    /// Reads the file and puts the flags over it.
    ///
    /// # Errors
    /// Every problem, each with its field, value and way out.
    pub fn load(flags: &Flags) -> Result<Self, ConfigErrors> {
        let file =
            File::read(flags.config.as_deref()).map_err(|problem| ConfigErrors(vec![problem]))?;
        Self::merge(flags, file)
    }

    fn merge(flags: &Flags, file: File) -> Result<Self, ConfigErrors> {
        let mut problems = file.problems;
        let listen_text = flags
            .listen
            .clone()
            .or(file.listen)
            .unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        let listen = listen_text.parse::<SocketAddr>();
        if listen.is_err() {
            problems.push(format!("listen: `{listen_text}` is not an address and port; write one such as 127.0.0.1:7700 or [::]:7700"));
        }
        let public_url = match flags.public_url.clone().or(file.public_url) {
            Some(text) => match PublicUrl::parse(&text) {
                Ok(url) => Some(url),
                Err(problem) => {
                    problems.push(format!("public_url: {problem}"));
                    None
                }
            },
            None => None,
        };
        let cert = flags.tls_cert.clone().or(file.tls_cert);
        let key = flags.tls_key.clone().or(file.tls_key);
        let tls = match (cert, key) {
            (Some(cert), Some(key)) => {
                problems.extend(tls::read(&cert, &key).err().into_iter().flatten());
                Some((cert, key))
            }
            (None, None) => None,
            (Some(cert), None) => {
                problems.extend(tls::read_chain(&cert).err());
                problems.push("tls_key: missing; tls_cert and tls_key come together".to_owned());
                None
            }
            (None, Some(key)) => {
                problems.push("tls_cert: missing; tls_cert and tls_key come together".to_owned());
                problems.extend(tls::read_key(&key).err());
                None
            }
        };
        let log = match flags.log.clone().or(file.log).as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                problems.push(format!(
                    "log: `{other:.40}` is not known; write text or json"
                ));
                LogFormat::Text
            }
        };
        let metrics_listen = flags.metrics_listen.clone().or(file.metrics_listen).and_then(|text| {
            let parsed = text.parse::<SocketAddr>().ok();
            if parsed.is_none() {
                problems.push(format!("metrics_listen: `{text:.60}` is not an address and port; write one such as 127.0.0.1:7701"));
            }
            parsed
        });
        let backup = match file.backup.settings() {
            Ok(backup) => backup,
            Err(problem) => {
                problems.push(problem);
                BackupSettings::default()
            }
        };
        let mut trusted_proxies = Vec::new();
        for text in &file.trusted_proxies {
            match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(net) => trusted_proxies.push(net),
                Err(_) => problems.push(format!("trusted_proxies: `{text:.60}` is no address or network; write one such as 10.0.0.5 or 10.0.0.0/24")),
            }
        }
        let retention = file.retention.read(&mut problems);
        let insecure_http = flags.insecure_http || file.insecure_http.unwrap_or(false);
        let settings = listen.ok().map(|listen| Self {
            listen,
            public_url,
            tls,
            insecure_http,
            metrics_listen,
            log,
            trusted_proxies,
            retention,
            backup,
            ballast_bytes_max: BALLAST_BYTES_MAX,
        });
        if let Some(problem) = settings.as_ref().and_then(Self::exposure) {
            problems.push(problem);
        }
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(ConfigErrors(problems)),
        }
    }

    /// Passwords must not cross a network in the clear unless somebody says so.
    fn exposure(&self) -> Option<String> {
        if self.insecure_http {
            return None;
        }
        let way_out = "give --tls-cert and --tls-key, or an https --public-url with a proxy that does TLS, or accept it with --insecure-http";
        match &self.public_url {
            Some(url) if !url.https && !url.is_loopback => Some(format!(
                "public_url: plain http beyond this machine shows passwords to the network: {way_out}"
            )),
            Some(_) => None,
            None if self.tls.is_none() && !self.listen.ip().is_loopback() => Some(format!(
                "listen: {} is reachable from other machines without TLS, which shows passwords to the network: {way_out}",
                self.listen
            )),
            None => None,
        }
    }

    /// Do people reach us by TLS?
    pub fn is_https(&self) -> bool {
        self.public_url
            .as_ref()
            .map_or(self.tls.is_some(), |url| url.https)
    }

    /// Served in the clear beyond this machine?
    pub fn is_exposed(&self) -> bool {
        let beyond = match &self.public_url {
            Some(url) => !url.is_loopback,
            None => !self.listen.ip().is_loopback(),
        };
        beyond && !self.is_https()
    }

    /// Our origin, where it is configured; otherwise it is whatever `Host` says.
    pub fn public_origin(&self) -> Option<String> {
        self.public_url.as_ref().map(PublicUrl::origin)
    }

    /// The address to give to people and agents, once the real port is known.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        self.public_origin().unwrap_or_else(|| {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            let ip = match bound.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
                ip => ip,
            };
            format!("{scheme}://{}", SocketAddr::new(ip, bound.port()))
        })
    }

    /// Is this peer a proxy whose word counts?
    pub fn trusts_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|net| net.contains(&address))
    }
}

impl PublicUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(100).collect();
        let wrong = |why: &str| {
            format!(
                "`{shown}` {why}; write one such as https://ops.example or http://localhost:7700"
            )
        };
        let (https, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(wrong("does not begin with https:// or http://")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let parsed: http::uri::Authority =
            authority.parse().map_err(|_| wrong("is not an address"))?;
        if authority.contains(['/', '?', '#', '@']) || parsed.host().is_empty() {
            return Err(wrong("has more than a scheme, a host and a port"));
        }
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        Ok(Self {
            https,
            authority: authority.to_ascii_lowercase(),
            is_loopback,
        })
    }

    fn origin(&self) -> String {
        format!(
            "{}://{}",
            if self.https { "https" } else { "http" },
            self.authority
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(listen: &str) -> Flags {
        Flags {
            listen: Some(listen.to_owned()),
            ..Flags::default()
        }
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let file = File::parse("colour = 1\nlog = \"xml\"\ntrusted_proxies = [\"10.0.0.0/8\", \"office\"]\ntls_cert = \"/nonexistent\"\n[retention]\nraw = \"long\"\n\"1m\" = \"1h\"\nmax_bytes = 5").unwrap();
        let problems = Settings::merge(&flags("7700"), file).unwrap_err().0;
        for (problem, field) in problems.iter().zip([
            "colour",
            "listen",
            "tls_cert",
            "tls_key",
            "log",
            "trusted_proxies",
            "retention.raw",
            "retention.1m: shorter than retention.raw",
            "retention.max_bytes",
        ]) {
            assert!(problem.starts_with(field), "{problems:#?}");
        }
        assert_eq!(problems.len(), 9, "{problems:#?}");
    }

    #[test]
    fn retention_is_read_level_by_level() {
        let file = File::parse("[retention]\nraw = \"24h\"\n\"1h\" = \"5y\"").unwrap();
        let settings = Settings::merge(&flags("127.0.0.1:0"), file).unwrap();
        let day_ms = 86_400_000;
        assert_eq!(
            settings.retention,
            Retention {
                raw_ms: day_ms,
                one_hour_ms: 5 * 365 * day_ms,
                ..Retention::default()
            }
        );
    }

    #[test]
    fn plain_http_beyond_loopback_is_refused_until_asked_for() {
        assert!(Settings::merge(&flags("127.0.0.1:0"), File::default()).is_ok());
        assert!(Settings::merge(&flags("[::1]:0"), File::default()).is_ok());
        let refused = Settings::merge(&flags("0.0.0.0:7700"), File::default()).unwrap_err();
        assert!(refused.to_string().contains("--insecure-http"));
        let behind_proxy = Flags {
            public_url: Some("https://ops.example".into()),
            ..flags("0.0.0.0:7700")
        };
        let settings = Settings::merge(&behind_proxy, File::default()).unwrap();
        assert!(settings.is_https() && !settings.is_exposed());
        let plain = Flags {
            public_url: Some("http://ops.example".into()),
            ..flags("127.0.0.1:7700")
        };
        assert!(Settings::merge(&plain, File::default()).is_err());
        let asked = Flags {
            insecure_http: true,
            ..flags("0.0.0.0:7700")
        };
        assert!(
            Settings::merge(&asked, File::default())
                .unwrap()
                .is_exposed()
        );
    }

    #[test]
    fn a_public_url_is_scheme_host_and_port() {
        assert_eq!(
            PublicUrl::parse("https://Ops.example/").unwrap().origin(),
            "https://ops.example"
        );
        for bad in [
            "ops.example",
            "ftp://x",
            "https://",
            "https://u:p@x",
            "https://x/path",
            "https://a b",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
