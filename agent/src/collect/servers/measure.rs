//! What the known servers use: read each interval, their own processes only.

use std::path::Path;

use domain::metric::Metric;
use protocol::v1::report::Group;

use super::super::Samples;
use super::super::process;
use super::known::State;
use super::{Inventory, SERVERS_MAX};

impl Inventory {
    /// Reads the processes of the known servers, and asks their probes.
    pub fn measure(&mut self, now_ns: u64) -> Vec<Group> {
        let mut samples = Samples::default();
        let mut buffer = Vec::new();
        let scale = self.scale;
        for known in self.known.values_mut().take(SERVERS_MAX) {
            samples.begin(&known.key);
            let Some(main) = known.main.clone() else {
                samples.put_count(Metric::ServerUp, 0);
                continue;
            };
            let span_ns = known.measured_ns.map(|at| now_ns.saturating_sub(at));
            let (mut spent, mut rss_pages, mut threads, mut processes) = (0u64, 0u64, 0u64, 0u64);
            let mut is_main_here = false;
            known.members.retain(|pid, member| {
                let folder = self.roots.proc.join(pid.to_string());
                let Some(stat) = process::stat(&folder, &mut buffer)
                    .filter(|stat| stat.started == member.started)
                else {
                    return false;
                };
                is_main_here |= *pid == main.pid;
                // One whose time was never read counts from the next time on.
                spent += member
                    .ticks
                    .map_or(0, |before| stat.ticks.saturating_sub(before));
                member.ticks = Some(stat.ticks);
                rss_pages = rss_pages.saturating_add(stat.rss_pages);
                threads = threads.saturating_add(stat.threads);
                processes += 1;
                true
            });
            if !is_main_here {
                known.vanished();
                self.is_changed = true;
                samples.put_count(Metric::ServerUp, 0);
                continue;
            }
            known.measured_ns = Some(now_ns);
            let answer = self
                .prober
                .as_ref()
                .and_then(|prober| prober.latest(&known.key));
            let is_up = known.state == State::Running && answer.as_ref().is_none_or(|a| a.is_up);
            if answer.is_some() || known.probed_port.is_none() || self.prober.is_none() {
                samples.put_count(Metric::ServerUp, u64::from(is_up));
            }
            if let Some(span_ns) = span_ns.filter(|ns| *ns > 0) {
                #[allow(clippy::cast_precision_loss, reason = "three decimals are kept")]
                let ratio = spent as f64
                    / scale.ticks_per_s as f64
                    / (span_ns as f64 / 1e9)
                    / scale.processors as f64;
                samples.put(Metric::ServerCpuUsedRatio, ratio.min(1.0));
            }
            samples.put_count(
                Metric::ServerMemoryBytes,
                rss_pages.saturating_mul(scale.page_bytes),
            );
            samples.put_count(Metric::ServerThreads, threads);
            samples.put_count(Metric::ServerProcesses, processes);
            let folder = self.roots.proc.join(main.pid.to_string());
            if let Some(files) = told_files(&folder).or(known.open_files) {
                samples.put_count(Metric::ServerOpenFiles, files);
            }
            let ns_per_tick = 1_000_000_000 / scale.ticks_per_s;
            let age_ns = now_ns.saturating_sub(main.started.saturating_mul(ns_per_tick));
            samples.put_count(Metric::ServerUptimeS, age_ns / 1_000_000_000);
            if let Some(restarts) = known.restarts {
                samples.put_count(Metric::ServerRestarts, u64::from(restarts));
            }
            if let Some(took_ms) = answer.and_then(|answer| answer.took_ms) {
                samples.put(Metric::ServerProbeMs, took_ms);
            }
            if let Some(connections) = known.connections {
                samples.put_count(Metric::ServerConnections, connections);
            }
        }
        self.ask_probes();
        samples.into_groups()
    }

    fn ask_probes(&mut self) {
        let targets = self.targets();
        if let Some(prober) = &mut self.prober {
            self.is_changed |= prober.take_changed();
            prober.ask(targets);
        }
    }

    /// Counts open files where the kernel does not tell their number.
    pub(super) fn count_files(&mut self) {
        for known in self.known.values_mut() {
            let Some(main) = &known.main else {
                continue;
            };
            let folder = self.roots.proc.join(main.pid.to_string());
            known.open_files = match told_files(&folder) {
                Some(_) => None,
                None => std::fs::read_dir(folder.join("fd"))
                    .ok()
                    .and_then(|entries| u64::try_from(entries.count()).ok()),
            };
        }
    }
}

/// Since Linux 6.2 the size of the folder is the number of open files, which everybody may ask for.
fn told_files(process: &Path) -> Option<u64> {
    let size = std::fs::metadata(process.join("fd")).ok()?.len();
    (size > 0).then_some(size)
}
