//! Backups: made by the server, checked and restored without one.

use std::path::PathBuf;

use clap::Subcommand;

use super::local::local;
use super::{DataArgs, chain, complain, print, runtime};
use crate::admin::Command;
use crate::backup;
use crate::events::Actor;

#[derive(Debug, Subcommand)]
pub(super) enum BackupAction {
    /// Write a backup, also while the server runs
    #[command(after_help = "Example:\n  operations-center backup create /mnt/backup/oc.tar")]
    Create {
        /// File to write; it must not exist
        file: PathBuf,
    },
    /// Check a backup: digests, databases, audit log
    #[command(after_help = "Example:\n  operations-center backup verify /mnt/backup/oc.tar")]
    Verify {
        /// A backup
        file: PathBuf,
    },
    /// Put a backup into an empty folder
    #[command(
        after_help = "Example:\n  operations-center backup restore /mnt/backup/oc.tar --data ./restored"
    )]
    Restore {
        /// A backup
        file: PathBuf,
    },
}

pub(super) fn run_backup(data: &DataArgs, action: BackupAction) -> u8 {
    let result = match action {
        BackupAction::Create { file } => {
            return match std::path::absolute(&file) {
                Ok(file) => local(data, Command::BackupCreate { file }),
                Err(error) => {
                    complain(&format!("{}: {error}", file.display()));
                    2
                }
            };
        }
        BackupAction::Verify { file } => {
            runtime().map(|runtime| runtime.block_on(backup::verify::verify(&file)))
        }
        BackupAction::Restore { file } => {
            let who = Actor::CommandLine(nix::unistd::getuid().as_raw());
            runtime()
                .map(|runtime| runtime.block_on(backup::restore::restore(&file, &data.data, who)))
        }
    };
    match result {
        Ok(Ok(verified)) => {
            let manifest = &verified.manifest;
            let made = domain::time::format_utc(domain::time::Timestamp(manifest.created_at_ms));
            if data.json {
                let json = serde_json::json!({ "ok": true, "version": manifest.version,
                    "created_at_ms": manifest.created_at_ms, "events": verified.events, "files": manifest.files });
                print(&json.to_string());
            } else {
                print(&format!(
                    "ok, made {made} by version {}, {} events",
                    manifest.version, verified.events
                ));
            }
            0
        }
        Ok(Err(error)) => {
            complain(&chain(&error));
            1
        }
        Err(code) => code,
    }
}
