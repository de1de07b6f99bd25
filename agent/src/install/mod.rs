//! `oc-agent install` and `uninstall`: from a downloaded binary to a service that starts with the host, and back.
//!
//! Each step says what it does, or that it was done before; repeating is safe. Beneath another `--root` (packages, tests)
//! only files are made: no user, no service. Programs of the host are started directly with fixed words, never by a shell.

use std::fs::{DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, chown, geteuid};

use crate::exit::Failure;

/// The service's user and group.
pub const USER: &str = "oc-agent";
const SERVICE: &str = "oc-agent.service";
const UNIT: &str = include_str!("oc-agent.service");
const SETTINGS: &str = include_str!("agent.toml");

/// Where, and whether for real.
#[derive(Debug, Clone)]
pub struct Place {
    /// `/`, or the folder that will be one.
    pub root: PathBuf,
    /// Such as `/usr/local`.
    pub prefix: PathBuf,
    /// Say it only.
    pub is_dry_run: bool,
}

impl Place {
    fn is_this_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// A path of the host beneath the root.
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn binary(&self) -> PathBuf {
        self.at(self.prefix.join("bin/oc-agent"))
    }

    fn unit(&self) -> PathBuf {
        self.at("/etc/systemd/system").join(SERVICE)
    }

    fn settings(&self) -> PathBuf {
        self.at("/etc/oc-agent/agent.toml")
    }

    /// Where the identity lives.
    pub fn state(&self) -> PathBuf {
        self.at("/var/lib/oc-agent")
    }

    fn check(&self, what: &str) -> Result<(), Failure> {
        if !self.prefix.is_absolute() {
            return Err(Failure::usage(format!(
                "--prefix {} must be an absolute path, such as /usr/local",
                self.prefix.display()
            )));
        }
        if self.is_this_host() && !self.is_dry_run && !geteuid().is_root() {
            return Err(Failure::could_not(format!(
                "{what} needs root: run `sudo oc-agent {what} …`; `oc-agent {what} --dry-run` only says what it would do, --root DIR works in another folder"
            )));
        }
        Ok(())
    }

    fn has_systemd(&self) -> bool {
        self.is_this_host() && Path::new("/run/systemd/system").is_dir()
    }
}

/// Says a step on stdout, and does it unless it is only to be said.
fn step(
    place: &Place,
    what: &str,
    act: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let would = if place.is_dry_run { "would " } else { "" };
    say(&format!("{would}{what}"));
    if place.is_dry_run { Ok(()) } else { act() }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    // A closed stdout is no reason to stop half way.
    drop(writeln!(out, "{text}"));
}

fn failed(path: &Path, doing: &str, error: impl std::fmt::Display) -> Failure {
    Failure::could_not(format!(
        "{} cannot be {doing}: {error}; make room or give the right to it, and run the same command again",
        path.display()
    ))
}

/// Installs; `enroll` is called when everything is in place and before the service starts, and gives the node id.
///
/// # Errors
/// No right, a step that failed, or the enrollment's own.
pub fn install(
    place: &Place,
    enroll: Option<&dyn Fn() -> Result<String, Failure>>,
) -> Result<(), Failure> {
    place.check("install")?;
    install_binary(place)?;
    if place.is_this_host() {
        make_user(place)?;
    } else {
        say(&format!(
            "left out: the user {USER} and the service, because of --root"
        ));
    }
    let owner = owner(place);
    if place.settings().exists() {
        say(&format!("kept {}", place.settings().display()));
    } else {
        write_file(place, &place.settings(), SETTINGS.as_bytes(), 0o644)?;
    }
    make_folder(place, &place.state(), 0o700, owner)?;
    let unit = UNIT.replace("@PREFIX@", &place.prefix.display().to_string());
    write_file(place, &place.unit(), unit.as_bytes(), 0o644)?;
    if let Some(enroll) = enroll {
        step(place, "enroll this host", || {
            let node_id = enroll()?;
            say(&format!("enrolled as {node_id}"));
            Ok(())
        })?;
    }
    if let Some(owner) = owner {
        give(place, &place.state(), owner)?;
    }
    start(place)
}

fn install_binary(place: &Place) -> Result<(), Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::could_not(format!("this program's own file: {error}")))?;
    let bytes = std::fs::read(&own).map_err(|error| failed(&own, "read", error))?;
    write_file(place, &place.binary(), &bytes, 0o755)
}

/// Written whole or not at all; left alone when it is the same already.
fn write_file(place: &Place, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        say(&format!("unchanged {}", path.display()));
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        make_folder(place, folder, 0o755, None)?;
    }
    step(place, &format!("write {}", path.display()), || {
        let fresh = path.with_extension("oc-new");
        let written = std::fs::write(&fresh, bytes)
            .and_then(|()| std::fs::set_permissions(&fresh, Permissions::from_mode(mode)))
            .and_then(|()| std::fs::File::open(&fresh)?.sync_all())
            .and_then(|()| std::fs::rename(&fresh, path));
        written.map_err(|error| {
            drop(std::fs::remove_file(&fresh));
            failed(path, "written", error)
        })
    })
}

fn make_folder(
    place: &Place,
    path: &Path,
    mode: u32,
    owner: Option<(Uid, Gid)>,
) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    step(place, &format!("make {}/", path.display()), || {
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(|error| failed(path, "made", error))?;
        match owner {
            Some((uid, gid)) => {
                chown(path, Some(uid), Some(gid)).map_err(|error| failed(path, "given away", error))
            }
            None => Ok(()),
        }
    })
}

fn owner(place: &Place) -> Option<(Uid, Gid)> {
    if !place.is_this_host() {
        return None;
    }
    let user = User::from_name(USER).ok().flatten()?;
    Some((user.uid, user.gid))
}

/// Gives the state folder and what is in it to the service's user: enrolling as root made files of root.
fn give(place: &Place, folder: &Path, (uid, gid): (Uid, Gid)) -> Result<(), Failure> {
    step(
        place,
        &format!("give {}/ to {USER}", folder.display()),
        || {
            let entries =
                std::fs::read_dir(folder).map_err(|error| failed(folder, "read", error))?;
            for entry in entries.flatten() {
                let path = entry.path();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                // Never through a link: the folder belongs to an unprivileged user.
                let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
                nix::unistd::fchownat(nix::fcntl::AT_FDCWD, &path, Some(uid), Some(gid), flags)
                    .map_err(|error| failed(&path, "given away", error))?;
                if is_folder {
                    give(place, &path, (uid, gid))?;
                }
            }
            chown(folder, Some(uid), Some(gid)).map_err(|error| failed(folder, "given away", error))
        },
    )
}

fn make_user(place: &Place) -> Result<(), Failure> {
    if matches!(User::from_name(USER), Ok(Some(_))) {
        say(&format!("unchanged user {USER}"));
        return Ok(());
    }
    let useradd = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/var/lib/oc-agent",
        "--shell",
        "/usr/sbin/nologin",
        USER,
    ];
    let adduser = [
        "-S",
        "-D",
        "-H",
        "-h",
        "/var/lib/oc-agent",
        "-s",
        "/sbin/nologin",
        "-G",
        USER,
        USER,
    ];
    step(place, &format!("make the system user {USER}"), || {
        if let Some(program) = program("useradd") {
            return run(&program, &useradd);
        }
        // BusyBox
        match (program("addgroup"), program("adduser")) {
            (Some(addgroup), Some(adduser_program)) => {
                run(&addgroup, &["-S", USER])?;
                run(&adduser_program, &adduser)
            }
            _ => Err(Failure::could_not(format!(
                "neither useradd nor adduser was found; make a system user and group `{USER}`, and run the same command again"
            ))),
        }
    })
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let shown = || format!("`{} {}`", program.display(), arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::could_not(format!("{}: {error}", shown())))?;
    if output.status.success() {
        return Ok(());
    }
    let words = domain::text::clean_label(&String::from_utf8_lossy(&output.stderr));
    Err(Failure::could_not(format!(
        "{} ended with {}: {words}",
        shown(),
        output.status
    )))
}

fn systemctl(place: &Place, arguments: &[&str]) -> Result<(), Failure> {
    step(
        place,
        &format!("systemctl {}", arguments.join(" ")),
        || match program("systemctl") {
            Some(program) => run(&program, arguments),
            None => Err(Failure::could_not(
                "systemd runs, but there is no systemctl",
            )),
        },
    )
}

fn start(place: &Place) -> Result<(), Failure> {
    let is_enrolled = place.state().join("identity.json").exists();
    let enroll = "oc-agent install --server URL --token-file FILE";
    if !place.has_systemd() {
        if place.is_this_host() {
            say(&format!(
                "systemd does not run here: let your init system start `{} run` as user {USER}{}",
                place.binary().display(),
                if is_enrolled {
                    String::new()
                } else {
                    format!(", after `{enroll}`")
                }
            ));
        }
        return Ok(());
    }
    systemctl(place, &["daemon-reload"])?;
    systemctl(place, &["enable", SERVICE])?;
    if is_enrolled {
        systemctl(place, &["restart", SERVICE])
    } else {
        say(&format!(
            "not started: this host is not enrolled; run `{enroll}`"
        ));
        Ok(())
    }
}

/// Takes away what was installed; with `is_purge` identity, settings and user too.
///
/// # Errors
/// No right, or a step that failed.
pub fn uninstall(place: &Place, is_purge: bool) -> Result<(), Failure> {
    place.check("uninstall")?;
    if place.has_systemd() && place.unit().exists() {
        systemctl(place, &["disable", "--now", SERVICE])?;
    }
    remove_file(place, &place.unit())?;
    if place.has_systemd() {
        systemctl(place, &["daemon-reload"])?;
    }
    remove_file(place, &place.binary())?;
    let (state, settings) = (place.state(), place.at("/etc/oc-agent"));
    if !is_purge {
        say(&format!(
            "kept {}/ and {}/; `uninstall --purge` takes identity and settings too",
            state.display(),
            settings.display()
        ));
        return Ok(());
    }
    for folder in [&state, &settings] {
        if folder.is_dir() {
            step(place, &format!("remove {}/", folder.display()), || {
                std::fs::remove_dir_all(folder).map_err(|error| failed(folder, "removed", error))
            })?;
        }
    }
    if place.is_this_host() && matches!(User::from_name(USER), Ok(Some(_))) {
        step(
            place,
            &format!("remove the user {USER}"),
            || match program("userdel").or_else(|| program("deluser")) {
                Some(program) => run(&program, &[USER]),
                None => Err(Failure::could_not("neither userdel nor deluser was found")),
            },
        )?;
    }
    say(
        "the node stays known at the server; `operations-center node remove ID` takes it out of view",
    );
    Ok(())
}

fn remove_file(place: &Place, path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    step(place, &format!("remove {}", path.display()), || {
        std::fs::remove_file(path).map_err(|error| failed(path, "removed", error))
    })
}
