//! A TCP proxy on loopback that makes a host look far away, by a round-trip time and a link of limited rate.
//!
//! It runs on its own threads, so that it keeps time whatever the test's runtime does. It needs nothing but `std`,
//! and tests of other crates include it with `#[path]`. It does not imitate slow start, loss or jitter.

#![allow(dead_code, reason = "not every test that includes this file uses all of it")]

mod pipe;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pipe::{Link, Pipe};

/// The distance between the client and the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distance {
    /// The time there and back. Half of it delays each byte in each direction, and a new connection costs one round
    /// trip.
    pub(crate) round_trip: Duration,
    /// The rate of the link from the host to the client in bytes a second. All connections share it.
    pub(crate) bytes_per_second: u64,
}

/// The proxy. When it is dropped, it and its connections end.
#[derive(Debug)]
pub(crate) struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    distance: Distance,
    link: Link,
    ended: AtomicBool,
    connections: AtomicUsize,
    most_open: AtomicUsize,
    received: AtomicU64,
    /// Both ends of each open connection, which are broken when the proxy ends.
    open: Mutex<BTreeMap<usize, [TcpStream; 2]>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, [TcpStream; 2]>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, number: usize, ends: [TcpStream; 2]) -> io::Result<()> {
        let mut open = self.open();
        if self.ended.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        open.insert(number, ends);
        self.most_open.fetch_max(open.len(), Ordering::SeqCst);
        Ok(())
    }
}

impl DelayProxy {
    /// Listens on a free port of loopback, for connections to `upstream`.
    pub(crate) fn start(upstream: SocketAddr, distance: Distance) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            distance,
            link: Link::new(distance.bytes_per_second),
            ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || accept_all(&listener, &shared));
        Ok(proxy)
    }

    /// The address at which the proxy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as the base of URLs.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The number of connections that are open now.
    pub(crate) fn open_now(&self) -> usize {
        self.shared.open().len()
    }

    /// The largest number of connections that were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// The number of bytes that have come from the host, heads included.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // This wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open().values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let (accepted, shared) = (Instant::now(), Arc::clone(shared));
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            // If the host refuses, the client sees a connection that ends at once.
            let _ = carry(&client, accepted, number, &shared);
        });
    }
}

/// Carries bytes both ways until both directions have ended.
fn carry(client: &TcpStream, accepted: Instant, number: usize, shared: &Shared) -> io::Result<()> {
    let host = TcpStream::connect(shared.upstream)?;
    client.set_nodelay(true)?;
    host.set_nodelay(true)?;
    shared.enter(number, [client.try_clone()?, host.try_clone()?])?;
    let Distance { round_trip, .. } = shared.distance;
    // The kernel has connected the client at once. Its first byte waits for as long as the set-up would have taken.
    let up = Pipe { delay: round_trip / 2, not_before: accepted + round_trip, link: None, counter: None };
    let down =
        Pipe { delay: round_trip / 2, not_before: accepted, link: Some(&shared.link), counter: Some(&shared.received) };
    thread::scope(|scope| {
        scope.spawn(|| up.carry(client, &host));
        down.carry(&host, client);
    });
    shared.open().remove(&number);
    Ok(())
}
