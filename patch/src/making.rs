//! Makes streams of .xz files side by side, since each takes long: the order is that of the contents.

use std::collections::VecDeque;
use std::io;

use regrow_local::{LocalError, Pending, Pool};

use crate::xz::XzForm;

/// The memory that encoders take together. A single one may take more.
const MEMORY_BYTES: u64 = 96 << 20;
/// The bytes that wait behind a stream.
const WAITING_BYTES: usize = 1 << 20;

/// The receiver of contents.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Streams that are being made.
#[derive(Default)]
pub(crate) struct Making {
    /// The workers, from the first stream on.
    pool: Option<Pool>,
    streams: VecDeque<Stream>,
    memory_bytes: u64,
}

/// A stream, and what follows it up to the next one.
struct Stream {
    made: Pending<io::Result<Vec<u8>>>,
    memory_bytes: u64,
    behind: Vec<u8>,
}

impl Making {
    /// Has a stream made.
    pub(crate) fn make(&mut self, form: XzForm, plain: Vec<u8>, sink: Sink<'_>) -> io::Result<()> {
        let memory_bytes = form.memory_bytes(plain.len() as u64);
        let most = std::thread::available_parallelism().map_or(2, usize::from) + 1;
        while self.streams.len() >= most
            || !self.streams.is_empty() && self.memory_bytes.saturating_add(memory_bytes) > MEMORY_BYTES
        {
            self.hand_on(sink)?;
        }
        let pool = self.pool.get_or_insert_with(Pool::new);
        let made = pool.submit(move || form.rebuild(&plain));
        self.memory_bytes = self.memory_bytes.saturating_add(memory_bytes);
        self.streams.push_back(Stream { made, memory_bytes, behind: Vec::new() });
        Ok(())
    }

    /// Passes on bytes that stand behind all streams so far.
    pub(crate) fn pass(&mut self, bytes: &[u8], sink: Sink<'_>) -> io::Result<()> {
        match self.streams.back_mut() {
            Some(last) if last.behind.len() + bytes.len() <= WAITING_BYTES => {
                last.behind.extend_from_slice(bytes);
                Ok(())
            }
            _ => {
                self.finish(sink)?;
                sink(bytes)
            }
        }
    }

    /// Passes on all streams.
    pub(crate) fn finish(&mut self, sink: Sink<'_>) -> io::Result<()> {
        while !self.streams.is_empty() {
            self.hand_on(sink)?;
        }
        Ok(())
    }

    /// Passes on the first stream.
    fn hand_on(&mut self, sink: Sink<'_>) -> io::Result<()> {
        let Some(Stream { made, memory_bytes, behind }) = self.streams.pop_front() else { return Ok(()) };
        self.memory_bytes = self.memory_bytes.saturating_sub(memory_bytes);
        let failed = |error: LocalError| io::Error::other(error.to_string());
        sink(&made.wait().map_err(failed)??)?;
        sink(&behind)
    }
}
