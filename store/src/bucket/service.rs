//! The path of `object_store`'s requests through our own client. They are counted and timed, and refusals are read
//! on the spot.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient as ObjectClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::body::{Gate, Progress, TimedBody, Upload};
use super::failure::Failure;
use super::refusal::Refusal;
use super::{archived, listing, refusal};
use crate::http::failure::{self as network, Cause};
use crate::http::pace::Watch;
use crate::{HttpClient, Meter};

/// The largest answer that holds no object's bytes. A page of a list is far smaller.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// The most bytes that are read of a refusal.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// The most bytes of a request's body that systems hold back.
const MAX_BUFFERED_BYTES: u64 = 4 << 20;
/// The slowest line that uploads must work over.
const SLOW_BYTES_PER_SECOND: u64 = 32 << 10;

/// How many times longer to wait for an answer that takes the host some work.
const ASSEMBLY_PATIENCE: u32 = 10;

tokio::task_local! {
    /// A header that `object_store` does not send: the condition for completing a multipart upload, or the checksum
    /// of an upload's body.
    pub(super) static EXTRA: Option<(HeaderName, HeaderValue)>;
}

/// An adapter that sends through an [`HttpClient`], and counts in a [`Meter`].
#[derive(Debug, Clone)]
pub(super) struct Service {
    client: HttpClient,
    meter: Arc<Meter>,
}

impl Service {
    pub(super) fn new(client: HttpClient, meter: Arc<Meter>) -> Self {
        Self { client, meter }
    }

    fn gate(&self) -> Gate {
        Gate::new(self.client.rate_limit())
    }

    async fn send(&self, request: HttpRequest) -> Result<reqwest::Response, Failure> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse().map_err(|_| Failure::network("the URL is malformed", false))?;
        let progress = Arc::new(Progress::default());
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        if let Some((name, value)) = EXTRA.try_with(Clone::clone).ok().flatten().filter(|_| takes_extra(&request)) {
            request.headers_mut().insert(name, value);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            self.meter.add_write();
            let upload = Upload::new(body, Arc::clone(&self.meter), Arc::clone(&progress), self.gate());
            *request.body_mut() = Some(reqwest::Body::wrap(upload));
        }
        self.meter.add_request();
        self.wait(request, &progress).await
    }

    /// Waits for the head of the answer, as long as bytes of the request's body still leave, or may be in the
    /// system's buffers.
    async fn wait(&self, request: reqwest::Request, progress: &Progress) -> Result<reqwest::Response, Failure> {
        let stall = self.client.stall_timeout() * if is_assembly(&request) { ASSEMBLY_PATIENCE } else { 1 };
        let proxy = self.client.proxy_of(request.url());
        let mut answer = std::pin::pin!(self.client.inner().execute(request));
        let mut sent = progress.bytes();
        loop {
            match tokio::time::timeout(stall + buffered(progress.bytes()), &mut answer).await {
                Ok(Err(error)) => return Err(Failure::of_reqwest(&error, proxy.as_deref())),
                Ok(Ok(answer)) => {
                    let refusing = proxy.filter(|_| answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED);
                    return match refusing {
                        Some(proxy) => Err(Failure::network(&network::wants_credentials(&proxy), false)),
                        None => Ok(answer),
                    };
                }
                Err(_) if progress.bytes() > sent => sent = progress.bytes(),
                Err(_) => return Err(stalled("no answer", stall)),
            }
        }
    }

    /// Reads the beginning of a body, up to `max_bytes`.
    async fn read(&self, response: &mut reqwest::Response, max_bytes: usize) -> Result<Bytes, Failure> {
        let mut watch = Watch::new(self.client.pace());
        let mut all = BytesMut::new();
        while all.len() < max_bytes {
            let piece = watch.wait(response.chunk()).await.map_err(Failure::Lag)?;
            let Some(piece) = piece.map_err(|error| Failure::broken(&error))? else { break };
            watch.count(piece.len() as u64);
            self.meter.add_bytes(piece.len() as u64);
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let mut response = self.send(request).await?;
        if !response.status().is_success() {
            // A refusal that breaks off is still known by its status.
            let body = self.read(&mut response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
            return Err(Failure::Refused(Refusal::read(response.status(), response.headers(), &body)));
        }
        if method == Method::HEAD {
            archived::note_head(response.headers());
        }
        let is_list = method == Method::GET && listing::is_list(&uri);
        if method == Method::GET && !is_list {
            return Ok(self.streamed(response));
        }
        let body = self.read(&mut response, MAX_ANSWER_BYTES).await?;
        let body = self.examined(&uri, body, is_list)?;
        Ok(rebuilt(response, body))
    }

    /// Checks the body of an answer that is a list, or that may be a refusal in spite of its status.
    fn examined(&self, uri: &Uri, body: Bytes, is_list: bool) -> Result<Bytes, Failure> {
        if is_list {
            if let Some(reason) = listing::problem(uri, &body) {
                return Err(Failure::network(reason, true));
            }
            archived::note_list(uri, &body);
            return match listing::unnameable_index(uri, &body) {
                Some(key) => Err(Failure::Unnameable { key }),
                None => Ok(listing::tidied(uri, body)),
            };
        }
        match refusal::hidden_refusal(&body) {
            Some(refusal) => Err(Failure::Refused(refusal)),
            None => Ok(body),
        }
    }

    /// An answer whose body arrives while it is read.
    fn streamed(&self, response: reqwest::Response) -> HttpResponse {
        let response: http::Response<reqwest::Body> = response.into();
        let (meter, pace) = (Arc::clone(&self.meter), self.client.pace());
        response.map(|body| HttpResponseBody::new(TimedBody::new(body, meter, pace)))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.exchange(request).await.map_err(Failure::into_http)
    }
}

impl HttpConnector for Service {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<ObjectClient> {
        Ok(ObjectClient::new(self.clone()))
    }
}

impl Failure {
    fn network(reason: &str, transient: bool) -> Self {
        Self::Network { reason: reason.to_owned(), transient }
    }

    fn of_reqwest(error: &reqwest::Error, proxy: Option<&str>) -> Self {
        match network::explain(error, proxy) {
            Cause::Network { reason, transient } => Self::Network { reason, transient },
            Cause::Untrusted(distrust) => Self::Untrusted { distrust, proxy: proxy.map(str::to_owned) },
        }
    }

    pub(super) fn broken(error: &reqwest::Error) -> Self {
        Self::Network { reason: format!("the connection broke: {}", network::deepest(error)), transient: true }
    }

    /// Wraps the failure as an error of `object_store`, which carries it among its causes.
    pub(super) fn into_http(self) -> HttpError {
        HttpError::new(HttpErrorKind::Unknown, self)
    }
}

/// Whether a request completes a multipart upload at S3 or Google. Azure would require the condition to be signed.
fn is_completion(request: &reqwest::Request) -> bool {
    let has_id = request.url().query_pairs().any(|(name, _)| name == "uploadId");
    request.method() == Method::POST && has_id
}

/// Whether [`EXTRA`] is meant for this request. The requests that get credentials meanwhile are a GET or send a
/// form.
fn takes_extra(request: &reqwest::Request) -> bool {
    request.method() == Method::PUT || is_completion(request)
}

/// Whether the host must assemble an object that may be large before it answers.
fn is_assembly(request: &reqwest::Request) -> bool {
    is_completion(request) || request.headers().contains_key("x-amz-copy-source")
}

/// How long the last of this many sent bytes may be on their way over a slow line.
fn buffered(sent_bytes: u64) -> Duration {
    Duration::from_secs(sent_bytes.min(MAX_BUFFERED_BYTES) / SLOW_BYTES_PER_SECOND)
}

fn stalled(what: &str, after: Duration) -> Failure {
    Failure::network(&format!("{what} for {after:?}"), true)
}

/// The answer with a body that has been read already.
fn rebuilt(response: reqwest::Response, body: Bytes) -> HttpResponse {
    let response: http::Response<reqwest::Body> = response.into();
    response.map(|_| HttpResponseBody::from(body))
}
