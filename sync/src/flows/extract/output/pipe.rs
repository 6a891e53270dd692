//! A pipe whose last bytes wait until the image was verified.

use std::io::{self, Write};

/// The number of bytes that are held back. If an image turns out to be wrong, its reader gets one that is cut short, or
/// nothing of a small one.
const HELD_BYTES: u64 = 4 << 20;

/// A pipe with bytes that are held back.
pub(super) struct HeldPipe {
    pipe: Box<dyn Write + Send>,
    /// The number of bytes that may still be sent at once.
    free: u64,
    held: Vec<u8>,
}

impl HeldPipe {
    pub(super) fn new(pipe: Box<dyn Write + Send>, image_bytes: u64) -> Self {
        Self { pipe, free: image_bytes.saturating_sub(HELD_BYTES), held: Vec::new() }
    }

    /// Takes the next bytes of the image.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(self.free).unwrap_or(usize::MAX)));
        self.free -= now.len() as u64;
        self.held.extend_from_slice(later);
        self.pipe.write_all(now)
    }

    /// Sends the rest, because the image is verified.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.pipe.write_all(&std::mem::take(&mut self.held))?;
        self.pipe.flush()
    }
}
