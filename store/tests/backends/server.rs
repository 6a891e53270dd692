//! A small HTTP/1.1 server whose every answer is decided by a closure, byte for byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The number of the request at this server, from 0.
    pub(crate) number: usize,
    /// The path and the query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn parse(number: usize, head: &str) -> Self {
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { number, target, headers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A step after the head has been sent.
#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    Hang,
    Close,
    Reset,
}

/// An answer, which is sent exactly as it is.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    head: String,
    steps: Vec<Step>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { head: format!("HTTP/1.1 {status} Said\r\n"), steps: Vec::new() }
    }

    /// No answer at all.
    pub(crate) fn silence() -> Self {
        Self { head: String::new(), steps: vec![Step::Hang] }
    }

    /// A complete answer without a body.
    pub(crate) fn bare(status: u16) -> Self {
        Self::status(status).header("Content-Length", "0")
    }

    /// A complete, good answer of 200.
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::status(200).header("Content-Length", body.len()).send(body)
    }

    /// A complete, good answer of 206 with the bytes `start..end` of `object`.
    pub(crate) fn part(object: &[u8], start: usize, end: usize) -> Self {
        Self::part_head(object, start, end).send(&object[start..end])
    }

    /// The head of such an answer.
    pub(crate) fn part_head(object: &[u8], start: usize, end: usize) -> Self {
        Self::status(206)
            .header("Content-Range", format!("bytes {start}-{}/{}", end - 1, object.len()))
            .header("Content-Length", end - start)
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.head += &format!("{name}: {}\r\n", value.to_string());
        self
    }

    pub(crate) fn send(self, bytes: &[u8]) -> Self {
        self.then(Step::Send(bytes.to_vec()))
    }

    /// Sends `bytes` as one chunk of `Transfer-Encoding: chunked`. An empty chunk ends the body.
    pub(crate) fn chunk(self, bytes: &[u8]) -> Self {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.then(Step::Send(chunk))
    }

    pub(crate) fn wait(self, time: Duration) -> Self {
        self.then(Step::Wait(time))
    }

    pub(crate) fn hang(self) -> Self {
        self.then(Step::Hang)
    }

    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Breaks the connection, so that the client sees a reset instead of an end.
    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// The same answer, which begins only after this time.
    pub(crate) fn late(mut self, time: Duration) -> Self {
        let head = std::mem::take(&mut self.head) + "\r\n";
        self.steps.splice(0..0, [Step::Wait(time), Step::Send(head.into_bytes())]);
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

pub(crate) type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// The server, which ends when it is dropped.
pub(crate) struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, connections) = (Arc::default(), Arc::<AtomicUsize>::default());
        let counter = Arc::clone(&connections);
        let (log, handler): (_, Handler) = (Arc::clone(&requests), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve_tcp(stream, Arc::clone(&log), Arc::clone(&handler)));
            }
        });
        Self { port, connections, requests, task }
    }

    /// Answers the first request with the first reply, and so on. No request may follow the last one.
    pub(crate) async fn script(replies: Vec<Reply>) -> Self {
        Self::start(move |request| replies.get(request.number).cloned().unwrap_or_else(|| Reply::bare(599))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The `Range` header of each request so far.
    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        self.requests().iter().map(|r| r.header("range").map(str::to_owned)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve_tcp(mut stream: TcpStream, log: Arc<Mutex<Vec<Request>>>, handler: Handler) {
    stream.set_nodelay(true).unwrap();
    if serve(&mut stream, &log, &handler).await == Some(End::Reset) {
        stream.set_zero_linger().unwrap();
    }
}

/// The way in which a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Close,
    Reset,
}

/// Answers the requests of one connection. The result is `None` if the client has left.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    log: &Mutex<Vec<Request>>,
    handler: &Handler,
) -> Option<End> {
    loop {
        let head = read_head(stream).await?;
        let request = {
            let mut log = log.lock().unwrap();
            let request = Request::parse(log.len(), &head);
            log.push(request.clone());
            request
        };
        let reply = handler(&request);
        if !reply.head.is_empty() {
            stream.write_all(format!("{}\r\n", reply.head).as_bytes()).await.ok()?;
        }
        for step in reply.steps {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hang => std::future::pending().await,
                Step::Close => return Some(End::Close),
                Step::Reset => return Some(End::Reset),
            }
        }
        stream.flush().await.ok()?;
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
