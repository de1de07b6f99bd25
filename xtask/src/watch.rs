//! `cargo xtask watch`: like `run`, and after each change of a source file what depends on it is
//! built again and restarted.
//!
//! Looks at modification times twice a second, which needs no library and works on every file
//! system. A build that fails leaves the old programs running. The browser is reloaded by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::args::Args;
use crate::process::Interrupted;
use crate::site::{self, Profile};
use crate::stack::{self, Stack};
use crate::workspace::files_beneath;
use crate::{Command, Context, WhenInterrupted, run};

pub const COMMAND: Command = Command {
    name: "watch",
    summary: "like run; rebuilds and restarts what a change touches",
    help: "\
Like run, and rebuilds and restarts what a changed source file touches.

Usage: cargo xtask watch [--listen ADDR] [--data DIR]

  --listen ADDR   where the server answers (default 127.0.0.1:7700; port 0 picks one)
  --data DIR      where both keep their files (default ./data)

A build that fails leaves the old programs running. Reload the page to see a change.

Example: cargo xtask watch --data /tmp/ops
",
    valued: stack::OPTIONS,
    switches: &[],
    when_interrupted: WhenInterrupted::Succeeds,
    main: watch,
};

const PERIOD: Duration = Duration::from_millis(500);

/// What has to be done again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Work {
    site: bool,
    server: bool,
    agent: bool,
}

impl Work {
    fn join(self, other: Self) -> Self {
        Self {
            site: self.site || other.site,
            server: self.server || other.server,
            agent: self.agent || other.agent,
        }
    }
}

/// Folders and what depends on them.
const SOURCES: &[(&str, Work)] = &[
    (
        "style",
        Work {
            site: true,
            server: false,
            agent: false,
        },
    ),
    (
        "public",
        Work {
            site: true,
            server: false,
            agent: false,
        },
    ),
    (
        "app",
        Work {
            site: true,
            server: true,
            agent: false,
        },
    ),
    (
        "server",
        Work {
            site: false,
            server: true,
            agent: false,
        },
    ),
    (
        "simulator",
        Work {
            site: false,
            server: true,
            agent: false,
        },
    ),
    (
        "agent",
        Work {
            site: false,
            server: false,
            agent: true,
        },
    ),
    (
        "domain",
        Work {
            site: true,
            server: true,
            agent: true,
        },
    ),
    (
        "protocol",
        Work {
            site: false,
            server: true,
            agent: true,
        },
    ),
];

type Times = BTreeMap<PathBuf, SystemTime>;

fn watch(context: &Context, args: &Args) -> anyhow::Result<()> {
    let root = &context.workspace.root;
    // Taken before the build, so that a change during it is not missed.
    let mut seen = times(root)?;
    run::build(context)?;
    let mut stack = Stack::new(context, args)?;
    stack.start()?;
    loop {
        if context.interrupt.sleep(PERIOD).is_err() {
            return stack.stop();
        }
        if let Some(ended) = stack.ended()? {
            eprintln!("{ended}; the next change starts it again");
        }
        let now = times(root)?;
        let work = changed(&seen, &now);
        if work == Work::default() {
            continue;
        }
        seen = now;
        match redo(context, &mut stack, work) {
            Ok(()) => eprintln!("up to date"),
            Err(error) if error.is::<Interrupted>() => return stack.stop(),
            Err(error) => eprintln!("{error:#}; waiting for the next change"),
        }
    }
}

fn redo(context: &Context, stack: &mut Stack, work: Work) -> anyhow::Result<()> {
    if work.site {
        let _lock = context.workspace.lock()?;
        site::build(context, Profile::Dev)?;
    }
    let server = work.server || !stack.has_server();
    let agent = work.agent || !stack.has_agent();
    if !server && !agent {
        return Ok(());
    }
    run::build_programs(context)?;
    if server {
        stack.stop_server()?;
        stack.start_server()?;
    }
    if agent {
        stack.stop_agent()?;
        stack.start_agent()?;
    }
    Ok(())
}

fn times(root: &Path) -> anyhow::Result<Times> {
    let mut times = Times::new();
    for (folder, _) in SOURCES {
        for file in files_beneath(&root.join(folder))? {
            let path = Path::new(folder).join(file);
            // A file may vanish between the two looks; then it counts as removed.
            if let Ok(time) =
                std::fs::metadata(root.join(&path)).and_then(|metadata| metadata.modified())
            {
                times.insert(path, time);
            }
        }
    }
    Ok(times)
}

/// What files that are new, gone or newer ask for. Tests are not part of any program.
fn changed(before: &Times, now: &Times) -> Work {
    let mut work = Work::default();
    for path in before.keys().chain(now.keys()) {
        if before.get(path) == now.get(path)
            || path
                .components()
                .nth(1)
                .is_some_and(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        for (folder, touched) in SOURCES {
            if path.starts_with(folder) {
                work = work.join(*touched);
            }
        }
    }
    work
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(entries: &[(&str, u64)]) -> Times {
        let time = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        entries
            .iter()
            .map(|&(path, seconds)| (PathBuf::from(path), time(seconds)))
            .collect()
    }

    #[test]
    fn a_change_asks_for_what_depends_on_it() {
        let before = at(&[
            ("style/main.css", 1),
            ("agent/src/main.rs", 1),
            ("agent/tests/a.rs", 1),
        ]);
        let case = |now: &[(&str, u64)]| {
            let work = changed(&before, &at(now));
            (work.site, work.server, work.agent)
        };
        let same = [
            ("style/main.css", 1),
            ("agent/src/main.rs", 1),
            ("agent/tests/a.rs", 1),
        ];
        assert_eq!(case(&same), (false, false, false));
        assert_eq!(
            case(&[("style/main.css", 2), same[1], same[2]]),
            (true, false, false),
            "newer"
        );
        assert_eq!(case(&[same[0], same[2]]), (false, false, true), "gone");
        assert_eq!(
            case(&[same[0], same[1], same[2], ("app/src/a.rs", 1)]),
            (true, true, false),
            "new"
        );
        assert_eq!(
            case(&[same[0], same[1], ("agent/tests/a.rs", 9)]),
            (false, false, false),
            "a test"
        );
    }
}
