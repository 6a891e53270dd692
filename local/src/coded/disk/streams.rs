//! Compressed streams of a disk image: deciding by their beginnings, and reading them at random.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regrow_deflate::encoders::recognise;
use regrow_disk::codec::StreamReader;
use regrow_disk::{ReadAt, Scratch, Spool, StreamCodec, TarPart};
use regrow_zstd::Beginning;

use super::places::PlacedStream;
use super::tar;
use crate::coded::prove::StreamToProve;

/// The number of bytes that stay free on the disk.
const SPARE_BYTES: u64 = 64 << 20;
const READ_BYTES: usize = 256 << 10;
const PLAIN_BYTES: usize = 1 << 20;
/// Zeros of this many bytes at multiples of it become holes.
const HOLE_BYTES: usize = 64 << 10;

/// A folder in which streams are put aside.
#[derive(Debug, Clone, Copy)]
pub struct SpoolFolder<'p>(pub &'p Path);

impl Scratch for SpoolFolder<'_> {
    fn spool(&self) -> io::Result<Box<dyn Spool>> {
        Ok(Box::new(SpoolFile::new(self.0)?))
    }

    fn walk_tar(&self, tar: &dyn ReadAt, part: &mut dyn FnMut(TarPart<'_>) -> bool) -> io::Result<bool> {
        tar::walk(tar, part)
    }
}

/// A file without a name. Zeros become holes, since disk images have many.
pub(crate) struct SpoolFile {
    file: File,
    folder: PathBuf,
    bytes: u64,
}

impl SpoolFile {
    fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, folder: folder.to_owned(), bytes: 0 })
    }

    fn has_room(&self, bytes: usize) -> io::Result<()> {
        let room = rustix::fs::statvfs(&self.folder)?;
        if room.f_bavail.saturating_mul(room.f_frsize) < (bytes as u64).saturating_add(SPARE_BYTES) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl ReadAt for SpoolFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }
}

impl Spool for SpoolFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.bytes + bytes.len() as u64;
        let mut has_asked = false;
        for piece in bytes.chunks(HOLE_BYTES) {
            if piece.iter().any(|&byte| byte != 0) {
                if !std::mem::replace(&mut has_asked, true) {
                    self.has_room(bytes.len())?;
                }
                self.file.write_all_at(piece, self.bytes)?;
            }
            self.bytes += piece.len() as u64;
        }
        self.file.set_len(end)
    }
}

/// Whether an encoder is known that makes the beginning of a stream, or nearly makes it.
pub(super) fn has_known_beginning(stream: StreamToProve<'_>) -> bool {
    let Ok((stored, plain)) = stream.beginning() else { return false };
    match stream.codec {
        StreamCodec::Deflate => recognise(&stored, &plain).next().is_some(),
        StreamCodec::Zstd => Beginning::of(&stored)
            .is_some_and(|beginning| beginning.encoders().next().is_some() || !beginning.near().is_empty()),
        StreamCodec::Lzma2 { .. } => stream.recognised().is_ok_and(|known| !known.is_empty()),
        _ => false,
    }
}

/// The plain bytes of a stream, which are decompressed as a whole when the first of them is read.
#[derive(Default)]
pub(crate) struct LateSpool(Mutex<Option<Arc<SpoolFile>>>);

impl LateSpool {
    /// Fills `out` with plain bytes from `at` on. The image begins at `start` in a file. Without a folder in which there is
    /// room, it fails.
    pub(crate) fn read_exact_at(
        &self,
        (file, start): (&File, u64),
        stream: PlacedStream,
        scratch: Option<&Path>,
        (out, at): (&mut [u8], u64),
    ) -> io::Result<()> {
        let mut whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spool = match &*whole {
            Some(spool) => Arc::clone(spool),
            None => {
                let scratch = scratch.ok_or(io::ErrorKind::StorageFull)?;
                let spool = Arc::new(decompressed(file, start, stream, scratch)?);
                *whole = Some(Arc::clone(&spool));
                spool
            }
        };
        drop(whole);
        spool.read_exact_at(out, at)
    }
}

/// Decompresses a stream of a file into another one.
fn decompressed(file: &File, start: u64, stream: PlacedStream, scratch: &Path) -> io::Result<SpoolFile> {
    let mut spool = SpoolFile::new(scratch)?;
    let damaged = |_| io::Error::from(io::ErrorKind::InvalidData);
    let mut reader = StreamReader::new(stream.codec).map_err(damaged)?;
    let mut at = start.checked_add(stream.stored_at).ok_or(io::ErrorKind::InvalidData)?;
    let end = at.checked_add(stream.stored_bytes).ok_or(io::ErrorKind::InvalidData)?;
    let (mut held, mut from, mut plain) = (Vec::new(), 0, Vec::new());
    while spool.bytes() < stream.plain_bytes {
        if from == held.len() {
            held.resize(READ_BYTES.min(usize::try_from(end - at).unwrap_or(usize::MAX)), 0);
            file.read_exact_at(&mut held, at)?;
            (at, from) = (at + held.len() as u64, 0);
        }
        plain.clear();
        let left = usize::try_from(stream.plain_bytes - spool.bytes()).unwrap_or(usize::MAX);
        let step = reader.push(&held[from..], &mut plain, PLAIN_BYTES.min(left)).map_err(damaged)?;
        from += step.taken;
        if step.taken == 0 && plain.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        spool.append(&plain)?;
    }
    Ok(spool)
}
