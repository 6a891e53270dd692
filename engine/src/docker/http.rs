//! The little of HTTP/1.1 that a daemon at a socket needs (RFC 9112). The HTTP client of the workspace is made for
//! other things: it is asynchronous, and would need a queue between the threads that put layers together and its own,
//! and it gives no answer that comes before the request is complete.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::kind::Patience;

/// The most bytes of all headers.
const MAX_HEAD_BYTES: u64 = 64 << 10;

/// A connection to a daemon. It carries one request after the other.
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
    patience: Patience,
    /// The beginning of the wait for a head, or for a short answer, all of which must come within the time for silence:
    /// a daemon that sends a byte now and then says nothing either.
    waiting: Option<Instant>,
}

/// The beginning of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The program that answers, as it calls itself.
    pub(super) server: String,
    body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Bytes(u64),
    Chunks,
    ToTheEnd,
}

impl Connection {
    /// Connects to a socket, with this patience for everything that follows.
    pub(super) fn open(path: &Path, patience: Patience) -> io::Result<Self> {
        let stream = BufReader::new(UnixStream::connect(path)?);
        Ok(Self { stream, patience, waiting: None })
    }

    /// The time for which the next bytes are waited for.
    fn left(&self) -> io::Result<Duration> {
        let silence = self.waiting.map_or(Duration::ZERO, |since| since.elapsed());
        self.patience.left_after(silence).ok_or_else(|| ErrorKind::TimedOut.into())
    }

    /// Asks for something, and returns the status and the body, of which at most `most` bytes are taken.
    pub(super) fn get(&mut self, target: &str, most: u64) -> io::Result<(Head, Vec<u8>)> {
        let head = self.ask(target)?;
        let mut body = Vec::new();
        self.waiting = Some(Instant::now());
        self.body(&head, &mut |bytes| {
            body.extend_from_slice(bytes);
            if body.len() as u64 > most { Err(nonsense()) } else { Ok(()) }
        })?;
        self.waiting = None;
        Ok((head, body))
    }

    /// Asks for something whose body is read next.
    pub(super) fn ask(&mut self, target: &str) -> io::Result<Head> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n").as_bytes())?;
        self.head()
    }

    /// Begins a request whose body comes in chunks.
    pub(super) fn post(&mut self, target: &str, content_type: &str) -> io::Result<()> {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        self.send(head.as_bytes())
    }

    /// Sends a chunk of the body.
    pub(super) fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        self.send(bytes)?;
        self.send(b"\r\n")
    }

    /// Ends the body.
    pub(super) fn last_chunk(&mut self) -> io::Result<()> {
        self.send(b"0\r\n\r\n")
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.left()?;
            let stream = self.stream.get_mut();
            stream.set_write_timeout(Some(left))?;
            match stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes that have come, or that come in time. There are none at the end.
    fn come(&mut self) -> io::Result<&[u8]> {
        if self.stream.buffer().is_empty() {
            let left = self.left()?;
            self.stream.get_ref().set_read_timeout(Some(left))?;
        }
        self.stream.fill_buf()
    }

    /// Reads the beginning of an answer.
    pub(super) fn head(&mut self) -> io::Result<Head> {
        self.waiting = Some(Instant::now());
        let head = self.read_head();
        self.waiting = None;
        head
    }

    fn read_head(&mut self) -> io::Result<Head> {
        let mut left = MAX_HEAD_BYTES;
        loop {
            let status = self.line(&mut left)?;
            let status = status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
            let status: u16 = status.ok_or_else(nonsense)?;
            let mut head = Head { status, server: String::new(), body: Body::ToTheEnd };
            loop {
                let line = self.line(&mut left)?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').ok_or_else(nonsense)?;
                head.take(name, value.trim())?;
            }
            // What comes before the answer proper, such as 100.
            if !(100..200).contains(&status) {
                return Ok(head);
            }
        }
    }

    /// Reads the body of an answer, piece by piece.
    pub(super) fn body(&mut self, head: &Head, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match head.body {
            _ if matches!(head.status, 204 | 304) => Ok(()),
            Body::Bytes(bytes) => self.bytes(bytes, take),
            Body::ToTheEnd => loop {
                match self.some(u64::MAX, take)? {
                    0 => return Ok(()),
                    _ => continue,
                }
            },
            Body::Chunks => loop {
                let mut left = MAX_HEAD_BYTES;
                let line = self.line(&mut left)?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| nonsense())?;
                self.bytes(size, take)?;
                // The end of the chunk, or of what follows the last one.
                while !self.line(&mut left)?.is_empty() {
                    if size > 0 {
                        return Err(nonsense());
                    }
                }
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    fn bytes(&mut self, mut bytes: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        while bytes > 0 {
            match self.some(bytes, take)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                taken => bytes -= taken,
            }
        }
        Ok(())
    }

    /// Hands on what has come, at most `most` bytes of it. Nothing comes at the end.
    fn some(&mut self, most: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let come = self.come()?;
        let taken = come.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        take(&come[..taken])?;
        self.stream.consume(taken);
        Ok(taken as u64)
    }

    fn line(&mut self, left: &mut u64) -> io::Result<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let come = self.come()?;
            let end = come.iter().position(|&byte| byte == b'\n').map_or(come.len(), |place| place + 1);
            if end == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            line.extend_from_slice(&come[..end]);
            self.stream.consume(end);
            *left = left.checked_sub(end as u64).ok_or_else(nonsense)?;
        }
        line.pop();
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

impl Head {
    fn take(&mut self, name: &str, value: &str) -> io::Result<()> {
        if name.eq_ignore_ascii_case("server") {
            self.server = value.to_owned();
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            self.body = Body::Chunks;
        } else if name.eq_ignore_ascii_case("content-length") && self.body != Body::Chunks {
            self.body = Body::Bytes(value.parse().map_err(|_| nonsense())?);
        }
        Ok(())
    }
}

/// The error for what is no HTTP, or too much of it.
pub(super) fn nonsense() -> io::Error {
    ErrorKind::InvalidData.into()
}
