//! Parses HTTP/1.1 as its bytes arrive, and finds messages that a server must refuse (RFC 9112) but our HTTP library accepts: a
//! `Content-Length` beside a `Transfer-Encoding`, the fragment of a target, a lone CR.

use super::MOST_HEAD_BYTES;

/// The line that starts an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The line buffer that a connection keeps after a longer line.
const KEPT_LINE_BYTES: usize = 256;

/// The message is ambiguous, and is refused with 400.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The offset of the invalid line in the given bytes.
    pub(super) at: usize,
}

/// The current part of the stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// In the head of a message, or before it.
    Head,
    /// In a body of known length.
    Body(u64),
    /// In the line with the size of a chunk.
    ChunkSize,
    /// In a chunk.
    Chunk(u64),
    /// At the end of a chunk.
    ChunkEnd,
    /// In the fields after the last chunk.
    Trailer,
    /// The stream is not checked: it is not HTTP/1.1, or the library refuses it anyway.
    Unwatched,
}

pub(super) struct Framing {
    part: Part,
    /// The known bytes of an incomplete line.
    line: Vec<u8>,
    head: Head,
    /// Whether the first head has ended. Only before that can HTTP/2 begin.
    past_first_head: bool,
    http2: bool,
}

#[derive(Default)]
struct Head {
    bytes: usize,
    started: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            part: Part::Head,
            line: Vec::new(),
            head: Head::default(),
            past_first_head: false,
            http2: false,
        }
    }

    /// Whether the head of a message has begun and is incomplete.
    pub(super) fn in_head(&self) -> bool {
        self.part == Part::Head && self.head.bytes > 0
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

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
                    let unread = &bytes[at..];
                    let end = unread.iter().position(|byte| *byte == b'\n');
                    let here = end.map_or(unread.len(), |end| end + 1);
                    self.take(&unread[..here]).ok_or(Malformed { at })?;
                    at += here;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        self.head.bytes += bytes.len();
        if self.head.bytes > 2 * MOST_HEAD_BYTES {
            // If this is a head, the library refuses it with 431. It refuses any other data of this size, too.
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
        // A lone CR is found as soon as another byte follows it.
        let known = self.line.len().saturating_sub(1);
        (!self.line[..known].contains(&b'\r')).then_some(())
    }

    /// Parses a complete line, with its line end.
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
                // Empty lines before a message have no meaning (RFC 9112, 2.2).
                self.head.bytes = 0;
                return Some(());
            }
            if !self.past_first_head && line == PREFACE {
                (self.part, self.http2) = (Part::Unwatched, true);
                return Some(());
            }
            self.head.started = true;
            // A client never sends the fragment of a URI (RFC 9112, 3.2).
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
        // With both, two servers can see different messages (RFC 9112, 6.1).
        (!(self.head.chunked && self.head.length.is_some())).then_some(())
    }

    /// Ends the head or the whole message. The given part follows.
    fn next_message(&mut self, part: Part) {
        (self.part, self.head, self.past_first_head) = (part, Head::default(), true);
    }
}

/// The size of a chunk. The extensions in its line have no meaning for us.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    number(digits, 16)
}

/// A number that consists only of digits.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n";

    /// Whether the text is accepted. Tests that the result does not depend on the split into pieces.
    fn is_accepted(text: &str) -> bool {
        let whole = Framing::new().follow(text.as_bytes()).is_ok();
        for size in 1..9 {
            let mut framing = Framing::new();
            let pieces = text.as_bytes().chunks(size).all(|piece| framing.follow(piece).is_ok());
            assert_eq!(pieces, whole, "in pieces of {size}: {text:?}");
        }
        whole
    }

    #[test]
    fn consecutive_messages_are_separated() {
        let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
        for first in [
            format!("{GET}\r\n"),
            post("content-length: 7\r\n", "a#\r\r\nb\n"),
            post("Content-Length: 2\r\ncontent-length: 2\r\n", "\r\r"),
            post("transfer-encoding: chunked\r\n", "3;x=y\r\n\r\rx\r\nA \r\n0123456789\r\n0\r\na: b\r\n\r\n"),
            "\r\n\nGET / HTTP/1.0\n\n".to_owned(),
        ] {
            assert!(is_accepted(&format!("{first}{GET}\r\n")), "{first:?}");
            assert!(!is_accepted(&format!("{first}{GET}a: b\rc\r\n\r\n")), "{first:?}");
        }
    }

    #[test]
    fn a_message_that_two_servers_could_read_differently_is_refused() {
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
            assert!(!is_accepted(wrong), "{wrong:?}");
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
    fn http_2_is_recognised_by_its_first_line_and_is_not_checked() {
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
