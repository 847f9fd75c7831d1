//! Follows HTTP/1.1 as its bytes arrive, and finds what a server must refuse (RFC 9112) and our HTTP library takes: it hides
//! a `Content-Length` beside a `Transfer-Encoding`, the fragment of a target, and waits for more after a lone CR.

use super::MOST_HEAD_BYTES;

/// A line that begins a connection of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The memory for a line that a connection keeps after a longer one.
const KEPT_LINE_BYTES: usize = 256;

/// The message is ambiguous and is refused with 400.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Where, in the bytes that were given, the line begins that is wrong.
    pub(super) at: usize,
}

/// Where in the stream of messages we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// In the head of a message, or before it.
    Head,
    /// In a body of known length.
    Body(u64),
    /// In the line that says how long a chunk is.
    ChunkSize,
    /// In a chunk.
    Chunk(u64),
    /// At the end of a chunk.
    ChunkEnd,
    /// In the fields after the last chunk.
    Trailer,
    /// This is not HTTP/1.1, or the library refuses it anyway: nothing is looked at.
    Unwatched,
}

/// Follows one connection.
pub(super) struct Framing {
    part: Part,
    /// What is known of a line that is not there in full.
    line: Vec<u8>,
    head: Head,
    /// Whether a message was seen to its end.
    begun: bool,
    http2: bool,
}

/// What is known of a head.
#[derive(Default)]
struct Head {
    bytes: usize,
    started: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { part: Part::Head, line: Vec::new(), head: Head::default(), begun: false, http2: false }
    }

    /// Whether the head of a message has begun and is not there in full.
    pub(super) fn in_head(&self) -> bool {
        self.part == Part::Head && self.head.bytes > 0
    }

    /// Whether the client speaks HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    /// Follows the next bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            match self.part {
                Part::Unwatched => return Ok(()),
                Part::Body(left) | Part::Chunk(left) => {
                    let here = left.min((bytes.len() - at) as u64);
                    at += usize::try_from(here).unwrap_or(usize::MAX);
                    self.part = match self.part {
                        Part::Body(_) if left == here => Part::Head,
                        Part::Body(_) => Part::Body(left - here),
                        _ if left == here => Part::ChunkEnd,
                        _ => Part::Chunk(left - here),
                    };
                }
                Part::Head | Part::ChunkSize | Part::ChunkEnd | Part::Trailer => {
                    let rest = &bytes[at..];
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    let here = end.map_or(rest.len(), |end| end + 1);
                    self.take(&rest[..here]).ok_or(Malformed { at })?;
                    at += here;
                }
            }
        }
        Ok(())
    }

    /// Takes what is there of a line.
    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        self.head.bytes += bytes.len();
        if self.head.bytes > 2 * MOST_HEAD_BYTES {
            // The library refuses a head of this size with 431, and so much of anything else where a head could be.
            self.part = Part::Unwatched;
            self.line = Vec::new();
            return Some(());
        }
        if self.line.is_empty() && bytes.ends_with(b"\n") {
            return self.line(bytes);
        }
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") {
            let line = std::mem::take(&mut self.line);
            let taken = self.line(&line);
            self.line = line;
            self.line.clear();
            self.line.shrink_to(KEPT_LINE_BYTES);
            return taken;
        }
        // A lone CR is found as soon as something follows it.
        let known = self.line.len().saturating_sub(1);
        (!self.line[..known].contains(&b'\r')).then_some(())
    }

    /// Understands a whole line, its end included.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') {
            return None;
        }
        match self.part {
            Part::Head => self.head_line(line),
            Part::ChunkSize => {
                let size = chunk_size(line)?;
                self.part = if size == 0 { Part::Trailer } else { Part::Chunk(size) };
                self.head.bytes = 0;
                Some(())
            }
            Part::ChunkEnd => {
                self.part = Part::ChunkSize;
                self.head.bytes = 0;
                line.is_empty().then_some(())
            }
            Part::Trailer => {
                if line.is_empty() {
                    self.next_message(Part::Head);
                }
                Some(())
            }
            Part::Body(_) | Part::Chunk(_) | Part::Unwatched => Some(()),
        }
    }

    fn head_line(&mut self, line: &[u8]) -> Option<()> {
        if !self.head.started {
            if line.is_empty() {
                // Empty lines before a message mean nothing (RFC 9112, 2.2).
                self.head.bytes = 0;
                return Some(());
            }
            if !self.begun && line == PREFACE {
                (self.part, self.http2) = (Part::Unwatched, true);
                return Some(());
            }
            self.head.started = true;
            // The fragment of a URI is never sent (RFC 9112, 3.2).
            return (!line.contains(&b'#')).then_some(());
        }
        if line.is_empty() {
            let Head { length, chunked, .. } = self.head;
            let part = match (chunked, length) {
                (true, _) => Part::ChunkSize,
                (false, Some(length)) if length > 0 => Part::Body(length),
                (false, _) => Part::Head,
            };
            self.next_message(part);
            return Some(());
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10)?;
            if self.head.length.is_some_and(|other| other != length) {
                return None;
            }
            self.head.length = Some(length);
        }
        // With both, two servers can see two different messages (RFC 9112, 6.1).
        (!(self.head.chunked && self.head.length.is_some())).then_some(())
    }

    /// The head, or the whole message, was there: what follows is this.
    fn next_message(&mut self, part: Part) {
        (self.part, self.head, self.begun) = (part, Head::default(), true);
    }
}

/// The size of a chunk; what else is in its line has no meaning for us.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    number(digits, 16)
}

/// A number of nothing but digits.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n";

    /// Whether it is taken, whatever pieces it comes in.
    fn is_taken(text: &str) -> bool {
        let whole = Framing::new().follow(text.as_bytes()).is_ok();
        for size in 1..9 {
            let mut framing = Framing::new();
            let pieces = text.as_bytes().chunks(size).all(|piece| framing.follow(piece).is_ok());
            assert_eq!(pieces, whole, "in pieces of {size}: {text:?}");
        }
        whole
    }

    #[test]
    fn messages_that_follow_each_other_are_told_apart() {
        let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
        for first in [
            format!("{GET}\r\n"),
            post("content-length: 7\r\n", "a#\r\r\nb\n"),
            post("Content-Length: 2\r\ncontent-length: 2\r\n", "\r\r"),
            post("transfer-encoding: chunked\r\n", "3;x=y\r\n\r\rx\r\nA \r\n0123456789\r\n0\r\na: b\r\n\r\n"),
            "\r\n\nGET / HTTP/1.0\n\n".to_owned(),
        ] {
            assert!(is_taken(&format!("{first}{GET}\r\n")), "{first:?}");
            assert!(!is_taken(&format!("{first}{GET}a: b\rc\r\n\r\n")), "{first:?}");
        }
    }

    #[test]
    fn what_two_servers_could_read_differently_is_found() {
        for wrong in [
            "GET /\r HTTP/1.1\r\n",
            "\rGET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\rhost: a\r\n",
            "GET /#a HTTP/1.1\r\n",
            &format!("{GET}a: b\rc\r\n\r\n"),
            &format!("{GET}\r\r\n"),
            &format!("{GET}no colon\r\n\r\n"),
            &format!("{GET}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"),
            &format!("{GET}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n"),
            &format!("{GET}content-length: 5\r\ncontent-length: 6\r\n\r\n"),
            &format!("{GET}content-length: +5\r\n\r\n"),
            &format!("{GET}content-length: 5, 5\r\n\r\n"),
            &format!("{GET}transfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"),
            &format!("{GET}transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
            &format!("{GET}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
            &format!("{GET}transfer-encoding: chunked\r\n\r\n0;a\rb\r\n\r\n"),
        ] {
            assert!(!is_taken(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_connection_does_not_keep_the_memory_of_a_long_line() {
        let mut framing = Framing::new();
        for piece in [GET, "a: ", &"b".repeat(MOST_HEAD_BYTES / 2), "\r\n", "\r\n"] {
            assert_eq!(framing.follow(piece.as_bytes()), Ok(()));
        }
        assert!(framing.line.capacity() <= KEPT_LINE_BYTES, "{}", framing.line.capacity());
    }

    #[test]
    fn http_2_is_known_by_its_first_line_and_not_followed() {
        let mut framing = Framing::new();
        for piece in [&b"PRI * HT"[..], b"TP/2.0\r\n\r\nSM\r\n\r\n\r\r\0\0"] {
            assert_eq!(framing.follow(piece), Ok(()));
        }
        assert!(framing.is_http2());
        let mut framing = Framing::new();
        assert_eq!(framing.follow(format!("{GET}\r\nPRI * HTTP/2.0\r\n").as_bytes()), Ok(()));
        assert!(!framing.is_http2() && framing.in_head());
    }
}
