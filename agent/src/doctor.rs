//! `oc-agent doctor`: looks at everything a working agent needs, one line each, with the way out.

use std::net::ToSocketAddrs;

use domain::fleet::Collector;
use domain::time::{Timestamp, civil};
use protocol::http::PATH_SERVER;
use protocol::keys::fingerprint;
use protocol::session::to_base64;
use protocol::v1::section::Server;
use serde::Serialize;

use crate::client::Client;
use crate::collect::{Collectors, Lists, Outcome, Roots, Run};
use crate::config::Config;
use crate::exit::Failure;
use crate::identity::{Identity, StateFolder};
use crate::packs::Served;
use crate::policy::Policy;
use crate::{clock, random, refusal, run};

const CLOCK_DIFFERENCE_S: u64 = 30;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing, nothing to do.
    Note,
    /// A person should act.
    Finding,
    /// Could not be looked at because something before it failed.
    Skipped,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    name: String,
    verdict: Verdict,
    detail: String,
}

/// All of them.
#[derive(Debug, Serialize)]
pub struct Report {
    well: bool,
    checks: Vec<Check>,
}

impl Report {
    /// Nothing to do?
    pub fn is_well(&self) -> bool {
        self.well
    }

    /// As a table.
    pub fn table(&self) -> String {
        self.checks
            .iter()
            .map(|check| {
                let mark = match check.verdict {
                    Verdict::Ok => "ok",
                    Verdict::Note => "note",
                    Verdict::Finding => "FINDING",
                    Verdict::Skipped => "skipped",
                };
                format!("{mark:<8} {:<22} {}\n", check.name, check.detail)
            })
            .collect()
    }
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, name: impl Into<String>, verdict: Verdict, detail: impl Into<String>) {
        self.0.push(Check {
            name: name.into(),
            verdict,
            detail: detail.into(),
        });
    }

    fn result<T>(
        &mut self,
        name: &str,
        result: Result<T, Failure>,
        ok: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                let detail = ok(&value);
                self.add(name, Verdict::Ok, detail);
                Some(value)
            }
            Err(failure) => {
                self.add(name, Verdict::Finding, failure.message);
                None
            }
        }
    }
}

/// Looks at everything. Wrong settings are a finding here, not an end.
pub fn examine(folder: &StateFolder, settings: Result<Config, Failure>, policy: &Policy) -> Report {
    let mut checks = Checks::default();
    let config = checks
        .result("settings", settings, |config| {
            format!(
                "every {} s, {} collectors off",
                config.interval_ms / 1000,
                config.off.len()
            )
        })
        .unwrap_or_default();
    let identity = state(folder, &config, &mut checks);
    match &policy.finding {
        None => checks.add("policy", Verdict::Ok, policy.text.clone()),
        Some(finding) => checks.add(
            "policy",
            Verdict::Finding,
            format!("{}: {finding}", policy.text),
        ),
    }
    match identity {
        Some(identity) => network(&identity, &config, &mut checks),
        None => checks.add(
            "server",
            Verdict::Skipped,
            "not enrolled, so no server is trusted yet",
        ),
    }
    collectors(&config, policy, &mut checks);
    servers(folder, &config, &mut checks);
    Report {
        well: checks
            .0
            .iter()
            .all(|check| check.verdict != Verdict::Finding),
        checks: checks.0,
    }
}

fn state(folder: &StateFolder, config: &Config, checks: &mut Checks) -> Option<Identity> {
    let shown = folder.path().display();
    if !folder.path().is_dir() {
        checks.add(
            "state folder",
            Verdict::Finding,
            format!("{shown} does not exist; `oc-agent enroll` makes it"),
        );
        return None;
    }
    let findings = folder.permission_findings();
    if findings.is_empty() {
        checks.add("state folder", Verdict::Ok, shown.to_string());
    } else {
        checks.add("state folder", Verdict::Finding, findings.join("; "));
    }
    checks.result("key", folder.key(), |key| match key {
        Some(_) => "readable by its owner alone".to_owned(),
        None => "none yet; enrolling makes one".to_owned(),
    });
    if let Err(error) = folder.peek_cursor() {
        checks.add("cursor", Verdict::Finding, error.to_string());
    }
    checks.result("spool", folder.try_spool(), |waiting| {
        format!("the disk takes records; {waiting} wait")
    });
    let enrolled = folder.identity().and_then(|identity| {
        identity.ok_or_else(|| {
            Failure::could_not("not enrolled; run `oc-agent enroll --server URL --token TOKEN`")
        })
    });
    let identity = checks.result("enrolled", enrolled, |identity| {
        format!("{} with {}", identity.node_id, identity.server)
    })?;
    if folder.is_in_use() {
        checks.add(
            "process",
            Verdict::Ok,
            "an agent runs with this state folder",
        );
        acknowledgement(folder, config, checks);
    } else {
        checks.add(
            "process",
            Verdict::Note,
            "no agent runs now; start `oc-agent run`",
        );
    }
    Some(identity)
}

/// A server may answer everybody and still take nothing from this agent, because it was removed or revoked.
fn acknowledgement(folder: &StateFolder, config: &Config, checks: &mut Checks) {
    const NAME: &str = "acknowledgement";
    // What is wrong with the cursor was said.
    let Ok(cursor) = folder.peek_cursor() else {
        return checks.add(NAME, Verdict::Skipped, "the cursor cannot be read");
    };
    let last_ms = cursor.and_then(|cursor| cursor.last_ack_at_ms);
    if let Some(last) = refusal::read(&folder.refusal()) {
        let said = format!("the server said: {}", last.sentence());
        match last.is_unresolved(last_ms) {
            true => checks.add("last refusal", Verdict::Finding, said),
            false => {
                let said = format!("{said}; it has taken reports since");
                checks.add("last refusal", Verdict::Note, said);
            }
        }
    }
    match crate::status::late(last_ms, config.interval_ms, clock::wall_ms()) {
        None => checks.add(NAME, Verdict::Ok, "the server takes this agent's reports"),
        Some(what) => checks.add(
            NAME,
            Verdict::Finding,
            format!(
                "{what}; the agent's log says why (journalctl -u oc-agent); when the server answers and still takes \
                 nothing, look at this node in its console: one that was removed or revoked comes back when {} is moved away and \
                 `oc-agent enroll` gets a new token",
                folder.path().display()
            ),
        ),
    }
}

fn network(identity: &Identity, config: &Config, checks: &mut Checks) {
    let prepared = run::server_url(identity, config)
        .and_then(|url| run::client(identity, config).map(|client| (url, client)));
    let (url, client) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return checks.add("server address", Verdict::Finding, failure.message),
    };
    let resolved = (url.host(), url.port())
        .to_socket_addrs()
        .map(|addresses| {
            addresses
                .map(|a| a.ip().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        })
        .map_err(|error| {
            Failure::could_not(format!(
                "{} does not resolve ({error}); check /etc/resolv.conf, /etc/hosts and the name",
                url.host()
            ))
        });
    if checks
        .result("name resolution", resolved, |addresses| {
            format!("{} is {addresses}", url.host())
        })
        .is_none()
    {
        return checks.add("server", Verdict::Skipped, "its name does not resolve");
    }
    if url.is_open_to_listeners() {
        checks.add(
            "encryption",
            Verdict::Note,
            "plain http, as was accepted at enrollment: reports can be read on the way, not changed",
        );
    }
    server(identity, &client, checks);
}

fn server(identity: &Identity, client: &Client, checks: &mut Checks) {
    let asked = random::bytes::<32>().and_then(|nonce| {
        let answer = client.get(&format!("{PATH_SERVER}?nonce={}", to_base64(&nonce)))?;
        Ok((nonce, answer))
    });
    let Some((nonce, answer)) = checks.result("server answers", asked, |(_, answer)| {
        format!("HTTP {}", answer.status)
    }) else {
        return checks.add(
            "server key",
            Verdict::Skipped,
            "nobody answered; check that the server runs, and firewalls on the way",
        );
    };
    let proved = identity.server_key().and_then(|key| {
        protocol::handshake::check_server(&answer.body, &nonce, &fingerprint(&key)).map_err(
            |error| Failure::could_not(format!("{error}; check the address before anything else")),
        )
    });
    checks.result("server key", proved, |_| {
        "the one this agent enrolled with".to_owned()
    });
    match answer.date.as_deref().and_then(http_date_ms) {
        None => checks.add("clock", Verdict::Note, "the server told no time"),
        Some(server_ms) => {
            let difference_s = clock::wall_ms().abs_diff(server_ms) / 1000;
            let (verdict, advice) = if difference_s > CLOCK_DIFFERENCE_S {
                (
                    Verdict::Finding,
                    "; the server corrects for it, but set up chrony or systemd-timesyncd",
                )
            } else {
                (Verdict::Ok, "")
            };
            checks.add(
                "clock",
                verdict,
                format!("{difference_s} s apart from the server's{advice}"),
            );
        }
    }
}

fn collectors(config: &Config, policy: &Policy, checks: &mut Checks) {
    let mut collectors = Collectors::new(&Roots::default(), &config.off);
    let (_, mut runs) = collectors.collect(clock::boot_ns, false, &[]);
    runs.push(
        collectors
            .facts(clock::boot_ns, clock::wall_ms(), &policy.text)
            .1,
    );
    for run in runs {
        tell(run, checks);
    }
}

fn outcome_of(collector: Collector, began_ns: u64, outcome: Outcome, checks: &mut Checks) {
    let took_us = clock::boot_ns().saturating_sub(began_ns) / 1000;
    let run = Run {
        collector,
        duration_us: u32::try_from(took_us).unwrap_or(u32::MAX),
        outcome,
    };
    tell(run, checks);
}

fn tell(run: Run, checks: &mut Checks) {
    let name = format!("collector {}", run.collector.name());
    let took = format!("{} µs", run.duration_us);
    match run.outcome {
        Outcome::Ok(None) => checks.add(name, Verdict::Ok, took),
        Outcome::Ok(Some(note)) => checks.add(name, Verdict::Note, format!("{took}; {note}")),
        Outcome::Absent(reason) => {
            checks.add(name, Verdict::Note, format!("nothing to measure: {reason}"));
        }
        Outcome::Failed(reason) => checks.add(name, Verdict::Finding, reason),
        Outcome::Off => checks.add(name, Verdict::Note, "switched off under [collectors]"),
    }
}

/// The packs, and what they find here as whoever asks: root sees more than the agent's own user.
fn servers(folder: &StateFolder, config: &Config, checks: &mut Checks) {
    let served = Served::open(folder.served_packs());
    let setup = run::servers_setup(config, served.packs(), None);
    let of_host = setup.packs.in_force.iter();
    let named: Vec<String> = of_host
        .map(|pack| match &pack.file {
            Some(file) => format!("{} ({file})", pack.name),
            None => pack.name.clone(),
        })
        .collect();
    let is_off = |collector| config.off.contains(&collector);
    if is_off(Collector::Servers) {
        let words = "collector servers is switched off under [collectors]";
        checks.add("packs", Verdict::Note, words);
    } else {
        checks.add("packs", Verdict::Ok, named.join(", "));
    }
    for refused in &setup.packs.refused {
        checks.add("pack", Verdict::Finding, format!("not in force: {refused}"));
    }
    let mut lists = Lists::new(&Roots::default(), setup);
    let (now_ns, wall_ms) = (clock::boot_ns(), clock::wall_ms());
    if !is_off(Collector::Servers) {
        let (told, outcome) = lists.servers.read(now_ns, wall_ms);
        outcome_of(Collector::Servers, now_ns, outcome, checks);
        for server in told.map(|told| told.servers).unwrap_or_default() {
            checks.add("server found", Verdict::Ok, shown(&server));
        }
    }
    if !is_off(Collector::Connections) {
        let began_ns = clock::boot_ns();
        let (_, outcome) = lists.connections.read(&mut lists.servers, now_ns, wall_ms);
        outcome_of(Collector::Connections, began_ns, outcome, checks);
    }
}

/// `tomcat:/srv/t1, Apache Tomcat 10.1.5, process 100, ports 8080`
fn shown(server: &Server) -> String {
    let mut words = vec![server.key.clone()];
    let product = server.product.iter().chain(&server.version);
    let product: Vec<&str> = product.map(String::as_str).collect();
    if !product.is_empty() {
        words.push(product.join(" "));
    }
    if let Some(pid) = server.pid {
        words.push(format!("process {pid}"));
    }
    if server.ports.is_empty() {
        words.push("no port known".to_owned());
    } else {
        let ports: Vec<String> = server.ports.iter().map(u16::to_string).collect();
        words.push(format!("ports {}", ports.join(" ")));
    }
    if let Some(cluster) = &server.cluster {
        words.push(format!("cluster {cluster}"));
    }
    if let Some(role) = &server.role {
        words.push(format!("role {role}"));
    }
    words.join(", ")
}

/// `Sun, 22 Nov 2026 03:12:07 GMT` in milliseconds, see RFC 9110 §5.6.7.
fn http_date_ms(text: &str) -> Option<i64> {
    let mut parts = text.split_ascii_whitespace().skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut of_day = parts.next()?.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (
        of_day.next()?.ok()?,
        of_day.next()?.ok()?,
        of_day.next()?.ok()?,
    );
    if parts.next()? != "GMT" || !(1970..=9999).contains(&year) {
        return None;
    }
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = i64::try_from(months.iter().position(|name| *name == month)?).ok()? + 1;
    // Days from the civil date: eras of 400 years beginning in March, the inverse of `domain::time::civil`.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let ms = (days * 86_400 + hour * 3_600 + minute * 60 + second) * 1000;
    let back = civil(Timestamp(ms));
    // A day or hour that does not exist comes back as another.
    (i64::from(back.day) == day && i64::from(back.month) == month && i64::from(back.hour) == hour)
        .then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers_are_read() {
        assert_eq!(
            http_date_ms("Sun, 22 Nov 2026 03:12:07 GMT"),
            Some(1_795_317_127_000)
        );
        assert_eq!(http_date_ms("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date_ms("Tue, 29 Feb 2000 00:00:00 GMT"),
            Some(951_782_400_000)
        );
        for bad in [
            "",
            "Sun, 31 Feb 2026 00:00:00 GMT",
            "Sun, 22 Nov 2026 25:00:00 GMT",
            "Sun, 22 Nov 99999999999 0:0:0 GMT",
            "x y z a b c",
        ] {
            assert_eq!(http_date_ms(bad), None, "{bad}");
        }
    }
}
