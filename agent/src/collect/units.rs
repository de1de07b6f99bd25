//! The services of systemd, with state and how often each was restarted.
//!
//! Asked of `systemctl show` with fixed words, started directly and never by a shell; it answers in bounded time or is
//! ended. A host without systemd says so.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::v1::section::{Unit, Units};

use super::text::instance;
use super::{Outcome, Roots};

const UNITS_MAX: usize = 256;
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// systemd answers in some ten milliseconds; one that hangs must not hold up sampling for long.
const ANSWER_MS_MAX: u64 = 3_000;
const WORDS: &[&str] = &[
    "show",
    "--no-pager",
    "--property=Id,LoadState,ActiveState,SubState,NRestarts,Description",
    "--",
];
const PROGRAMS: &[&str] = &["/usr/bin/systemctl", "/bin/systemctl"];

/// The source of the list.
pub struct UnitsReader {
    marker: PathBuf,
}

impl UnitsReader {
    pub fn new(roots: &Roots) -> Self {
        Self {
            marker: roots.root.join("run/systemd/system"),
        }
    }

    /// Asks systemd.
    pub fn read(&self) -> (Option<Units>, Outcome) {
        match self.ask(&["*.service"]) {
            Ok(units) => {
                let note = (units.left_out > 0).then(|| {
                    format!(
                        "{} services beyond {UNITS_MAX} are left out",
                        units.left_out
                    )
                });
                (Some(units), Outcome::Ok(note))
            }
            Err(outcome) => (None, outcome),
        }
    }

    /// The state of some services.
    ///
    /// # Errors
    /// How asking ended without an answer.
    pub fn states(&self, names: &[&str]) -> Result<Vec<Unit>, Outcome> {
        self.ask(names).map(|units| units.units)
    }

    fn ask(&self, names: &[&str]) -> Result<Units, Outcome> {
        // As sd_booted(3): the folder is there exactly where systemd is the init.
        if !self.marker.is_dir() {
            let reason = "systemd does not run this host".to_owned();
            return Err(Outcome::Absent(reason));
        }
        let Some(program) = PROGRAMS.iter().find(|program| Path::new(program).is_file()) else {
            return Err(Outcome::Absent("there is no systemctl".to_owned()));
        };
        match ask(program, names) {
            Ok(text) => Ok(parse(&text)),
            Err(reason) => Err(Outcome::Failed(reason)),
        }
    }
}

fn ask(program: &str, names: &[&str]) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(WORDS)
        .args(names)
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut bytes = Vec::new();
    let answered = match child.stdout.take() {
        Some(out) => read_within(out, &mut bytes),
        None => Err("no output".to_owned()),
    };
    if answered.is_err() {
        drop(child.kill());
    }
    let status = child
        .wait()
        .map_err(|error| format!("{program}: {error}"))?;
    answered.map_err(|reason| format!("{program}: {reason}"))?;
    if !status.success() {
        return Err(format!("{program} ended with {status}"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads to the end, or until nothing more comes in time.
fn read_within(mut out: impl Read + std::os::fd::AsFd, bytes: &mut Vec<u8>) -> Result<(), String> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let until_ms = crate::clock::boot_ms() + ANSWER_MS_MAX;
    let mut chunk = [0; 16 * 1024];
    loop {
        let left = Duration::from_millis(until_ms.saturating_sub(crate::clock::boot_ms()));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let ready = poll(&mut [PollFd::new(out.as_fd(), PollFlags::POLLIN)], timeout);
        match ready {
            Ok(0) => return Err("no answer in time".to_owned()),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.to_string()),
        }
        match out.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) => return Err(error.to_string()),
        }
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(format!("more than {ANSWER_BYTES_MAX} bytes"));
        }
    }
}

/// `Name=value` lines, units apart by an empty line. What is not loaded is left out; the rest is sorted by name, what
/// failed first, so that a long list ends with what matters least.
fn parse(text: &str) -> Units {
    let mut units: Vec<Unit> = text.split("\n\n").filter_map(unit).collect();
    units.sort_by(|a, b| {
        let rank = |unit: &Unit| (unit.active != "failed", unit.active == "inactive");
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    let left_out = units.len().saturating_sub(UNITS_MAX);
    units.truncate(UNITS_MAX);
    units.sort_by(|a, b| a.name.cmp(&b.name));
    Units {
        units,
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
    }
}

fn unit(block: &str) -> Option<Unit> {
    let mut unit = Unit::default();
    let mut load = "";
    for line in block.lines() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let text = || instance(value.as_bytes());
        match name {
            "Id" => unit.name = text(),
            "LoadState" => load = value,
            "ActiveState" => unit.active = text(),
            "SubState" => unit.sub = text(),
            "NRestarts" => unit.restarts = value.parse().ok(),
            "Description" => unit.description = Some(text()).filter(|text| *text != unit.name),
            _ => {}
        }
    }
    (load == "loaded" && !unit.name.is_empty()).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_and_those_that_are_not_loaded_left_out() {
        let text = "Id=ssh.service\nDescription=OpenBSD Secure Shell server\nLoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=2\n\n\
            Id=gone.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nNRestarts=0\n\n\
            Id=app.service\nDescription=a = b\nLoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=\n";
        let units = parse(text);
        assert_eq!(units.left_out, 0);
        let told: Vec<_> = units
            .units
            .iter()
            .map(|u| {
                (
                    u.name.as_str(),
                    u.active.as_str(),
                    u.restarts,
                    u.description.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("app.service", "failed", None, Some("a = b")),
                (
                    "ssh.service",
                    "active",
                    Some(2),
                    Some("OpenBSD Secure Shell server")
                ),
            ]
        );
        assert_eq!(parse("").units, []);
    }

    #[test]
    fn of_too_many_those_that_failed_stay() {
        let mut text = String::new();
        for at in 0..300 {
            let active = if at == 299 { "failed" } else { "inactive" };
            text += &format!(
                "Id=u{at:03}.service\nLoadState=loaded\nActiveState={active}\nSubState=dead\n\n"
            );
        }
        let units = parse(&text);
        assert_eq!((units.units.len(), units.left_out), (UNITS_MAX, 44));
        assert!(units.units.iter().any(|unit| unit.active == "failed"));
    }

    #[test]
    fn a_program_that_hangs_or_fails_is_said() {
        let temp = tempfile::tempdir().unwrap();
        let program = temp.path().join("systemctl");
        let write = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let path = program.to_str().unwrap();
        write("#!/bin/sh\necho Id=x; exit 4\n");
        assert!(
            ask(path, &["*.service"])
                .unwrap_err()
                .contains("exit status: 4")
        );
        write("#!/bin/sh\nwhile :; do echo; done\n");
        assert!(ask(path, &["*.service"]).is_err());
        assert!(ask("/nonexistent/systemctl", &[]).is_err());
    }

    #[test]
    fn without_systemd_it_is_absent() {
        let temp = tempfile::tempdir().unwrap();
        let reader = UnitsReader {
            marker: temp.path().join("run/systemd/system"),
        };
        assert!(matches!(reader.read(), (None, Outcome::Absent(_))));
    }
}
