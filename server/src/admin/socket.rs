//! The socket in the data folder: one JSON line in; an empty line at once and one JSON line out, for root and the folder's
//! owner alone.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Answer, Command};
use crate::ops::Ops;

/// Longest command.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// What a server says at once, before it does what it was told: so a stopped one is told from one that works.
const HEARD: &str = "\n";
/// Longest wait for a server to say that it has the command.
const HEARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for its answer then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The same while gigabytes are copied.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Why a running server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It took no notice.
    #[error(
        "the server that has {socket} does not react for {seconds} s: it is stopped, or has far too much to do; look at its log (journalctl -u operations-center), let it go on (kill -CONT) or start it again; nothing was done"
    )]
    Silent {
        /// Where.
        socket: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It began.
    #[error(
        "the server that has {socket} has the command and is not done with it after {seconds} s; it may still do it: look at its log and at what is there before you try again"
    )]
    Unfinished {
        /// Where.
        socket: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It answered in no way that can be understood, or hung up.
    #[error("the server that has {socket} cannot be asked: {source}")]
    Io {
        /// Where.
        socket: String,
        /// Why not.
        source: io::Error,
    },
}

impl AskError {
    /// Exit code of a command that ended so (contracts.md).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Silent { .. } | Self::Unfinished { .. } => 5,
            Self::Io { .. } => 1,
        }
    }
}

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
    writer.write_all(HEARD.as_bytes()).await?;
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
/// It answered what cannot be understood, or not in time.
pub fn ask(data: &Path, command: &Command) -> Result<Option<Answer>, AskError> {
    let patience = match command {
        Command::BackupCreate { .. } => BACKUP_TIMEOUT,
        _ => ANSWER_TIMEOUT,
    };
    ask_within(data, command, HEARD_TIMEOUT, patience)
}

fn ask_within(
    data: &Path,
    command: &Command,
    heard: Duration,
    patience: Duration,
) -> Result<Option<Answer>, AskError> {
    let path = data.join("admin.sock");
    let socket = || path.display().to_string();
    let failed = |source| AskError::Io {
        socket: socket(),
        source,
    };
    let late = |error: io::Error, is_heard: bool| match (is_timeout(&error), is_heard) {
        (false, _) => failed(error),
        (true, false) => AskError::Silent {
            socket: socket(),
            seconds: heard.as_secs(),
        },
        (true, true) => AskError::Unfinished {
            socket: socket(),
            seconds: patience.as_secs(),
        },
    };
    let mut stream = match connect(&path, heard) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(late(error, false)),
    };
    let mut bytes = serde_json::to_vec(command).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    stream
        .set_write_timeout(Some(heard))
        .and_then(|()| stream.set_read_timeout(Some(heard)))
        .map_err(failed)?;
    stream
        .write_all(&bytes)
        .map_err(|error| late(error, false))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .map_err(|error| late(error, false))?;
    if line == HEARD {
        let stream = reader.get_ref();
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        line.clear();
        reader
            .read_line(&mut line)
            .map_err(|error| late(error, true))?;
    }
    let answer = serde_json::from_str(&line).map_err(|error| failed(error.into()))?;
    Ok(Some(answer))
}

/// Connects in a thread of its own: a stopped server whose queue is full would keep us waiting without end.
fn connect(path: &Path, patience: Duration) -> io::Result<std::os::unix::net::UnixStream> {
    let (connected, came) = std::sync::mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || connected.send(std::os::unix::net::UnixStream::connect(path)));
    came.recv_timeout(patience)
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn ask_quickly(data: &Path) -> Result<Option<Answer>, AskError> {
        let (heard, patience) = (Duration::from_millis(300), Duration::from_millis(600));
        ask_within(data, &Command::UserList, heard, patience)
    }

    #[test]
    fn whoever_takes_no_notice_is_told_from_whoever_is_slow() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        assert!(ask_quickly(data).unwrap().is_none(), "no server");
        let path = data.join("admin.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let silent = ask_quickly(data).unwrap_err();
        assert!(matches!(silent, AskError::Silent { .. }), "{silent}");
        assert!(silent.to_string().contains(path.to_str().unwrap()));
        let read_command = |stream: &std::os::unix::net::UnixStream| {
            let mut command = String::new();
            BufReader::new(stream).read_line(&mut command).unwrap();
            assert!(command.contains("user"), "{command}");
        };
        let slow = std::thread::spawn(move || {
            let _unread = listener.accept().unwrap();
            let (mut slow, _) = listener.accept().unwrap();
            read_command(&slow);
            slow.write_all(HEARD.as_bytes()).unwrap();
            let mut all = String::new();
            // Until whoever asked has gone.
            BufReader::new(&slow).read_to_string(&mut all).unwrap();
            let (mut prompt, _) = listener.accept().unwrap();
            read_command(&prompt);
            let mut answer = HEARD.to_owned();
            answer += &serde_json::to_string(&Answer::failed(3, "no")).unwrap();
            prompt.write_all(answer.as_bytes()).unwrap();
            drop(prompt);
            // One of a version that says nothing before its answer.
            let (mut before, _) = listener.accept().unwrap();
            read_command(&before);
            before.write_all(&answer.as_bytes()[HEARD.len()..]).unwrap();
        });
        let unfinished = ask_quickly(data).unwrap_err();
        assert!(
            matches!(unfinished, AskError::Unfinished { .. }),
            "{unfinished}"
        );
        assert_eq!(unfinished.exit_code(), 5);
        for _ in 0..2 {
            assert_eq!(ask_quickly(data).unwrap().unwrap().exit, 3);
        }
        slow.join().unwrap();
    }
}
