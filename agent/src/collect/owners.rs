//! Which process holds which socket, as far as this user may look.
//!
//! Links of /proc/PID/fd name sockets by their inode. What was found stays found while the socket is there, and looking
//! ends when nothing is open any more, so a quiet host costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;

/// Open files looked at in one go.
const LINKS_MAX: usize = 262_144;

/// Inodes and their processes.
#[derive(Debug, Default)]
pub struct Owners {
    by_inode: BTreeMap<u32, u32>,
    /// Looked for without success: those of processes that may not be seen, or of another space of process numbers.
    nobodys: BTreeSet<u32>,
    /// Processes whose open files may not be seen.
    denied: BTreeSet<u32>,
}

impl Owners {
    /// Finds the processes of these sockets; `pids` in the order in which they are looked into.
    pub fn find(&mut self, proc: &Path, wanted: &BTreeSet<u32>, pids: &[u32]) {
        let alive: BTreeSet<u32> = pids.iter().copied().collect();
        self.by_inode
            .retain(|inode, pid| wanted.contains(inode) && alive.contains(pid));
        self.nobodys.retain(|inode| wanted.contains(inode));
        self.denied.retain(|pid| alive.contains(pid));
        let mut open: BTreeSet<u32> = wanted
            .iter()
            .copied()
            .filter(|inode| {
                *inode != 0 && !self.by_inode.contains_key(inode) && !self.nobodys.contains(inode)
            })
            .collect();
        if open.is_empty() {
            return;
        }
        // Who had sockets has the new ones too, mostly.
        let holders: BTreeSet<u32> = self.by_inode.values().copied().collect();
        let (first, then): (Vec<u32>, Vec<u32>) =
            pids.iter().copied().partition(|pid| holders.contains(pid));
        let mut links = 0;
        for pid in first.into_iter().chain(then) {
            if self.denied.contains(&pid) {
                continue;
            }
            let found = match sockets_of(&proc.join(pid.to_string()).join("fd")) {
                Ok(found) => found,
                Err(nix::Error::EACCES | nix::Error::EPERM) => {
                    self.denied.insert(pid);
                    continue;
                }
                Err(_) => continue,
            };
            links += found.links;
            for inode in found.inodes {
                if open.remove(&inode) {
                    self.by_inode.insert(inode, pid);
                }
            }
            if open.is_empty() || links > LINKS_MAX {
                break;
            }
        }
        self.nobodys.extend(open);
    }

    /// The process that holds this socket.
    pub fn pid(&self, inode: u32) -> Option<u32> {
        self.by_inode.get(&inode).copied()
    }

    /// Processes that could not be looked into although something was open.
    pub fn denied(&self) -> usize {
        self.denied.len()
    }
}

struct Sockets {
    inodes: Vec<u32>,
    links: usize,
}

fn sockets_of(folder: &Path) -> nix::Result<Sockets> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let opened: OwnedFd = nix::fcntl::open(folder, flags, Mode::empty())?;
    let mut dir = nix::dir::Dir::from_fd(opened.try_clone().map_err(|_| nix::Error::EMFILE)?)?;
    let mut found = Sockets {
        inodes: Vec::new(),
        links: 0,
    };
    for entry in dir.iter().flatten() {
        found.links += 1;
        if let Ok(link) = readlinkat(opened.as_fd(), entry.file_name())
            && let Some(inode) = inode(Path::new(&link))
        {
            found.inodes.push(inode);
        }
    }
    Ok(found)
}

/// `socket:[123]`
fn inode(link: &Path) -> Option<u32> {
    link.to_str()?
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sockets_are_found_and_stay_found_while_they_are_there() {
        let temp = tempfile::tempdir().unwrap();
        let fd = |pid: u32| {
            let folder = temp.path().join(format!("{pid}/fd"));
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        symlink("socket:[11]", fd(1).join("3")).unwrap();
        symlink("/dev/null", fd(1).join("0")).unwrap();
        symlink("socket:[12]", fd(2).join("3")).unwrap();
        symlink("socket:[11]", fd(2).join("4")).unwrap();
        let mut owners = Owners::default();
        let wanted = BTreeSet::from([0, 11, 12, 13]);
        owners.find(temp.path(), &wanted, &[2, 1, 9]);
        let told = |owners: &Owners| [0, 11, 12, 13].map(|inode| owners.pid(inode));
        assert_eq!(told(&owners), [None, Some(2), Some(2), None]);
        symlink("socket:[13]", fd(1).join("9")).unwrap();
        owners.find(temp.path(), &wanted, &[2, 1, 9]);
        assert_eq!(
            owners.pid(13),
            None,
            "nobody's is not looked for again and again"
        );
        std::fs::remove_dir_all(temp.path().join("2")).unwrap();
        owners.find(temp.path(), &wanted, &[1]);
        assert_eq!(told(&owners), [None, Some(1), None, None]);
    }

    #[test]
    fn only_links_to_sockets_count() {
        for (link, wanted) in [
            ("socket:[7]", Some(7)),
            ("socket:[]", None),
            ("pipe:[7]", None),
            ("socket:[99999999999]", None),
        ] {
            assert_eq!(inode(Path::new(link)), wanted);
        }
    }
}
