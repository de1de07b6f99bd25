//! The socket in the data folder: one JSON line in, one JSON line out, for root and the folder's owner alone.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Answer, Command};
use crate::ops::Ops;

/// Longest command.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// Longest wait for a server's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The same while gigabytes are copied.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Begins to listen; what an earlier process left behind is removed (we own the folder's lock).
///
/// # Errors
/// The socket cannot be made.
pub fn listen(ops: &Ops) -> std::io::Result<UnixListener> {
    let path = ops.admin_socket();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // No moment in which others could connect: the folder is closed to them, and so is the socket.
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(&path);
    nix::sys::stat::umask(before);
    let listener = listener?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves commands until the server stops.
pub async fn serve(ops: Ops, listener: UnixListener) {
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let ops = ops.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(&ops, stream).await {
                            tracing::warn!(%error, "a local command broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "local commands cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn answer(ops: &Ops, mut stream: UnixStream) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let owner = std::fs::metadata(ops.data_path())?.uid();
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(COMMAND_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer = if uid != 0 && uid != owner {
        Answer::failed(
            3,
            "only root and the owner of the data folder may give commands",
        )
    } else {
        match serde_json::from_str::<Command>(&line) {
            Ok(command) => super::execute::execute(ops, uid, command).await,
            Err(error) => Answer::failed(
                2,
                format!("the server does not know this command (another version?): {error}"),
            ),
        }
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
}

/// Asks the running server, if there is one.
///
/// # Errors
/// It answered what cannot be understood, or not at all.
pub fn ask(data: &Path, command: &Command) -> std::io::Result<Option<Answer>> {
    let mut stream = match std::os::unix::net::UnixStream::connect(data.join("admin.sock")) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let timeout = match command {
        Command::BackupCreate { .. } => BACKUP_TIMEOUT,
        _ => ANSWER_TIMEOUT,
    };
    stream.set_read_timeout(Some(timeout))?;
    let mut bytes = serde_json::to_vec(command)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(Some(serde_json::from_str(&line)?))
}
