//! What kind of machine the figures are from, and how busy it was.

use std::process::Command;

use serde_json::{Value, json};

use crate::Context;

/// Hardware, system and source, each as far as it can be told.
pub fn circumstances(context: &Context) -> Vec<(&'static str, Value)> {
    let cpuinfo = read("/proc/cpuinfo");
    let processors = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = field(&cpuinfo, "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0);
    let system = read("/etc/os-release")
        .lines()
        .find_map(|line| {
            Some(
                line.strip_prefix("PRETTY_NAME=")?
                    .trim_matches('"')
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| std::env::consts::OS.to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    vec![
        (
            "machine",
            json!(format!(
                "{processors} × {model}, {:.1} GB, {}",
                memory_kib as f64 * 1024.0 / 1e9,
                std::env::consts::ARCH
            )),
        ),
        (
            "system",
            json!(format!("{system}, Linux {}", kernel.trim())),
        ),
        ("commit", json!(commit(context))),
    ]
}

/// Of the last minute.
pub fn load() -> f64 {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::NAN)
}

/// The checked out commit; `+` when a tracked file differs from it.
fn commit(context: &Context) -> String {
    let git = |words: &[&str]| {
        Command::new("git")
            .args(words)
            .current_dir(&context.workspace.root)
            .output()
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| changes.is_empty());
    if is_clean { commit } else { commit + "+" }
}

/// Everything that an agent might measure: the kernel's own lists, unfiltered.
pub struct Candidates {
    pub mount_points: Vec<String>,
    pub disks: Vec<String>,
    pub interfaces: Vec<String>,
}

impl Candidates {
    pub fn read() -> Self {
        Self {
            mount_points: column(&read("/proc/self/mounts"), 1)
                .map(unescaped)
                .collect(),
            disks: column(&read("/proc/diskstats"), 2)
                .map(str::to_owned)
                .collect(),
            interfaces: interfaces(&read("/proc/net/dev")),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// `name : value`, as in /proc/cpuinfo and /proc/meminfo.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn column(text: &str, at: usize) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(move |line| line.split_whitespace().nth(at))
}

/// Names before the colon; two lines of heads have none.
fn interfaces(net_dev: &str) -> Vec<String> {
    net_dev
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

/// Blank, tab, newline and backslash are written in octal: proc_pid_mounts(5).
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_kernels_lists() {
        let mounts = "proc /proc proc rw 0 0\n/dev/vda /my\\040disk ext4 rw 0 0\n\n";
        let points: Vec<String> = column(mounts, 1).map(unescaped).collect();
        assert_eq!(points, ["/proc", "/my disk"]);
        let disks = "   7       0 loop0 0 0\n 254       0 vda 892897 27414\n";
        assert_eq!(column(disks, 2).collect::<Vec<_>>(), ["loop0", "vda"]);
        let net = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 2\n  eth0:3 4\n";
        assert_eq!(interfaces(net), ["lo", "eth0"]);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 167\nmodel name\t: Some CPU @ 1:2\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU @ 1:2"));
        assert_eq!(field(text, "name"), None);
    }
}
