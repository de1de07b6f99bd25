//! An HTTP/1.1 answer out of the bytes that came. Pure: whoever reads the socket asks again when there are more.
//!
//! Called by [`super::connection`]. Any bytes are an answer, the beginning of one, or an error; nothing in them is taken
//! for true before [`crate::session`] has checked its authentication code.

use super::{ANSWER_BYTES_MAX, Answer};

/// Greatest head of an answer.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Bytes that are no answer which could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not HTTP, or a part of it that leads to different lengths.
    #[error("what came back is no HTTP answer ({0})")]
    NoAnswer(&'static str),
    /// More than is read.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// It ended too early.
    #[error("the connection was closed in the middle of the answer")]
    Cut,
    /// It ended before it began.
    #[error("the connection was closed without an answer")]
    Nothing,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// What it says.
    pub answer: Answer,
    /// Can the connection be used again?
    pub is_kept: bool,
}

/// Reads what came so far; `None` when more has to come. `is_end`: nothing more will.
///
/// # Errors
/// It will never be an answer.
pub fn read(bytes: &[u8], is_end: bool) -> Result<Option<Whole>, Unreadable> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(len) = head_len(rest) else {
            return match (is_end, bytes.is_empty()) {
                _ if rest.len() > HEAD_BYTES_MAX => {
                    Err(Unreadable::NoAnswer("its head is too long"))
                }
                (true, true) => Err(Unreadable::Nothing),
                (true, false) => Err(Unreadable::Cut),
                (false, _) => Ok(None),
            };
        };
        let head = Head::parse(rest.get(..len).unwrap_or_default())?;
        at += len;
        // Told on the way to the answer: 100 Continue and the like.
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        return head.with_body(bytes.get(at..).unwrap_or_default(), is_end);
    }
}

/// Reads a proxy's answer to CONNECT: its status. One that leads on (2xx) has no body whatever its head says (RFC 9110
/// §9.3.6): behind it the server is spoken to, who does not speak first. Of another only the status matters.
///
/// # Errors
/// It will never be an answer, or somebody speaks before being spoken to.
pub fn read_way(bytes: &[u8], is_end: bool) -> Result<Option<u16>, Unreadable> {
    let Some(len) = head_len(bytes) else {
        return match (is_end, bytes.is_empty()) {
            _ if bytes.len() > HEAD_BYTES_MAX => Err(Unreadable::NoAnswer("its head is too long")),
            (true, true) => Err(Unreadable::Nothing),
            (true, false) => Err(Unreadable::Cut),
            (false, _) => Ok(None),
        };
    };
    let text = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default());
    let (_, status) = status_line(text.split("\r\n").next().unwrap_or_default())?;
    if (200..300).contains(&status) && bytes.len() > len {
        return Err(Unreadable::NoAnswer("a proxy says more than it was asked"));
    }
    Ok(Some(status))
}

/// The version and the status.
fn status_line(line: &str) -> Result<(&str, u16), Unreadable> {
    let (version, rest) = line
        .split_once(' ')
        .ok_or(Unreadable::NoAnswer("it has no status line"))?;
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(Unreadable::NoAnswer("it is not of HTTP/1.1"));
    }
    let status = rest
        .get(..3)
        .filter(|_| rest.as_bytes().get(3).is_none_or(|next| *next == b' '))
        .and_then(digits)
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| *status >= 100)
        .ok_or(Unreadable::NoAnswer("it has no status"))?;
    Ok((version, status))
}

/// Up to and with the empty line.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let within = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let end = within.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
    UntilEnd,
}

struct Head {
    status: u16,
    auth: Option<String>,
    retry_after_ms: Option<u64>,
    date: Option<String>,
    body: Body,
    is_kept: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        // Servers in between write what they like into headers that nobody needs.
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let (version, status) = status_line(lines.next().unwrap_or_default())?;
        let mut head = Self {
            status,
            auth: None,
            retry_after_ms: None,
            date: None,
            body: Body::UntilEnd,
            is_kept: version == "HTTP/1.1",
        };
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line
                .split_once(':')
                .ok_or(Unreadable::NoAnswer("a line of its head has no name"))?;
            head.note(&name.to_ascii_lowercase(), value.trim())?;
        }
        if matches!(head.status, 204 | 304) {
            head.body = Body::Length(0);
        }
        head.is_kept &= !matches!(head.body, Body::UntilEnd);
        Ok(head)
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), Unreadable> {
        match name {
            protocol::http::HEADER_AUTH => self.auth = Some(value.to_owned()),
            "date" => self.date = Some(value.to_owned()),
            "retry-after" => {
                self.retry_after_ms = digits(value).map(|seconds| seconds.saturating_mul(1000));
            }
            "connection" => self.is_kept &= !value.to_ascii_lowercase().contains("close"),
            // Two lengths are how one answer becomes two.
            "content-length" => match (self.body, digits(value)) {
                (Body::UntilEnd, Some(length)) => self.body = Body::Length(length),
                _ => return Err(Unreadable::NoAnswer("its length is not one number")),
            },
            "transfer-encoding" => match self.body {
                Body::UntilEnd if value.eq_ignore_ascii_case("chunked") => {
                    self.body = Body::Chunked
                }
                _ => {
                    return Err(Unreadable::NoAnswer(
                        "its transfer encoding is not `chunked`",
                    ));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn with_body(self, bytes: &[u8], is_end: bool) -> Result<Option<Whole>, Unreadable> {
        let read = match self.body {
            Body::Length(length) if length > ANSWER_BYTES_MAX => return Err(Unreadable::TooLong),
            Body::Length(length) => usize::try_from(length)
                .ok()
                .and_then(|length| bytes.split_at_checked(length))
                .map(|(body, rest)| (body.to_vec(), rest.is_empty())),
            Body::Chunked => chunked(bytes)?.map(|(body, used)| (body, used == bytes.len())),
            Body::UntilEnd if bytes.len() as u64 > ANSWER_BYTES_MAX => {
                return Err(Unreadable::TooLong);
            }
            Body::UntilEnd => is_end.then(|| (bytes.to_vec(), false)),
        };
        match read {
            Some((body, is_all)) => Ok(Some(Whole {
                answer: Answer {
                    status: self.status,
                    auth: self.auth,
                    retry_after_ms: self.retry_after_ms,
                    date: self.date,
                    body,
                },
                // What nobody asked for belongs to no answer of ours.
                is_kept: self.is_kept && is_all,
            })),
            None if is_end => Err(Unreadable::Cut),
            None => Ok(None),
        }
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The body out of chunks, and the bytes they took; `None` when more has to come.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Unreadable> {
    const BAD: Unreadable = Unreadable::NoAnswer("a chunk has no length");
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some((line, after)) = line(bytes, at)? else {
            return Ok(None);
        };
        let length = line.split(|b| *b == b';').next().unwrap_or_default();
        let length = std::str::from_utf8(length.trim_ascii()).map_err(|_| BAD)?;
        if !length.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BAD);
        }
        let length = usize::from_str_radix(length, 16).map_err(|_| BAD)?;
        if length == 0 {
            return trailers(bytes, after).map(|end| end.map(|end| (body, end)));
        }
        if body.len().saturating_add(length) as u64 > ANSWER_BYTES_MAX {
            return Err(Unreadable::TooLong);
        }
        let rest = bytes.get(after..).unwrap_or_default();
        let Some((chunk, rest)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        match rest.get(..2) {
            Some(b"\r\n") => at = after + length + 2,
            Some(_) => return Err(Unreadable::NoAnswer("a chunk is longer than its length")),
            None => return Ok(None),
        }
    }
}

/// Where the lines behind the last chunk end; they say nothing that is needed.
fn trailers(bytes: &[u8], mut at: usize) -> Result<Option<usize>, Unreadable> {
    let first = at;
    loop {
        match line(bytes, at)? {
            None => return Ok(None),
            Some(([], after)) => return Ok(Some(after)),
            Some((_, after)) if after - first > HEAD_BYTES_MAX => return Err(Unreadable::TooLong),
            Some((_, after)) => at = after,
        }
    }
}

/// A line of the chunks' frame, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Unreadable> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.windows(2).position(|two| two == b"\r\n") {
        Some(len) if len <= CHUNK_LINE_BYTES_MAX => {
            Ok(Some((rest.get(..len).unwrap_or_default(), at + len + 2)))
        }
        None if rest.len() <= CHUNK_LINE_BYTES_MAX => Ok(None),
        _ => Err(Unreadable::NoAnswer("a line between chunks is too long")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Whole {
        read(text.as_bytes(), false).unwrap().unwrap()
    }

    fn error(text: &str) -> Unreadable {
        read(text.as_bytes(), true).unwrap_err()
    }

    #[test]
    fn an_answer_is_read_with_what_is_needed_of_its_head() {
        let read = whole(
            "HTTP/1.1 503 Service Unavailable\r\nOC-Auth: abc\r\nretry-after: 7\r\nDate: now\r\n\
             Content-Length: 5\r\nx: y\r\n\r\nhello",
        );
        assert!(read.is_kept);
        let answer = read.answer;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (503, &b"hello"[..])
        );
        assert_eq!(answer.auth.as_deref(), Some("abc"));
        assert_eq!(answer.retry_after_ms, Some(7_000));
        assert_eq!(answer.date.as_deref(), Some("now"));
    }

    #[test]
    fn chunks_are_put_together_and_what_comes_before_an_answer_is_passed_over() {
        let read = whole(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        );
        assert_eq!(
            (read.answer.body.as_slice(), read.is_kept),
            (&b"abc0123456789"[..], true)
        );
    }

    #[test]
    fn a_connection_is_kept_only_where_the_end_of_the_answer_is_its_own() {
        assert!(
            !whole("HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n").is_kept
        );
        assert!(!whole("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").is_kept);
        assert!(!whole("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK").is_kept);
        assert!(whole("HTTP/1.1 204 No Content\r\n\r\n").is_kept);
        let open = b"HTTP/1.1 200 OK\r\n\r\nhello";
        assert_eq!(read(open, false), Ok(None));
        let ended = read(open, true).unwrap().unwrap();
        assert_eq!(
            (ended.answer.body.as_slice(), ended.is_kept),
            (&b"hello"[..], false)
        );
    }

    #[test]
    fn a_proxy_leads_on_when_its_head_has_ended() {
        let read = |text: &str| read_way(text.as_bytes(), false);
        let usual = "HTTP/1.1 200 Connection established\r\n\r\n";
        assert_eq!(read(usual), Ok(Some(200)));
        assert_eq!(read(&usual[..usual.len() - 1]), Ok(None));
        assert_eq!(
            read("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nProxy-Agent: x\r\n\r\n"),
            Ok(Some(200))
        );
        assert_eq!(
            read("HTTP/1.1 407 No\r\ncontent-length: 3\r\n\r\nno!"),
            Ok(Some(407))
        );
        for bad in [format!("{usual}\x16"), "SSH-2.0\r\n\r\n".to_owned()] {
            assert!(
                matches!(read(&bad), Err(Unreadable::NoAnswer(_))),
                "{bad:?}"
            );
        }
        assert_eq!(read_way(b"", true), Err(Unreadable::Nothing));
        assert_eq!(read_way(b"HTTP/1.1 2", true), Err(Unreadable::Cut));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        assert_eq!(error(""), Unreadable::Nothing);
        assert_eq!(error("HTTP/1.1 200 OK\r\n"), Unreadable::Cut);
        assert_eq!(
            error("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"),
            Unreadable::Cut
        );
        assert_eq!(
            error("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab"),
            Unreadable::Cut
        );
        for text in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(matches!(error(text), Unreadable::NoAnswer(_)), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_read_without_end() {
        let long = "x".repeat(HEAD_BYTES_MAX + 1);
        assert!(matches!(
            read(long.as_bytes(), false),
            Err(Unreadable::NoAnswer(_))
        ));
        let too_long = |text: &str| read(text.as_bytes(), false).unwrap_err();
        assert_eq!(
            too_long("HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n"),
            Unreadable::TooLong
        );
        assert_eq!(
            too_long("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            Unreadable::TooLong
        );
        let body = "x".repeat(65_537);
        assert_eq!(
            too_long(&format!("HTTP/1.1 200 OK\r\n\r\n{body}")),
            Unreadable::TooLong
        );
        let line = "0".repeat(CHUNK_LINE_BYTES_MAX + 1);
        let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{line}");
        assert!(matches!(too_long(&chunks), Unreadable::NoAnswer(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..300), is_framed: bool, is_end: bool,
        ) {
            let mut all = Vec::new();
            if is_framed {
                all.extend_from_slice(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            }
            all.extend(bytes);
            let read = read(&all, is_end);
            prop_assert!(!is_end || !matches!(read, Ok(None)));
        }

        /// However an answer arrives in pieces, it is the same, and none before it is whole.
        #[test]
        fn an_answer_is_the_same_in_any_pieces(
            body in prop::collection::vec(any::<u8>(), 0..200), sizes in prop::collection::vec(1usize..50, 1..20), is_chunked: bool,
        ) {
            let mut all = b"HTTP/1.1 200 OK\r\n".to_vec();
            if is_chunked {
                all.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                let mut rest = body.as_slice();
                for size in sizes {
                    let (chunk, after) = rest.split_at(size.min(rest.len()));
                    if !chunk.is_empty() {
                        all.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
                    }
                    rest = after;
                }
                if !rest.is_empty() {
                    all.extend(format!("{:X}\r\n", rest.len()).bytes().chain(rest.iter().copied()).chain(*b"\r\n"));
                }
                all.extend_from_slice(b"0\r\n\r\n");
            } else {
                all.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                all.extend_from_slice(&body);
            }
            for len in 0..all.len() {
                prop_assert_eq!(read(&all[..len], false), Ok(None));
                prop_assert!(read(&all[..len], true).is_err());
            }
            let whole = read(&all, false).unwrap().unwrap();
            prop_assert_eq!(whole.answer.body, body);
            prop_assert!(whole.is_kept);
        }
    }
}
