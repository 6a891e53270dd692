//! A static host, which `regrow serve` runs and `regrow demo` measures.
//!
//! hyper handles connections; tower-http handles files, ranges and conditions. [`answer`] adds what they leave
//! open. [`confined`] keeps requests inside the folder. [`tagged`] makes the tags of files follow from their
//! contents.

mod answer;
mod confined;
mod counted;
mod log;
mod signal;
mod tagged;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::{Code, Failure};

use answer::Site;
pub(crate) use counted::Served;
pub(crate) use log::RequestLog;
pub(crate) use signal::{Signal, signal};

/// How long a connection may be silent between requests, or take to send a request's head. It is longer than
/// clients keep idle connections, so that the clients end them.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long requests that are being answered may go on when the server stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait if a connection cannot be accepted, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server with its threads. It stops when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves a folder at an address. Port 0 takes a free port.
    pub(crate) fn start(folder: &Path, listen: SocketAddr, log: RequestLog) -> Result<Self, Failure> {
        let root = folder_to_serve(folder)?;
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        regrow_sync::check_threads(workers + 1)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
        let (listener, address) = runtime.block_on(bind(listen)).map_err(|error| cannot_listen(listen, &error))?;
        let site = Arc::new(Site::new(&root, log));
        let (stop, stopped) = oneshot::channel();
        let accepting = runtime.spawn(accept(listener, Arc::clone(&site), stopped));
        Ok(Self { address, site, running: Some(Running { runtime, stop, accepting }) })
    }

    /// Serves a folder on this machine only, at a free port.
    pub(crate) fn start_on_loopback(folder: &Path, log: RequestLog) -> Result<Self, Failure> {
        Self::start(folder, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), log)
    }

    /// The URL of the folder, with `/` at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The requests and bytes served so far.
    pub(crate) fn served(&self) -> Served {
        self.site.served()
    }

    /// Waits until the user or the system asks for the end.
    pub(crate) fn wait_for_signal(&self) -> io::Result<Signal> {
        match &self.running {
            Some(running) => running.runtime.block_on(signal()),
            None => Ok(Signal::Interrupt),
        }
    }

    /// Accepts no more connections, and lets requests that are being answered go on for a moment.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(Running { runtime, stop, accepting }) = self.running.take() {
            // Both only fail if the task has ended already.
            let _ = stop.send(());
            let _ = runtime.block_on(accepting);
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The folder's path without links. Requests are held inside it.
fn folder_to_serve(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let failure = |reason: &str| Failure::new(Code::Unreachable, format!("{}: {reason}", folder.display()));
    let root = folder.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failure("no such folder"),
        _ => failure(&error.to_string()),
    })?;
    if root.is_dir() { Ok(root) } else { Err(failure("not a folder")) }
}

async fn bind(listen: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use; choose another with --listen".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "not allowed to listen here; ports below 1024 often need rights".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(Code::General, format!("{listen}: {reason}"))
}

async fn accept(listener: TcpListener, site: Arc<Site>, mut stopped: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => talk(stream, peer, &site, &connections),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    // Requests that are not done by then are cut off.
    let _ = tokio::time::timeout(GRACE, connections.shutdown()).await;
}

/// Answers the requests of one connection, in a task of its own.
fn talk(stream: TcpStream, peer: SocketAddr, site: &Arc<Site>, connections: &GracefulShutdown) {
    // A failure only costs time.
    let _ = stream.set_nodelay(true);
    let site = Arc::clone(site);
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(peer, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        // A client that goes away or does not speak HTTP is not our concern.
        let _ = connection.await;
    });
}
