//! Does something say that the host should be rebooted?
//!
//! Debian and its kin leave a file. Elsewhere a kernel newer than the running one in /boot says so, but only where /boot is
//! this kernel's: a container sees another's or none.

use std::cmp::Ordering;
use std::path::Path;

use domain::text::clean_label;

use super::Roots;

/// Why it should, if something says so.
pub fn required(roots: &Roots) -> Option<String> {
    for file in ["run/reboot-required", "var/run/reboot-required"] {
        if roots.root.join(file).exists() {
            return Some("the package manager asks for it".to_owned());
        }
    }
    let running = std::fs::read_to_string(roots.proc.join("sys/kernel/osrelease")).ok()?;
    let newest = newest_kernel(&roots.root.join("boot"), running.trim())?;
    Some(clean_label(&format!(
        "kernel {newest} is installed, {} runs",
        running.trim()
    )))
}

/// A kernel that is newer than the running one, which must be among them.
fn newest_kernel(boot: &Path, running: &str) -> Option<String> {
    let names = std::fs::read_dir(boot).ok()?.flatten();
    let installed: Vec<String> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("vmlinuz-").map(str::to_owned)
        })
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    if !installed.iter().any(|version| version == running) {
        return None;
    }
    let newest = installed.into_iter().max_by(|a, b| compare(a, b))?;
    (compare(&newest, running) == Ordering::Greater).then_some(newest)
}

/// Numbers by value, the rest by its letters: 6.1.0-9 is before 6.1.0-18.
fn compare(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b))
}

fn parts(version: &str) -> impl Iterator<Item = (u64, &str)> {
    version.split(['.', '-', '_', '+', '~']).map(|part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at_checked(digits).unwrap_or(("", part));
        (number.parse().unwrap_or(0), rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(boot: &[&str], running: &str) -> (tempfile::TempDir, Roots) {
        let temp = tempfile::tempdir().unwrap();
        let roots = Roots {
            proc: temp.path().join("proc"),
            sys: temp.path().join("sys"),
            root: temp.path().to_owned(),
        };
        std::fs::create_dir_all(temp.path().join("proc/sys/kernel")).unwrap();
        std::fs::create_dir_all(temp.path().join("boot")).unwrap();
        std::fs::create_dir_all(temp.path().join("run")).unwrap();
        std::fs::write(temp.path().join("proc/sys/kernel/osrelease"), running).unwrap();
        for name in boot {
            std::fs::write(temp.path().join("boot").join(name), "").unwrap();
        }
        (temp, roots)
    }

    #[test]
    fn a_newer_kernel_or_the_package_managers_file_asks_for_it() {
        let kernels = [
            "vmlinuz-6.1.0-9-amd64",
            "vmlinuz-6.1.0-18-amd64",
            "vmlinuz-0-rescue-ab",
        ];
        let (_temp, old) = host(&kernels, "6.1.0-9-amd64\n");
        let reason = required(&old).unwrap();
        assert_eq!(
            reason,
            "kernel 6.1.0-18-amd64 is installed, 6.1.0-9-amd64 runs"
        );
        let (temp, new) = host(&kernels, "6.1.0-18-amd64\n");
        assert_eq!(required(&new), None);
        std::fs::write(temp.path().join("run/reboot-required"), "").unwrap();
        assert!(required(&new).is_some());
    }

    #[test]
    fn another_kernels_boot_folder_says_nothing() {
        let (_temp, container) = host(&["vmlinuz-6.1.0-18-amd64"], "5.15.0-1-cloud\n");
        assert_eq!(required(&container), None);
        let (_temp, empty) = host(&[], "5.15.0\n");
        assert_eq!(required(&empty), None);
    }
}
