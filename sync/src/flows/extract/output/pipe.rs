//! A pipe, whose end waits until the image was verified.

use std::io::{self, Write};

/// Bytes that are held back. Whoever reads an image that is wrong gets one that is cut short; of a smaller one, nothing.
const HELD_BYTES: u64 = 4 << 20;

/// See the module's documentation.
pub(super) struct HeldPipe {
    pipe: Box<dyn Write + Send>,
    /// Bytes that may still go out.
    free: u64,
    held: Vec<u8>,
}

impl HeldPipe {
    pub(super) fn new(pipe: Box<dyn Write + Send>, image_bytes: u64) -> Self {
        Self { pipe, free: image_bytes.saturating_sub(HELD_BYTES), held: Vec::new() }
    }

    /// Takes in the next bytes of the image.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(self.free).unwrap_or(usize::MAX)));
        self.free -= now.len() as u64;
        self.held.extend_from_slice(later);
        self.pipe.write_all(now)
    }

    /// The image is verified: sends the rest.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.pipe.write_all(&std::mem::take(&mut self.held))?;
        self.pipe.flush()
    }
}
