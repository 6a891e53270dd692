//! Bytes that are put aside so that they can be read again. A few stay in memory; more go to a file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::room;
use crate::LocalError;

/// The number of bytes that stay in memory at most.
const MEMORY_BYTES: usize = 16 << 20;

/// The bytes that were put aside.
pub(crate) struct Aside {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    bytes: u64,
}

impl Aside {
    /// Begins with no bytes. If a file becomes necessary, it will lie in `folder`.
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

    /// Ends the writing. If there is a file, the bytes that are still in memory go there.
    pub(crate) fn settle(&mut self) -> Result<(), LocalError> {
        if self.file.is_some() { self.spill().map_err(LocalError::io(&self.folder)) } else { Ok(()) }
    }

    /// The folder for a file.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
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

    /// The number of bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fills `out` with the bytes from `at` on, as far as there are any, and returns their number. It may only be
    /// called after [`Aside::settle`].
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

/// Plain bytes that are put aside as long as there is room, so that they are not decompressed again.
pub(crate) struct PlainAside {
    aside: Option<Aside>,
    left: u64,
}

impl PlainAside {
    /// Begins with no bytes.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { aside: Some(Aside::new(folder)), left: room::plain_bytes(folder) }
    }

    /// Takes in the next bytes.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let Some(aside) = &mut self.aside else { return };
        match self.left.checked_sub(piece.len() as u64) {
            Some(left) if aside.push(piece).is_ok() => self.left = left,
            _ => self.aside = None,
        }
    }

    /// All bytes, if there was room for them.
    pub(crate) fn finish(self) -> Option<Aside> {
        let mut aside = self.aside?;
        aside.settle().ok()?;
        Some(aside)
    }
}
