//! Spans of compressed files that were decompressed already, in a file without a name. A span is read many times: by a
//! patch, for the skeleton, and for each chunk of contents. With this file it is decompressed once in a run.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{PlainSpool, Starts, Unfolded, room};

/// The spans that were decompressed. Each lies at its place in the plain image, so the file is sparse.
pub(super) struct SpanSpool {
    file: File,
    /// For each compressed file, whether each of its spans is there.
    there: Vec<Vec<AtomicBool>>,
    /// The number of bytes that may still be written.
    left: AtomicU64,
    /// Whether the plain bytes of all files with points are there.
    is_whole: bool,
}

impl SpanSpool {
    /// Makes a file in this folder for spans of these compressed files. The result is `None` if none of them has spans, or
    /// if there is no room.
    pub(super) fn new(folder: &Path, unfolded: &[Unfolded]) -> Option<Self> {
        let spans = |unfolded: &Unfolded| match &unfolded.starts {
            Starts::Points(_, points) if !unfolded.has_long_spans() => points.len(),
            _ => 0,
        };
        let there: Vec<Vec<AtomicBool>> =
            unfolded.iter().map(|unfolded| (0..spans(unfolded)).map(|_| AtomicBool::new(false)).collect()).collect();
        let left = room::plain_bytes(folder);
        if left == 0 || there.iter().all(Vec::is_empty) {
            return None;
        }
        let file = tempfile::tempfile_in(folder).ok()?;
        Some(Self { file, there, left: AtomicU64::new(left), is_whole: false })
    }

    /// The spans of these compressed files in a file that has the plain bytes of all of them.
    pub(super) fn filled(mut spool: PlainSpool, unfolded: &[Unfolded]) -> Option<Self> {
        let (file, left) = spool.take()?;
        let spans = |unfolded: &Unfolded| unfolded.points().iter().map(|_| AtomicBool::new(true)).collect();
        Some(Self { file, there: unfolded.iter().map(spans).collect(), left: AtomicU64::new(left), is_whole: true })
    }

    /// Whether the plain bytes of all files with points are there.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn flag(&self, (number, span): (usize, usize)) -> Option<&AtomicBool> {
        self.there.get(number)?.get(span)
    }

    /// Whether the span of this compressed file is there.
    pub(super) fn has(&self, name: (usize, usize)) -> bool {
        self.flag(name).is_some_and(|there| there.load(Ordering::Acquire))
    }

    /// Keeps a span, which begins at this place in the plain image, if there is room for it. If it cannot be written, it is
    /// decompressed again when it is needed.
    pub(super) fn keep(&self, name: (usize, usize), plain_at: u64, bytes: &[u8]) {
        let Some(there) = self.flag(name) else { return };
        let wanted = bytes.len() as u64;
        let takes = |left: u64| left.checked_sub(wanted);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, takes).is_err() {
            return;
        }
        match self.file.write_all_at(bytes, plain_at) {
            Ok(()) => there.store(true, Ordering::Release),
            // The disk is full: what others write matters more.
            Err(_) => self.left.store(0, Ordering::Relaxed),
        }
    }

    /// Fills `out` with bytes of a span that is there, from a place in the plain image on.
    pub(super) fn read_exact_at(&self, out: &mut [u8], plain_at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, plain_at)
    }
}
