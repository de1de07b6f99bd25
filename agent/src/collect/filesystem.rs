//! Space and inodes of real filesystems: statvfs of what /proc/self/mountinfo lists.
//!
//! Network and FUSE filesystems are left out, because asking them can hang for ever and with it the agent. So are
//! pseudo filesystems and read-only images, which are always full. A filesystem mounted at several places counts once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use domain::metric::Metric;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::file::{KeptFile, failed};
use super::text::{instance, lines, words};
use super::{Collect, INSTANCES_MAX, Outcome, Roots, Samples};

/// Images: read-only and always full.
const IMAGES: &[&[u8]] = &[
    b"squashfs",
    b"iso9660",
    b"erofs",
    b"udf",
    b"cramfs",
    b"romfs",
];
/// Across a network, or from a program: may hang.
const REMOTE: &[&[u8]] = &[
    b"nfs",
    b"nfs4",
    b"cifs",
    b"smb3",
    b"smbfs",
    b"ceph",
    b"9p",
    b"virtiofs",
    b"afs",
    b"lustre",
    b"gfs2",
    b"ocfs2",
    b"glusterfs",
    b"ncpfs",
    b"coda",
    b"beegfs",
    b"gpfs",
    b"panfs",
    b"prl_fs",
    b"vboxsf",
];
/// On disks, though the kernel gives them device numbers without a device.
const POOLED: &[&[u8]] = &[b"btrfs", b"zfs", b"bcachefs", b"ubifs"];
/// What container engines lay over single files.
const CONTAINER_FILES: &[&[u8]] = &[b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf"];

/// A line of mountinfo, as it is written there (names escaped).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'a> {
    device: &'a [u8],
    root: &'a [u8],
    point: &'a [u8],
    /// Of the filesystem, not of this mount: a service's own namespace shows every mount read-only.
    super_options: &'a [u8],
    kind: &'a [u8],
    source: &'a [u8],
}

/// A filesystem that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where, byte for byte.
    pub point: Vec<u8>,
    /// Where, fit for the wire.
    pub instance: String,
    /// What, such as /dev/sda1.
    pub source: String,
    /// Type, such as ext4.
    pub kind: String,
    /// Mounted read-only?
    pub is_read_only: bool,
}

/// What of mountinfo is measured.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Selection {
    /// These.
    pub mounts: Vec<Mount>,
    /// Real ones beyond [`INSTANCES_MAX`].
    pub left_out: usize,
    /// On a network or from a program.
    pub remote: usize,
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, see proc_pid_mountinfo(5).
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = words(line).skip(2);
    let device = fields.next()?;
    let root = fields.next()?;
    let point = fields.next()?;
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    Some(Line {
        device,
        root,
        point,
        kind: rest.next()?,
        source: rest.next().unwrap_or_default(),
        super_options: rest.next().unwrap_or_default(),
    })
}

impl Line<'_> {
    fn is_remote(&self) -> bool {
        REMOTE.contains(&self.kind) || self.kind.starts_with(b"fuse")
    }

    fn is_real(&self) -> bool {
        let has_device = !self.device.starts_with(b"0:");
        !IMAGES.contains(&self.kind)
            && !CONTAINER_FILES.contains(&self.point)
            && (has_device || POOLED.contains(&self.kind) || self.point == b"/")
    }

    /// Of several places, the one people know: the whole filesystem, then the shortest path.
    fn rank(&self) -> (bool, usize, &[u8]) {
        (self.root != b"/", self.point.len(), self.point)
    }
}

/// Chooses what is measured.
pub fn select(mountinfo: &[u8]) -> Selection {
    // What is mounted later at the same place hides what was there.
    let visible: BTreeMap<&[u8], Line<'_>> = lines(mountinfo)
        .filter_map(parse)
        .map(|line| (line.point, line))
        .collect();
    let mut selection = Selection::default();
    let mut by_device: BTreeMap<&[u8], Line<'_>> = BTreeMap::new();
    for line in visible.into_values() {
        if line.is_remote() {
            selection.remote += 1;
        } else if line.is_real() {
            let best = by_device.entry(line.device).or_insert(line);
            if line.rank() < best.rank() {
                *best = line;
            }
        }
    }
    let mut chosen: Vec<Line<'_>> = by_device.into_values().collect();
    chosen.sort_by_key(|line| line.point);
    selection.left_out = chosen.len().saturating_sub(INSTANCES_MAX);
    for line in chosen.iter().take(INSTANCES_MAX) {
        let point = unescape(line.point);
        selection.mounts.push(Mount {
            instance: instance(&point),
            source: instance(&unescape(line.source)),
            kind: instance(line.kind),
            is_read_only: line
                .super_options
                .split(|b| *b == b',')
                .any(|option| option == b"ro"),
            point,
        });
    }
    // Two hostile names may become one when cleaned: the first counts.
    let mut seen = std::collections::BTreeSet::new();
    selection
        .mounts
        .retain(|mount| seen.insert(mount.instance.clone()));
    selection
}

/// Blank, tab, newline and backslash are written as `\040`, `\011`, `\012`, `\134`.
fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'\\'
            && let Some(([a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'], after)) =
                tail.split_first_chunk::<3>()
        {
            out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// The selection, renewed when the kernel says that mounts changed.
pub struct Mounts {
    file: KeptFile,
    selection: Option<Selection>,
}

impl Mounts {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::with_long_lines(roots.proc.join("self/mountinfo")),
            selection: None,
        }
    }

    /// What is mounted now.
    pub fn selection(&mut self, now_ns: u64) -> std::io::Result<&Selection> {
        if self.selection.is_none() || self.has_changed() {
            self.selection = Some(select(self.file.read(now_ns)?));
            self.file.release();
        }
        Ok(self.selection.get_or_insert_default())
    }

    /// The kernel marks an open mountinfo as exceptional once after each change: proc_pid_mountinfo(5).
    fn has_changed(&self) -> bool {
        let Some(file) = self.file.file() else {
            return true;
        };
        let mut asked = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        match poll(&mut asked, PollTimeout::ZERO) {
            Ok(0) => false,
            Ok(_) => asked.iter().any(|fd| {
                fd.revents()
                    .is_none_or(|events| events.intersects(PollFlags::POLLPRI | PollFlags::POLLERR))
            }),
            Err(_) => true,
        }
    }
}

/// What statvfs says, in blocks of `block_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub block_bytes: u64,
    pub blocks: u64,
    pub free: u64,
    pub available: u64,
    pub inodes: u64,
    pub inodes_free: u64,
}

/// Asks the kernel.
pub fn space(path: &Path) -> std::io::Result<Space> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(std::io::Error::from)?;
    Ok(Space {
        block_bytes: stat.fragment_size(),
        blocks: stat.blocks(),
        free: stat.blocks_free(),
        available: stat.blocks_available(),
        inodes: stat.files(),
        inodes_free: stat.files_free(),
    })
}

/// The collector.
pub struct Filesystem {
    mounts: Rc<RefCell<Mounts>>,
    ask: fn(&Path) -> std::io::Result<Space>,
}

impl Filesystem {
    pub fn new(mounts: Rc<RefCell<Mounts>>, ask: fn(&Path) -> std::io::Result<Space>) -> Self {
        Self { mounts, ask }
    }
}

impl Collect for Filesystem {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let mut mounts = self.mounts.borrow_mut();
        let path = mounts.file.path().to_owned();
        let selection = match mounts.selection(now_ns) {
            Ok(selection) => selection,
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        let mut problem = None;
        for mount in &selection.mounts {
            match (self.ask)(Path::new(OsStr::from_bytes(&mount.point))) {
                Ok(space) => put(&space, &mount.instance, out),
                Err(error) => {
                    problem.get_or_insert_with(|| format!("{}: {error}", mount.instance));
                }
            }
        }
        match problem {
            Some(problem) => Outcome::Failed(problem),
            None if selection.mounts.is_empty() => {
                Outcome::Absent("no filesystem on a disk is mounted here".to_owned())
            }
            None => Outcome::Ok(note(selection)),
        }
    }
}

fn note(selection: &Selection) -> Option<String> {
    let mut parts = Vec::new();
    if selection.left_out > 0 {
        parts.push(format!(
            "{} filesystems beyond {INSTANCES_MAX} are left out",
            selection.left_out
        ));
    }
    if selection.remote > 0 {
        parts.push(format!(
            "{} on a network or from a program (FUSE) are left out, because asking them can hang",
            selection.remote
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `used / (used + available)` as df shows it. Example: 100 blocks, 10 free, 5 available to programs: 90 / 95.
fn put(space: &Space, name: &str, out: &mut Samples) {
    let used = space.blocks.saturating_sub(space.free);
    let usable = used.saturating_add(space.available);
    if usable == 0 {
        return;
    }
    out.begin(name);
    out.put(Metric::FilesystemUsedRatio, used as f64 / usable as f64);
    if let Some(free) = space.available.checked_mul(space.block_bytes) {
        out.put_count(Metric::FilesystemFreeBytes, free);
    }
    if space.inodes > 0 {
        let used = space.inodes.saturating_sub(space.inodes_free);
        out.put(
            Metric::FilesystemInodesUsedRatio,
            used as f64 / space.inodes as f64,
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(text: &str) -> Vec<String> {
        select(text.as_bytes())
            .mounts
            .into_iter()
            .map(|mount| mount.instance)
            .collect()
    }

    #[test]
    fn real_filesystems_count_once_and_pseudo_ones_never() {
        let text = "\
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:25 / /tmp rw - tmpfs tmpfs rw
29 27 8:1 /sub /srv/bind rw - xfs /dev/sda1 rw
30 27 8:1 / /var/long/data rw master:1 propagate_from:2 - xfs /dev/sda1 rw
31 27 7:0 / /snap/x/1 ro - squashfs /dev/loop0 ro
32 27 0:40 / /pool rw - zfs tank/pool rw
33 27 0:41 /@home /home rw - btrfs /dev/sdb rw
34 27 0:41 /@ /btrfs ro - btrfs /dev/sdb ro
35 27 0:50 / /net rw - nfs4 host:/x rw
36 27 0:51 / /sshfs rw - fuse.sshfs u@h:/ rw
37 27 8:17 / /ntfs rw - fuseblk /dev/sdb1 rw
";
        assert_eq!(points(text), ["/", "/home", "/pool", "/var/long/data"]);
        let selection = select(text.as_bytes());
        assert_eq!((selection.remote, selection.left_out), (3, 0));
        assert!(note(&selection).unwrap().contains("3 on a network"));
    }

    #[test]
    fn in_a_container_the_root_is_measured_and_single_files_are_not() {
        let text = "\
100 99 0:60 / / rw - overlay overlay rw,lowerdir=x
101 100 8:1 /docker/hosts /etc/hosts rw - ext4 /dev/sda1 rw
102 100 8:1 /volumes/v /data rw - ext4 /dev/sda1 rw
103 100 0:61 / /lower rw - overlay overlay rw
";
        assert_eq!(points(text), ["/", "/data"]);
    }

    #[test]
    fn what_is_mounted_over_hides_what_was_there() {
        let text = "1 0 8:1 / /a rw - ext4 /dev/sda1 rw\n2 0 0:9 / /a rw - tmpfs tmpfs rw\n";
        assert_eq!(points(text), [""; 0]);
    }

    #[test]
    fn names_are_unescaped_and_defused() {
        let text = "1 0 8:1 / /mnt/two\\040words rw - ext4 /dev/sda1 rw\n\
                    2 0 8:2 / /mnt/<script> rw,noatime - ext4 /dev/sda2 ro\n\
                    3 0 8:3 / /mnt/\u{1b}[2J rw - ext4 /dev/sda3 rw\n\
                    4 0 8:4 / /mnt/\u{202e}x rw - ext4 /dev/sda4 rw\n\
                    5 0 8:5 / /mnt/\\134\\012b rw - ext4 /dev/sda5 rw\n";
        assert_eq!(
            points(text),
            [
                "/mnt/\u{FFFD}[2J",
                "/mnt/<script>",
                "/mnt/\\\u{FFFD}b",
                "/mnt/two words",
                "/mnt/\u{FFFD}x"
            ]
        );
        assert!(select(text.as_bytes()).mounts[1].is_read_only);
        assert_eq!(unescape(b"\\04"), b"\\04");
        assert_eq!(unescape(b"\\777\\"), b"\\777\\");
    }

    #[test]
    fn of_ten_thousand_mounts_64_are_measured_and_the_rest_is_counted() {
        let text: String = (0..10_000u32)
            .map(|at| format!("{at} 1 8:{at} / /mnt/{at:05} rw - ext4 /dev/sd{at} rw\n"))
            .collect();
        let selection = select(text.as_bytes());
        assert_eq!((selection.mounts.len(), selection.left_out), (64, 9_936));
        assert!(
            note(&selection)
                .unwrap()
                .starts_with("9936 filesystems beyond 64")
        );
    }

    #[test]
    fn space_is_as_df_shows_it() {
        let mut out = Samples::default();
        let space = Space {
            block_bytes: 4096,
            blocks: 100,
            free: 10,
            available: 5,
            inodes: 0,
            inodes_free: 0,
        };
        put(&space, "/", &mut out);
        put(
            &Space {
                blocks: 0,
                free: 0,
                available: 0,
                ..space
            },
            "/none",
            &mut out,
        );
        let groups = out.into_groups();
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].values, [40, 947, 41, 5 * 4096]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
            let _ = select(&bytes);
            prop_assert!(unescape(&bytes).len() <= bytes.len());
        }

        #[test]
        fn any_numbers_give_ratios_within_one(block_bytes: u64, blocks: u64, free: u64, available: u64, inodes: u64, inodes_free: u64) {
            let mut out = Samples::default();
            put(&Space { block_bytes, blocks, free, available, inodes, inodes_free }, "/", &mut out);
            for group in out.into_groups() {
                for [metric, value] in group.values.as_chunks::<2>().0 {
                    prop_assert!(*value >= 0);
                    prop_assert!(*metric == 41 || *value <= 1000);
                }
            }
        }
    }
}
