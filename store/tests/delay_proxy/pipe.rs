//! One direction of a connection: a line of pieces, each with the time at which it comes out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const PIECE_BYTES: usize = 16 << 10;
/// The largest number of pieces under way in one direction. It is above the bytes that any link of the tests holds
/// (8 MiB), and below the machine's memory.
const MAX_PIECES: usize = 512;
/// The time by which the link is booked ahead. It must be longer than a thread can be late, or the link would idle.
const BOOKED_AHEAD: Duration = Duration::from_millis(20);

/// A link that sends one piece after the other.
#[derive(Debug)]
pub(crate) struct Link {
    bytes_per_second: u64,
    free_at: Mutex<Instant>,
}

impl Link {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free_at: Mutex::new(Instant::now()) }
    }

    /// The time at which this many bytes, which are ready now, have been sent after all earlier ones.
    fn send(&self, bytes: usize) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        *free_at = (*free_at).max(Instant::now()) + Duration::from_secs_f64(seconds);
        *free_at
    }
}

/// The way of the bytes in one direction.
pub(crate) struct Pipe<'a> {
    /// The time that each byte is under way.
    pub(crate) delay: Duration,
    /// The earliest time at which a byte sets out.
    pub(crate) not_before: Instant,
    /// The link that the connections share, if its rate matters.
    pub(crate) link: Option<&'a Link>,
    pub(crate) counter: Option<&'a AtomicU64>,
}

impl Pipe<'_> {
    /// Carries bytes until either end has ended.
    pub(crate) fn carry(&self, from: &TcpStream, to: &TcpStream) {
        let (pieces, line) = sync_channel(MAX_PIECES);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = put_out(line, to);
                // A failure here has no consequence, and the other direction may go on.
                let _ = to.shutdown(Shutdown::Write);
                let _ = from.shutdown(Shutdown::Read);
            });
            let _ = self.take_in(from, pieces);
        });
    }

    /// Reads pieces. The result is an error if nobody takes them any more.
    fn take_in(&self, mut from: &TcpStream, pieces: SyncSender<(Instant, Vec<u8>)>) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let bytes = from.read(&mut buffer)?;
            if bytes == 0 {
                return Ok(());
            }
            if let Some(counter) = self.counter {
                counter.fetch_add(bytes as u64, Ordering::SeqCst);
            }
            let sent = self.link.map_or_else(Instant::now, |link| link.send(bytes)).max(self.not_before);
            pieces.send((sent + self.delay, buffer[..bytes].to_vec())).map_err(io::Error::other)?;
            // This is the back-pressure: the host cannot send faster than the link for long.
            sleep_until(sent.checked_sub(BOOKED_AHEAD).unwrap_or(sent));
        }
    }
}

fn put_out(line: Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) -> io::Result<()> {
    for (due, piece) in line {
        sleep_until(due);
        to.write_all(&piece)?;
    }
    Ok(())
}

fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}
