//! A static host on loopback that counts, and that fails on demand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The request's position among those of this server, from 0 on.
    pub(crate) number: u64,
    pub(crate) path: String,
    /// The text behind the `?`.
    pub(crate) query: Option<String>,
    /// The first and the last byte.
    pub(crate) range: Option<(u64, u64)>,
    head: String,
}

impl Request {
    pub(crate) fn is_pack(&self) -> bool {
        self.path.ends_with(".pack")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// The way in which a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// As a static host answers.
    Serve,
    /// As a static host answers, but in pieces of this many bytes with a pause of 2 ms after each.
    Slow(usize),
    /// The whole file, whatever range was asked for.
    Whole,
    /// The whole file without its length. The body ends with the connection.
    WholeUnsized,
    /// The whole file with an `ETag` that follows from it, or a 304 if the request has that tag.
    Tagged,
    /// As a static host does whose `ETag` is the size of the file, with a time that never changes; 304 where it is
    /// known.
    Stamped,
    /// The same range of these bytes.
    Instead(Vec<u8>),
    /// A 200 with this body and content type.
    Page(&'static str, Vec<u8>),
    /// No body.
    Status(u16),
    /// A redirect to this URL.
    Moved(String),
    /// A 200 with a body of 2^50 zeros. The head may state the length.
    Endless {
        /// Whether the head states the length.
        is_sized: bool,
    },
    /// Nothing, for as long as the server runs.
    Hang,
    /// Half of the body, then nothing.
    HangInBody,
    /// A reset of the connection before an answer.
    Reset,
    /// Half of the body, then a reset.
    ResetInBody,
    /// Half of the body, then the end.
    Short,
    /// Half of the requested bytes, truthfully labelled.
    Less,
}

type Decide = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct State {
    root: PathBuf,
    decide: Decide,
    stopped: AtomicBool,
    body_bytes: AtomicU64,
    requests: Mutex<Vec<Request>>,
}

/// A server that ends when it is dropped.
pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
}

impl Server {
    /// Starts a host that works.
    pub(crate) fn new(root: &Path) -> Self {
        Self::with(root, |_| Answer::Serve)
    }

    /// Starts a host that answers as `decide` says.
    pub(crate) fn with(root: &Path, decide: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            root: root.to_owned(),
            decide: Box::new(decide),
            stopped: AtomicBool::new(false),
            body_bytes: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || stream.map(|stream| shared.serve(stream)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.requests().len() as u64
    }

    /// The number of bytes in bodies so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.state.body_bytes.load(Ordering::Acquire)
    }

    /// Resets the counts.
    pub(crate) fn reset_counts(&self) {
        self.state.requests.lock().unwrap().clear();
        self.state.body_bytes.store(0, Ordering::Release);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        // This wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A URL at which nothing listens.
pub(crate) fn dead_url(name: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/{name}", listener.local_addr().unwrap())
}

/// Whether the connection may be used again. `None` means that it broke.
type Kept = Option<()>;

impl State {
    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        while let Some(head) = read_head(&mut stream) {
            let request = self.note(&head);
            if self.answer(&mut stream, &request).is_none() {
                return;
            }
        }
    }

    fn note(&self, head: &str) -> Request {
        let target = head.split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (path, query) = (unescape(path.trim_start_matches('/')), query.map(str::to_owned));
        let range = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": bytes=")?;
            let (first, last) = value.trim().split_once('-')?;
            name.eq_ignore_ascii_case("range").then(|| (first.parse().unwrap(), last.parse().unwrap()))
        });
        let mut requests = self.requests.lock().unwrap();
        let request = Request { number: requests.len() as u64, path, query, range, head: head.to_owned() };
        requests.push(request.clone());
        request
    }

    fn answer(&self, stream: &mut TcpStream, request: &Request) -> Kept {
        let file = || std::fs::read(self.root.join(&request.path)).ok();
        let answer = (self.decide)(request);
        match answer {
            Answer::Status(status) => self.send_bare(stream, status),
            Answer::Moved(to) => {
                let head = format!("HTTP/1.1 302 There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                self.send(stream, &head, &[], 0)
            }
            Answer::Endless { is_sized } => self.send_for_ever(stream, is_sized),
            Answer::Hang => self.hang(),
            Answer::Reset => reset(stream),
            Answer::Page(kind, body) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
                self.send(stream, &head, &body, body.len())
            }
            Answer::Instead(bytes) => self.send_part(stream, request.range, &bytes, &Answer::Serve),
            Answer::Tagged => match file() {
                Some(bytes) => self.send_tagged(stream, request, &bytes),
                None => self.send_bare(stream, 404),
            },
            Answer::Stamped => match file() {
                Some(bytes) => self.send_stamped(stream, request, &bytes),
                None => self.send_bare(stream, 404),
            },
            answer => match file() {
                Some(bytes) => self.send_part(stream, request.range, &bytes, &answer),
                None => self.send_bare(stream, 404),
            },
        }
    }

    fn send_for_ever(&self, stream: &mut TcpStream, is_sized: bool) -> Kept {
        let length = if is_sized { "Content-Length: 1125899906842624" } else { "Transfer-Encoding: chunked" };
        self.send(stream, &format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n"), &[], 0)?;
        let zeros = vec![0; 1 << 16];
        while !self.stopped.load(Ordering::Acquire) {
            let (before, after) = if is_sized { ("", "") } else { ("10000\r\n", "\r\n") };
            self.send(stream, before, &zeros, zeros.len())?;
            self.send(stream, after, &[], 0)?;
        }
        None
    }

    fn send_bare(&self, stream: &mut TcpStream, status: u16) -> Kept {
        self.send(stream, &format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n"), &[], 0)
    }

    fn send_tagged(&self, stream: &mut TcpStream, request: &Request, file: &[u8]) -> Kept {
        let tag = format!("\"{}\"", &blake3::hash(file).to_hex()[..16]);
        if request.header("if-none-match") == Some(&tag) {
            return self.send(stream, &format!("HTTP/1.1 304 Same\r\nETag: {tag}\r\n\r\n"), &[], 0);
        }
        let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n", file.len());
        self.send(stream, &head, file, file.len())
    }

    fn send_stamped(&self, stream: &mut TcpStream, request: &Request, file: &[u8]) -> Kept {
        let tag = format!("ETag: \"5f3c2a10-{:x}\"", file.len());
        if request.header("if-none-match").is_some_and(|known| tag.ends_with(known)) {
            return self.send(stream, &format!("HTTP/1.1 304 Same\r\n{tag}\r\n\r\n"), &[], 0);
        }
        let Some((head, part)) = part_of(request.range, file, &Answer::Serve) else {
            return self.send_bare(stream, 416);
        };
        let head = head.replacen("\r\n", &format!("\r\n{tag}\r\n"), 1);
        let bytes = part.len();
        self.send(stream, &head, &file[part], bytes)
    }

    fn send_part(&self, stream: &mut TcpStream, range: Option<(u64, u64)>, file: &[u8], answer: &Answer) -> Kept {
        let Some((head, part)) = part_of(range, file, answer) else {
            let head = format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", file.len());
            return self.send(stream, &head, &[], 0);
        };
        let body = &file[part];
        match answer {
            Answer::Slow(piece) => {
                self.send(stream, &head, &[], 0)?;
                for piece in body.chunks(*piece) {
                    self.send(stream, "", piece, piece.len())?;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Some(())
            }
            Answer::HangInBody | Answer::ResetInBody | Answer::Short => {
                self.send(stream, &head, body, body.len() / 2)?;
                match answer {
                    Answer::HangInBody => self.hang(),
                    Answer::ResetInBody => reset(stream),
                    _ => None,
                }
            }
            Answer::WholeUnsized => {
                self.send(stream, &head, body, body.len())?;
                None
            }
            _ => self.send(stream, &head, body, body.len()),
        }
    }

    /// Counts before it sends, so that a reader of the last byte finds it counted.
    fn send(&self, stream: &mut TcpStream, head: &str, body: &[u8], bytes: usize) -> Kept {
        self.body_bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body[..bytes]).ok()
    }

    fn hang(&self) -> Kept {
        while !self.stopped.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

/// The head of an answer, and the range of the file that follows. The result is `None` if the range cannot be
/// served.
fn part_of(range: Option<(u64, u64)>, file: &[u8], answer: &Answer) -> Option<(String, Range<usize>)> {
    if matches!(answer, Answer::WholeUnsized) {
        return Some(("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(), 0..file.len()));
    }
    let Some((first, last)) = range.filter(|_| !matches!(answer, Answer::Whole)) else {
        return Some((format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len()), 0..file.len()));
    };
    let (first, mut last) = (first as usize, (last as usize).min(file.len().checked_sub(1)?));
    if first > last {
        return None;
    }
    if matches!(answer, Answer::Less) {
        last = first + (last - first) / 2;
    }
    let head = format!(
        "HTTP/1.1 206 Part\r\nContent-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\r\n",
        file.len(),
        last + 1 - first
    );
    Some((head, first..last + 1))
}

/// Ends a connection in such a way that the other side sees a reset.
fn reset(stream: &TcpStream) -> Kept {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
    None
}

/// The path of a URL without percent-encoding.
fn unescape(path: &str) -> String {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
