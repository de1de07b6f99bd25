//! A file of /proc or /sys that stays open and is read again from its beginning into the same buffer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Nothing that is read here is longer; what is longer is cut.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
const FIRST_BYTES: usize = 4096;
const RELEASE_BYTES: usize = 64 * 1024;
/// The kernel gives as many whole lines as fit into a page. What leaves room for a longer line than there is was all.
const PAGE_BYTES: usize = 4096;
const LINE_BYTES_MAX: usize = 1024;

/// The file and what it last said.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    len: usize,
    read_at_ns: Option<u64>,
    has_long_lines: bool,
}

impl KeptFile {
    /// Nothing is opened yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            buffer: Vec::new(),
            len: 0,
            read_at_ns: None,
            has_long_lines: false,
        }
    }

    /// Of a file with lines of more than a kilobyte, such as mountinfo.
    pub fn with_long_lines(path: PathBuf) -> Self {
        Self {
            has_long_lines: true,
            ..Self::new(path)
        }
    }

    /// Where.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The open file, if any.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Reads it whole; within one round (`now_ns`) only once.
    ///
    /// # Errors
    /// It cannot be opened or read; the next call opens it anew.
    pub fn read(&mut self, now_ns: u64) -> io::Result<&[u8]> {
        if self.read_at_ns != Some(now_ns) {
            self.read_at_ns = None;
            self.len = match self.fill() {
                Ok(len) => len,
                Err(error) => {
                    self.file = None;
                    return Err(error);
                }
            };
            self.read_at_ns = Some(now_ns);
        }
        Ok(self.buffer.get(..self.len).unwrap_or_default())
    }

    /// Gives back the memory of an unusually long file; what it said is gone.
    pub fn release(&mut self) {
        if self.buffer.len() > RELEASE_BYTES {
            self.buffer = Vec::new();
            self.len = 0;
            self.read_at_ns = None;
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        if self.buffer.is_empty() {
            self.buffer.resize(FIRST_BYTES, 0);
        }
        let mut len = 0;
        loop {
            let Some(free) = self.buffer.get_mut(len..).filter(|free| !free.is_empty()) else {
                if self.buffer.len() >= FILE_BYTES_MAX {
                    return Ok(len);
                }
                self.buffer
                    .resize((self.buffer.len() * 2).min(FILE_BYTES_MAX), 0);
                continue;
            };
            let room = free.len();
            match file.read_at(free, len as u64) {
                Ok(0) => return Ok(len),
                Ok(read) => {
                    len += read;
                    let is_all = read < room && read + LINE_BYTES_MAX <= PAGE_BYTES;
                    if is_all && !self.has_long_lines {
                        return Ok(len);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// `NAME: why` for an outcome.
pub fn failed(path: &std::path::Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(path: PathBuf) -> [KeptFile; 2] {
        [KeptFile::new(path.clone()), KeptFile::with_long_lines(path)]
    }

    #[test]
    fn a_file_is_read_whole_whatever_its_length_and_again_from_its_beginning() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let edge = PAGE_BYTES - LINE_BYTES_MAX;
        let lens = [0, 1, edge - 1, edge, edge + 1, 4095, 4096, 4097, 100_000, 5];
        for mut file in kept(path.clone()) {
            for (at, len) in (1..).zip(lens) {
                std::fs::write(&path, vec![b'x'; len]).unwrap();
                assert_eq!(file.read(at).unwrap().len(), len);
            }
        }
    }

    /// The kernel gives what fits into a page and goes on at the next reading.
    #[test]
    fn a_file_of_the_kernel_that_is_longer_than_a_page_is_read_to_its_end() {
        // Each has a stack of its own, which are two lines.
        let threads: Vec<_> = (0..40)
            .map(|_| {
                let (tell, told) = std::sync::mpsc::channel::<()>();
                (std::thread::spawn(move || told.recv()), tell)
            })
            .collect();
        for mut file in kept("/proc/self/maps".into()) {
            let bytes = file.read(1).unwrap();
            assert!(bytes.len() > PAGE_BYTES, "{}", bytes.len());
            let text = String::from_utf8_lossy(bytes);
            assert!(text.contains("[stack]"), "{text}");
        }
        for (thread, tell) in threads {
            drop(tell);
            drop(thread.join());
        }
    }
}
