//! Bytes that wait to be read: in memory, or in a file without a name if there are many.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use crate::LocalError;

/// The size in bytes up to which a spool stays in memory.
pub const MEMORY_BYTES: u64 = 24 << 20;
const READ_BYTES: usize = 256 << 10;

/// Bytes that are written in any order and read later.
pub enum Spool {
    /// The bytes are in memory.
    Memory(RwLock<Vec<u8>>),
    /// The bytes are in a file of this size.
    File(File, u64),
}

impl Spool {
    /// Makes room for this many bytes, which are all zero. If a file is needed, it lies in `folder`.
    pub fn new(bytes: u64, folder: &Path) -> Result<Self, LocalError> {
        if bytes <= MEMORY_BYTES {
            return Ok(Self::Memory(RwLock::new(vec![0; bytes as usize])));
        }
        let file = tempfile::tempfile_in(folder).map_err(LocalError::io(folder))?;
        Ok(Self::File(file, bytes))
    }

    /// The number of bytes on disk that a spool of this many bytes takes.
    pub fn disk_bytes(bytes: u64) -> u64 {
        if bytes <= MEMORY_BYTES { 0 } else { bytes }
    }

    /// Writes bytes at an offset.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), LocalError> {
        match self {
            Self::Memory(memory) => {
                let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
                let at = at as usize;
                if let Some(place) = memory.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            }
            Self::File(file, _) => file.write_all_at(bytes, at).map_err(LocalError::io("temporary file")),
        }
    }

    /// Reads bytes that were written.
    pub fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Memory(memory) => {
                let memory = memory.read().unwrap_or_else(PoisonError::into_inner);
                let at = at as usize;
                let found = memory.get(at..at + out.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
                out.copy_from_slice(found);
                Ok(())
            }
            Self::File(file, _) => file.read_exact_at(out, at),
        }
    }

    /// Passes on all bytes from the front, in pieces.
    pub fn for_each<E: From<LocalError>>(&self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Memory(memory) => each(&memory.read().unwrap_or_else(PoisonError::into_inner)),
            Self::File(file, bytes) => {
                let mut buffer = vec![0; READ_BYTES];
                let mut at = 0;
                while at < *bytes {
                    let piece = &mut buffer[..READ_BYTES.min((*bytes - at) as usize)];
                    file.read_exact_at(piece, at).map_err(LocalError::io("temporary file"))?;
                    each(piece)?;
                    at += piece.len() as u64;
                }
                Ok(())
            }
        }
    }
}
