//! What was found, kept in the state folder over restarts of the agent.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::SERVERS_MAX;
use super::known::{Known, Remembered};
use crate::log;

const BYTES_MAX: u64 = 1024 * 1024;
/// What was last seen a little later is no reason to write.
const WRITE_EVERY_MS: i64 = 3_600_000;

/// The file.
#[derive(Debug)]
pub struct Memory {
    path: Option<PathBuf>,
    written: Vec<Remembered>,
    written_at_ms: i64,
}

impl Memory {
    /// Remembers nothing without a path.
    pub fn at(path: Option<PathBuf>) -> Self {
        Self {
            path,
            written: Vec::new(),
            written_at_ms: 0,
        }
    }

    /// What it holds; a damaged file holds nothing, and is written anew.
    pub fn read(&self) -> Vec<Remembered> {
        let Some(path) = &self.path else {
            return Vec::new();
        };
        let mut text = String::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                log::warn(format!(
                    "{}: {error}; servers found before are not known",
                    path.display()
                ));
                return Vec::new();
            }
        }
        match serde_json::from_str::<Vec<Remembered>>(&text) {
            Ok(mut servers) => {
                servers.truncate(SERVERS_MAX);
                servers
            }
            Err(error) => {
                log::warn(format!(
                    "{} is damaged ({error}); servers found before are not known",
                    path.display()
                ));
                Vec::new()
            }
        }
    }

    /// Writes it when something else than the time is new.
    pub fn write<'a>(
        &mut self,
        known: impl Iterator<Item = &'a Known>,
        now_ms: i64,
    ) -> Result<(), String> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let servers: Vec<Remembered> = known.take(SERVERS_MAX).map(Known::remember).collect();
        let timeless = |servers: &[Remembered]| -> Vec<Remembered> {
            let mut servers = servers.to_vec();
            for server in &mut servers {
                server.last_seen_s = 0;
            }
            servers
        };
        let is_recent = now_ms.saturating_sub(self.written_at_ms) < WRITE_EVERY_MS;
        if is_recent && timeless(&servers) == timeless(&self.written) {
            return Ok(());
        }
        let fresh = path.with_extension("json.new");
        let text = serde_json::to_vec(&servers).map_err(|error| error.to_string())?;
        // Losing it in a power cut costs only what was gone already, so it is not synced.
        std::fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| std::fs::rename(&fresh, path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        self.written = servers;
        self.written_at_ms = now_ms;
        Ok(())
    }
}
