//! What /proc tells of one process.

use std::io::Read;
use std::path::Path;

use super::text::{number, words};

/// Of /proc/PID/stat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The kernel's name of it, at most 15 bytes.
    pub name: Vec<u8>,
    /// Who started it.
    pub parent: u32,
    /// Processor time in clock ticks.
    pub ticks: u64,
    /// Its threads.
    pub threads: u64,
    /// Ticks after boot; tells processes apart that had one number.
    pub started: u64,
    /// Resident memory.
    pub rss_pages: u64,
}

/// Reads the stat of a process into `buffer`; `None` when it ended meanwhile.
pub fn stat(folder: &Path, buffer: &mut Vec<u8>) -> Option<Stat> {
    buffer.clear();
    let file = std::fs::File::open(folder.join("stat")).ok()?;
    file.take(4096).read_to_end(buffer).ok()?;
    parse(buffer)
}

/// `PID (NAME) STATE …`; a name may hold blanks and brackets, so the last bracket counts. See proc_pid_stat(5).
pub fn parse(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|b| *b == b'(')?;
    let close = text.iter().rposition(|b| *b == b')')?;
    let name = text.get(open + 1..close)?.to_vec();
    // Field 3, the state, is the first one here.
    let mut fields = words(text.get(close + 1..)?).skip(1);
    let parent = u32::try_from(number(fields.next()?)?).ok()?;
    let mut fields = fields.skip(9);
    let user = number(fields.next()?)?;
    let system = number(fields.next()?)?;
    let mut fields = fields.skip(4);
    let threads = number(fields.next()?)?;
    let mut fields = fields.skip(1);
    let started = number(fields.next()?)?;
    let _virtual_bytes = fields.next()?;
    let rss_pages = number(fields.next()?)?;
    Some(Stat {
        name,
        parent,
        ticks: user.checked_add(system)?,
        threads,
        started,
        rss_pages,
    })
}

/// Ticks a second and bytes a page, as this kernel counts.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Clock ticks.
    pub ticks_per_s: u64,
    /// Page size.
    pub page_bytes: u64,
    /// Processors online.
    pub processors: u64,
}

impl Scale {
    /// Asks the C library.
    pub fn of_this_host() -> Self {
        let asked = |what| {
            let told = nix::unistd::sysconf(what).ok().flatten();
            told.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
        };
        Self {
            ticks_per_s: asked(nix::unistd::SysconfVar::CLK_TCK).unwrap_or(100),
            page_bytes: asked(nix::unistd::SysconfVar::PAGE_SIZE).unwrap_or(4096),
            processors: asked(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).unwrap_or(1),
        }
    }
}

/// Numbers of the processes beneath /proc.
pub fn pids(proc: &Path) -> std::io::Result<impl Iterator<Item = u32> + use<>> {
    Ok(std::fs::read_dir(proc)?.flatten().filter_map(|entry| {
        number(entry.file_name().as_encoded_bytes()).and_then(|n| u32::try_from(n).ok())
    }))
}

/// Longest command line that is looked at.
const COMMAND_LINE_BYTES_MAX: u64 = 128 * 1024;

/// The command line, one argument a line; empty for what belongs to the kernel. It holds secrets: it is matched here and
/// told to nobody.
pub fn command_line(folder: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(folder.join("cmdline")).ok()?;
    file.take(COMMAND_LINE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    bytes.truncate(end + 1);
    for byte in &mut bytes {
        if *byte == 0 {
            *byte = b'\n';
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Path of the process's control group in the unified hierarchy, else in systemd's own.
pub fn control_group(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("cgroup")).ok()?;
    let path = |mark: &str| {
        text.lines()
            .find_map(|line| line.split_once(mark).map(|(_, path)| path))
    };
    let unified = text.lines().find_map(|line| line.strip_prefix("0::"));
    unified
        .filter(|path| *path != "/")
        .or_else(|| path(":name=systemd:"))
        .map(str::to_owned)
}

/// The system's service in a path such as `/system.slice/ssh.service`; those of a user's own manager are none.
pub fn unit(control_group: &str) -> Option<&str> {
    if control_group.contains("/user.slice/") {
        return None;
    }
    control_group
        .split('/')
        .find(|part| part.ends_with(".service"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_with_brackets_and_blanks_are_whole() {
        let line =
            b"7 (a) R (b c) S 3 1 1 0 -1 4194560 1 2 3 4 12 1 0 0 20 0 8 0 5 1000 9 99 1 1\n";
        let stat = parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                name: b"a) R (b c".to_vec(),
                parent: 3,
                ticks: 13,
                threads: 8,
                started: 5,
                rss_pages: 9
            }
        );
        assert_eq!(parse(b"7 (x) S 1 2"), None);
    }

    #[test]
    fn services_are_told_by_their_control_group() {
        for (path, wanted) in [
            ("/system.slice/ssh.service", Some("ssh.service")),
            (
                "/system.slice/system-postgresql.slice/postgresql@15-main.service",
                Some("postgresql@15-main.service"),
            ),
            ("/system.slice/app.service/payload", Some("app.service")),
            (
                "/user.slice/user-1.slice/user@1.service/app.slice/x.service",
                None,
            ),
            ("/system.slice/docker-1.scope", None),
            ("/", None),
        ] {
            assert_eq!(unit(path), wanted, "{path}");
        }
        let temp = tempfile::tempdir().unwrap();
        let put = |text: &str| std::fs::write(temp.path().join("cgroup"), text).unwrap();
        put("0::/system.slice/a.service\n");
        assert_eq!(
            control_group(temp.path()).as_deref(),
            Some("/system.slice/a.service")
        );
        put("3:cpu:/x\n1:name=systemd:/system.slice/b.service\n0::/\n");
        assert_eq!(
            control_group(temp.path()).as_deref(),
            Some("/system.slice/b.service")
        );
        put("nothing");
        assert_eq!(control_group(temp.path()), None);
    }

    #[test]
    fn arguments_become_lines() {
        let temp = tempfile::tempdir().unwrap();
        let put = |bytes: &[u8]| std::fs::write(temp.path().join("cmdline"), bytes).unwrap();
        put(b"java\0-Da=b c\0x\0\0\0");
        assert_eq!(
            command_line(temp.path()).as_deref(),
            Some("java\n-Da=b c\nx")
        );
        put(b"\0\0");
        assert_eq!(command_line(temp.path()), None);
        put(b"\xff\0a");
        assert_eq!(command_line(temp.path()).as_deref(), Some("\u{FFFD}\na"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
