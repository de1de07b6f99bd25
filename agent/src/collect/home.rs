//! Files beneath the home of a server, opened so that no link leads out of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use crate::packs::Look;

/// Of a file, from its beginning.
const TEXT_BYTES_MAX: u64 = 256 * 1024;
/// Files of one server that are looked at.
const FILES_MAX: usize = 16;

/// What a server's pack reads.
pub struct Home<'a> {
    command_line: &'a str,
    folder: Option<OwnedFd>,
    files: Vec<(String, Option<String>)>,
}

/// Where a process sees its files: in a container another root than the host's.
#[derive(Debug)]
pub struct View<'a> {
    /// /proc/PID
    pub process: &'a Path,
    /// The host's root.
    pub root: &'a Path,
}

impl View<'_> {
    /// Is there such a folder, for the process?
    pub fn has_folder(&self, path: &Path) -> bool {
        open_folder(self, path).is_some()
    }
}

impl<'a> Home<'a> {
    /// Opens the folder, when there is one and it may be looked into.
    pub fn open(view: &View<'_>, home: Option<&Path>, command_line: &'a str) -> Self {
        Self {
            command_line,
            folder: home.and_then(|home| open_folder(view, home)),
            files: Vec::new(),
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        let file = open_beneath(self.folder.as_ref()?, path)?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Look for Home<'_> {
    fn command_line(&self) -> &str {
        self.command_line
    }

    fn file(&mut self, path: &str) -> Option<&str> {
        let at = match self.files.iter().position(|(name, _)| name == path) {
            Some(at) => at,
            None if self.files.len() < FILES_MAX => {
                let text = self.read(path);
                self.files.push((path.to_owned(), text));
                self.files.len() - 1
            }
            None => return None,
        };
        self.files.get(at)?.1.as_deref()
    }
}

/// The folder as the process itself sees it; where that may not be asked, as the host sees it, unless the process is in a
/// container.
fn open_folder(view: &View<'_>, home: &Path) -> Option<OwnedFd> {
    let beneath = home.strip_prefix("/").ok()?;
    let how = || {
        OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS)
    };
    let root_of_process = nix::fcntl::open(
        &view.process.join("root"),
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    );
    if let Ok(root) = root_of_process
        && let Ok(folder) = openat2(root, beneath, how())
    {
        return Some(folder);
    }
    if is_in_container(view.process) {
        return None;
    }
    let path: PathBuf = view.root.join(beneath);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, &path, flags, Mode::empty()).ok()
}

/// `NSpid:` has one number more for each nested space of process numbers.
fn is_in_container(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .is_some_and(|pids| pids.split_ascii_whitespace().count() > 1)
}

/// Never waits for a pipe or a device; kernels before 5.6 follow no link at all.
fn open_beneath(folder: &OwnedFd, path: &str) -> Option<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match openat2(folder, path, how) {
        Ok(file) => return Some(File::from(file)),
        Err(nix::Error::ENOSYS | nix::Error::EPERM) => {}
        Err(_) => return None,
    }
    let mut at = folder.try_clone().ok()?;
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        at = openat(at.as_fd(), part, flags, Mode::empty()).ok()?;
    }
    openat(at.as_fd(), name, flags | OFlag::O_NOFOLLOW, Mode::empty())
        .ok()
        .map(File::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_within_the_home_and_pipes_do_not_hold_up() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        let home = root.join("srv/app");
        std::fs::create_dir_all(home.join("conf")).unwrap();
        std::fs::write(root.join("secret"), "secret").unwrap();
        std::fs::write(home.join("conf/version"), "5.3").unwrap();
        symlink("conf/version", home.join("inside")).unwrap();
        symlink("../../secret", home.join("outside")).unwrap();
        symlink("/proc/self/environ", home.join("absolute")).unwrap();
        symlink("/", home.join("all")).unwrap();
        nix::unistd::mkfifo(&home.join("pipe"), Mode::S_IRWXU).unwrap();
        let process = temp.path().join("proc/7");
        std::fs::create_dir_all(&process).unwrap();
        let view = View {
            process: &process,
            root: &root,
        };
        let mut look = Home::open(&view, Some(Path::new("/srv/app")), "java");
        assert_eq!(look.file("conf/version"), Some("5.3"));
        assert_eq!(look.file("inside"), Some("5.3"));
        for out in ["outside", "absolute", "all/secret", "pipe", "conf", "none"] {
            assert_eq!(look.file(out), None, "{out}");
        }
        let mut look = Home::open(&view, Some(Path::new("/srv/none")), "java");
        assert_eq!(look.file("inside"), None);
        std::fs::write(process.join("status"), "Name:\tx\nNSpid:\t70\t7\n").unwrap();
        let mut look = Home::open(&view, Some(Path::new("/srv/app")), "java");
        assert_eq!(
            look.file("inside"),
            None,
            "a container's home is not the host's"
        );
    }
}
