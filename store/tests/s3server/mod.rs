//! An S3 server in this process, over a folder. It counts requests, and fails on demand.
//!
//! Other crates' tests include this file with `#[path]`. They need `bytes`, `futures`, `http`, `http-body`,
//! `http-body-util`, `hyper`, `hyper-util`, `s3s`, `s3s-fs` and `tokio` (with `net` and `rt`).

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// The access key that the server accepts.
pub(crate) const ACCESS_KEY: &str = "AKIDTEST";
/// The secret of that key.
pub(crate) const SECRET_KEY: &str = "secret-of-the-tests";

/// A request, as a hook sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The number of the request at this server, from 0.
    pub(crate) number: usize,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    /// Whether the request asks for a list.
    pub(crate) fn is_list(&self) -> bool {
        self.method == Method::GET && self.uri.query().unwrap_or_default().contains("list-type=2")
    }

    /// Whether the request sends a part of an object.
    pub(crate) fn is_part(&self) -> bool {
        self.method == Method::PUT && self.uri.query().unwrap_or_default().contains("partNumber=")
    }
}

/// A fault that happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The server answers with this, and the request has no effect.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// The server answers with this before the request's body has arrived. Then the connection ends.
    AnswerEarly { status: u16, body: String },
    /// The connection ends when this many bytes of the body have arrived, and the request has no effect.
    CutRequest { after: usize },
    /// The request has its effect, but the connection ends before the answer.
    LoseAnswer,
    /// No answer comes, and the connection stays open.
    Silence,
    /// The connection ends within the answer, after this many bytes of its body.
    CutAnswer { after: usize },
}

impl Fault {
    /// An answer with an error code.
    pub(crate) fn code(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Said so.</Message></Error>"
        );
        Self::Answer { status, headers: Vec::new(), body }
    }
}

/// The number of requests of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) get: usize,
    pub(crate) list: usize,
    pub(crate) head: usize,
    pub(crate) put: usize,
    pub(crate) post: usize,
    pub(crate) delete: usize,
}

type Hook = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

struct State {
    root: PathBuf,
    service: S3Service,
    log: Mutex<Vec<Seen>>,
    hook: Mutex<Option<Hook>>,
}

/// The server, which ends when it is dropped.
pub(crate) struct S3Server {
    endpoint: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl S3Server {
    /// Starts a server over `root`, which must be a folder. Its folders are the buckets, and the files in them are
    /// the objects.
    pub(crate) async fn start(root: &Path) -> Self {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let state = Arc::new(State {
            root: root.to_owned(),
            service: builder.build(),
            log: Mutex::default(),
            hook: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { endpoint, state, task }
    }

    /// The server's URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a bucket.
    pub(crate) fn create_bucket(&self, name: &str) {
        std::fs::create_dir_all(self.state.root.join(name)).unwrap();
    }

    /// Lets `hook` decide about each request from now on.
    pub(crate) fn set_hook(&self, hook: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets all requests pass from now on.
    pub(crate) fn clear_hook(&self) {
        *self.state.hook.lock().unwrap() = None;
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.log.lock().unwrap().clone()
    }

    /// The numbers of requests so far, by kind.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for seen in self.requests() {
            *match seen.method {
                _ if seen.is_list() => &mut counts.list,
                Method::GET => &mut counts.get,
                Method::HEAD => &mut counts.head,
                Method::PUT => &mut counts.put,
                Method::POST => &mut counts.post,
                Method::DELETE => &mut counts.delete,
                method => panic!("{method}"),
            } += 1;
        }
        counts
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // Connections end with the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            // An error means that a hook or the client cut the connection.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let seen = {
        let mut log = state.log.lock().unwrap();
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        let seen = Seen { number: log.len(), method, uri, headers };
        log.push(seen.clone());
        seen
    };
    let fault = state.hook.lock().unwrap().as_mut().and_then(|hook| hook(&seen));
    match fault {
        None => passed(&state, &seen, request).await,
        Some(Fault::Answer { status, headers, body }) => {
            request.into_body().collect().await.map_err(std::io::Error::other)?;
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(full(if seen.method == Method::HEAD { String::new() } else { body })).unwrap())
        }
        Some(Fault::AnswerEarly { status, body }) => {
            Ok(Response::builder().status(status).header("connection", "close").body(full(body)).unwrap())
        }
        Some(Fault::CutRequest { after }) => {
            let (mut body, mut arrived) = (request.into_body(), 0);
            while let Some(Ok(frame)) = body.frame().await {
                arrived += frame.data_ref().map_or(0, Bytes::len);
                if arrived >= after {
                    break;
                }
            }
            Err(std::io::Error::other("cut"))
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::LoseAnswer) => {
            let response = passed(&state, &seen, request).await?;
            response.into_body().collect().await?;
            Err(std::io::Error::other("lost"))
        }
        Some(Fault::CutAnswer { after }) => {
            let (parts, body) = passed(&state, &seen, request).await?.into_parts();
            let whole = body.collect().await?.to_bytes();
            let pieces = [Ok(http_body::Frame::data(whole.slice(..after))), Err(std::io::Error::other("cut"))];
            let body = http_body_util::StreamBody::new(futures::stream::iter(pieces));
            Ok(Response::from_parts(parts, BodyExt::boxed_unsync(body)))
        }
    }
}

async fn passed(state: &State, seen: &Seen, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    if let Some(response) = mended(state, seen) {
        return Ok(response);
    }
    let request = request.map(s3s::Body::from);
    let response = state.service.call(request).await.map_err(|error| std::io::Error::other(format!("{error:?}")))?;
    Ok(response.map(|body| body.map_err(std::io::Error::other).boxed_unsync()))
}

/// The right answer where `s3s-fs` has a wrong one. It takes folders for objects, and it fails to read the last bytes
/// of objects that have fewer.
fn mended(state: &State, seen: &Seen) -> Option<Response<Body>> {
    let path = state.root.join(seen.uri.path().trim_start_matches('/'));
    let is_object = seen.uri.path().trim_matches('/').contains('/');
    if !is_object || !matches!(seen.method, Method::GET | Method::HEAD) {
        return None;
    }
    if path.is_dir() {
        return Some(refusal(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"));
    }
    let suffix: u64 = seen.headers.get("range")?.to_str().ok()?.strip_prefix("bytes=-")?.parse().ok()?;
    let bytes = std::fs::read(&path).ok().filter(|bytes| (bytes.len() as u64) < suffix)?;
    if bytes.is_empty() {
        let body = "<Error><Code>InvalidRange</Code><ActualObjectSize>0</ActualObjectSize></Error>";
        return Some(refusal(StatusCode::RANGE_NOT_SATISFIABLE, body));
    }
    let range = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
    let response = Response::builder().status(206).header("Content-Range", range);
    Some(response.body(full(bytes)).unwrap())
}

fn refusal(status: StatusCode, body: &'static str) -> Response<Body> {
    Response::builder().status(status).body(full(body)).unwrap()
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}
