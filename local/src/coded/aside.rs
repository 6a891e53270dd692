//! Bytes that are put aside to be read again: in memory while they are few, then in a file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::LocalError;

/// Up to this many bytes stay in memory.
const MEMORY_BYTES: usize = 16 << 20;

/// See the module's documentation.
pub(crate) struct Aside {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    bytes: u64,
}

impl Aside {
    /// Nothing yet; a file would lie in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), memory: Vec::new(), file: None, bytes: 0 }
    }

    /// Takes in the next bytes.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), LocalError> {
        self.bytes += piece.len() as u64;
        self.memory.extend_from_slice(piece);
        if self.memory.len() > MEMORY_BYTES {
            self.spill().map_err(LocalError::io(&self.folder))?;
        }
        Ok(())
    }

    /// All bytes came: those that are not yet in the file, if there is one, go there.
    pub(crate) fn settle(&mut self) -> Result<(), LocalError> {
        if self.file.is_some() { self.spill().map_err(LocalError::io(&self.folder)) } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.folder)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.memory)?;
        }
        self.memory.clear();
        Ok(())
    }

    /// How many there are.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fills `out` with bytes from `at` on, as far as there are any; returns how many. After [`Aside::settle`].
    pub(crate) fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX));
        let out = &mut out[..len];
        match &self.file {
            Some(file) => file.read_exact_at(out, at)?,
            None => out.copy_from_slice(&self.memory[at as usize..at as usize + len]),
        }
        Ok(len)
    }
}
