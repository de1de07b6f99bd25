//! What the operating system lets this process hold open: each agent keeps a connection.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files and sockets this process may hold to all that it is allowed; says how many those are.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}
