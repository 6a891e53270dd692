//! A pipe whose last bytes, or all of them, wait until the image was verified.

use std::fs::File;
use std::io::{self, Seek, Write};

use crate::{Left, SyncError};

/// The number of bytes that are held back. If an image turns out to be wrong, its reader gets one that is cut short, or
/// nothing of a small one.
const HELD_BYTES: u64 = 4 << 20;

/// A pipe with bytes that are held back.
pub(super) struct HeldPipe {
    pipe: Box<dyn Write + Send>,
    /// The number of bytes that may still be sent at once.
    free: u64,
    held: Held,
}

/// The bytes that are held back.
enum Held {
    Memory(Vec<u8>),
    /// All bytes of the image.
    File {
        file: File,
        image_bytes: u64,
    },
}

impl HeldPipe {
    pub(super) fn new(pipe: Box<dyn Write + Send>, image_bytes: u64) -> Self {
        Self { pipe, free: image_bytes.saturating_sub(HELD_BYTES), held: Held::Memory(Vec::new()) }
    }

    /// Holds back the whole image, in this empty file. A reader gets all of it or nothing.
    pub(super) fn holding_all(pipe: Box<dyn Write + Send>, image_bytes: u64, file: File) -> Self {
        Self { pipe, free: 0, held: Held::File { file, image_bytes } }
    }

    /// The bytes that the image will take in the temporary file.
    pub(super) fn disk_bytes(&self) -> u64 {
        match &self.held {
            Held::Memory(_) => 0,
            Held::File { image_bytes, .. } => *image_bytes,
        }
    }

    /// The state of the pipe before [`HeldPipe::commit`].
    pub(super) fn left(&self) -> Left {
        match &self.held {
            Held::Memory(_) => Left::HeldBack,
            Held::File { .. } => Left::Withheld,
        }
    }

    /// Takes the next bytes of the image.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(self.free).unwrap_or(usize::MAX)));
        self.free -= now.len() as u64;
        match &mut self.held {
            Held::Memory(held) => held.extend_from_slice(later),
            Held::File { file, .. } => file.write_all(later).map_err(of_file())?,
        }
        self.pipe.write_all(now).map_err(of_pipe())
    }

    /// Sends the rest, because the image is verified.
    pub(super) fn commit(&mut self) -> Result<(), SyncError> {
        match &mut self.held {
            Held::Memory(held) => self.pipe.write_all(&std::mem::take(held)).map_err(of_pipe())?,
            Held::File { file, .. } => {
                file.rewind().map_err(of_file())?;
                io::copy(file, &mut self.pipe).map_err(of_pipe())?;
            }
        }
        self.pipe.flush().map_err(of_pipe())
    }
}

fn of_pipe() -> impl FnOnce(io::Error) -> SyncError {
    SyncError::io("standard output")
}

fn of_file() -> impl FnOnce(io::Error) -> SyncError {
    SyncError::io("temporary file")
}
