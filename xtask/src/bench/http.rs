//! As much HTTP/1.1 as is needed to ask a program on this machine and to count what travels: whole
//! messages by `Content-Length` or in chunks, one after the other.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A request or an answer, exactly as it travelled.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub bytes: Vec<u8>,
    head_bytes: usize,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Message {
    /// The next one; `None` when the other side has closed.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let left = HEAD_BYTES_MAX.saturating_sub(bytes.len() as u64);
            if reader.by_ref().take(left).read_until(b'\n', &mut bytes)? == 0 {
                return match bytes.len() {
                    0 => Ok(None),
                    _ => Err(wrong("an HTTP head that does not end")),
                };
            }
        }
        let mut message = Self {
            head_bytes: bytes.len(),
            bytes,
        };
        if message.header("transfer-encoding").is_some() {
            message.read_chunks(reader)?;
        } else if let Some(length) = message.header("content-length") {
            let length = length
                .parse()
                .map_err(|_| wrong("a Content-Length that is no number"))?;
            message.read_bytes(reader, length)?;
        }
        Ok(Some(message))
    }

    fn read_bytes(&mut self, reader: &mut impl BufRead, length: u64) -> io::Result<()> {
        let so_far = self.bytes.len() as u64;
        if so_far.saturating_add(length) > BODY_BYTES_MAX {
            return Err(wrong("an HTTP body larger than is counted here"));
        }
        let read = reader.by_ref().take(length).read_to_end(&mut self.bytes)?;
        if read as u64 == length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn read_line(&mut self, reader: &mut impl BufRead) -> io::Result<String> {
        let begin = self.bytes.len();
        reader
            .by_ref()
            .take(HEAD_BYTES_MAX)
            .read_until(b'\n', &mut self.bytes)?;
        let line = self.bytes.get(begin..).unwrap_or_default();
        if !line.ends_with(b"\n") {
            return Err(wrong("a chunk that does not end"));
        }
        Ok(String::from_utf8_lossy(line).trim().to_owned())
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        loop {
            let line = self.read_line(reader)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| wrong("a chunk whose size is no number"))?;
            if size == 0 {
                break;
            }
            self.read_bytes(reader, size.saturating_add(2))?;
        }
        // Trailers, to the empty line.
        while !self.read_line(reader)?.is_empty() {}
        Ok(())
    }

    fn head(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes.get(..self.head_bytes).unwrap_or_default())
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head().lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// The second word of the first line: a request's path, an answer's status.
    pub fn target(&self) -> String {
        self.head()
            .lines()
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap_or_default()
            .to_owned()
    }
}

/// A request and its answer, as counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Without its query.
    pub path: String,
    pub status: u16,
    pub request_bytes: u64,
    pub answer_bytes: u64,
}

impl Exchange {
    pub fn of(request: &Message, answer: &Message) -> Self {
        let target = request.target();
        Self {
            path: target.split('?').next().unwrap_or_default().to_owned(),
            status: answer.target().parse().unwrap_or(0),
            request_bytes: request.bytes.len() as u64,
            answer_bytes: answer.bytes.len() as u64,
        }
    }
}

/// One kept connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            address,
        })
    }

    /// Passes a message on.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        self.stream.get_mut().write_all(&message.bytes)
    }

    pub fn receive(&mut self) -> io::Result<Message> {
        Message::read(&mut self.stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Exchange> {
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let request = Message {
            head_bytes: head.len(),
            bytes: head.into_bytes(),
        };
        self.send(&request)?;
        Ok(Exchange::of(&request, &self.receive()?))
    }
}

impl Connection {
    /// A form as a browser's own page sends it.
    pub fn post_form(&mut self, path: &str, form: &str) -> io::Result<Message> {
        let address = self.address;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        self.send(&Message {
            head_bytes: head.len(),
            bytes: (head + form).into_bytes(),
        })?;
        self.receive()
    }
}

/// The other end, for a proxy.
pub fn accepted(stream: TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// For a value in a query.
pub fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        while let Some(message) = Message::read(&mut bytes)? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn messages_end_where_their_heads_say() {
        let first = "POST /agent/v1/report?x=1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nab\r\nc";
        let second = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3;x\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
        let third = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let messages = read_all(format!("{first}{second}{third}").as_bytes()).unwrap();
        let texts: Vec<_> = messages
            .iter()
            .map(|message| String::from_utf8_lossy(&message.bytes))
            .collect();
        assert_eq!(texts, [first, second, third]);
        let expected = Exchange {
            path: "/agent/v1/report".to_owned(),
            status: 200,
            request_bytes: first.len() as u64,
            answer_bytes: second.len() as u64,
        };
        assert_eq!(Exchange::of(&messages[0], &messages[1]), expected);
    }

    #[test]
    fn what_is_cut_off_or_nonsense_is_an_error() {
        for bad in [
            "GET / HT",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
            "GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\nab",
            "GET / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nab",
            "x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        ] {
            assert!(read_all(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let endless = vec![b'x'; 100_000];
        assert!(read_all(&endless).is_err());
        let large = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nab";
        let error = read_all(large.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("larger"), "{error}");
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escaped("/var/lib a&b=ü"), "%2Fvar%2Flib%20a%26b%3D%C3%BC");
        assert_eq!(escaped("eth0-1_2.3~"), "eth0-1_2.3~");
    }
}
