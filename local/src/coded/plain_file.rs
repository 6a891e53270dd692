//! Reads a file at random as its plain image, in which gzip and zstd files are uncompressed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::spooled::Spooled;
use super::{CodedReader, Unfolded};

/// The number of spans that are kept in memory: 16 MiB, as long as points lie one MiB apart.
const SPANS_KEPT: usize = 16;
const READ_BYTES: usize = 64 << 10;

/// The name of a span, the plain bytes between two points: the number of its compressed file, and that of its first
/// point.
type SpanName = (usize, usize);
/// A span in the cache. The first thread that needs it fills it, and the others wait.
type Span = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

/// A file that is read as its plain image.
pub(crate) struct PlainFile {
    file: File,
    unfolded: Vec<Unfolded>,
    /// For each compressed file, its plain bytes if it is one that is decompressed as a whole.
    spooled: Vec<Option<Spooled>>,
    /// A folder for such bytes.
    scratch: Option<PathBuf>,
    kept: Mutex<VecDeque<(SpanName, Span)>>,
}

impl PlainFile {
    /// Takes the file, and the compressed files that were found in it, in ascending order.
    pub(crate) fn new(file: File, unfolded: Vec<Unfolded>) -> Self {
        let spooled = unfolded.iter().map(|unfolded| unfolded.has_long_spans().then(Spooled::default)).collect();
        Self { file, unfolded, spooled, scratch: None, kept: Mutex::default() }
    }

    /// The same file. `scratch` is a folder for the plain bytes of zstd files that are decompressed as a whole; without
    /// one, reading them is slow except in order.
    pub(crate) fn with_scratch(self, scratch: Option<&Path>) -> Self {
        Self { scratch: scratch.map(Path::to_owned), ..self }
    }

    /// The same file with a cache of its own, and the compressed files that were found in it.
    pub(crate) fn again(&self, unfolded: &[Unfolded]) -> io::Result<Self> {
        Ok(Self::new(self.file.try_clone()?, unfolded.to_vec()).with_scratch(self.scratch.as_deref()))
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file back.
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Fills `out` with the plain image's bytes from `at` on.
    pub(crate) fn read_exact_at(&self, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let number = self.unfolded.partition_point(|unfolded| unfolded.plain.end <= at);
            let next = self.unfolded.get(number);
            let coded = next.filter(|unfolded| unfolded.plain.start <= at);
            let end = coded.map(|unfolded| unfolded.plain.end).or(next.map(|unfolded| unfolded.plain.start));
            let len = end.map_or(out.len(), |end| out.len().min(usize::try_from(end - at).unwrap_or(usize::MAX)));
            let (now, rest) = out.split_at_mut(len);
            if coded.is_some() {
                self.read_coded(number, now, at)?;
            } else {
                self.file.read_exact_at(now, self.stored_at(number, at))?;
            }
            (out, at) = (rest, at + len as u64);
        }
        Ok(())
    }

    /// The place in the file of the plain image's byte `at`, which lies between coded files, before the one with
    /// this number.
    fn stored_at(&self, number: usize, at: u64) -> u64 {
        match number.checked_sub(1).and_then(|before| self.unfolded.get(before)) {
            Some(before) => before.stored.end + (at - before.plain.end),
            None => at,
        }
    }

    fn read_coded(&self, number: usize, mut out: &mut [u8], at: u64) -> io::Result<()> {
        let unfolded = &self.unfolded[number];
        let mut within = at - unfolded.plain.start;
        if let Some(Some(spooled)) = self.spooled.get(number) {
            return spooled.read_exact_at((&self.file, unfolded), self.scratch.as_deref(), out, within);
        }
        while !out.is_empty() {
            let point = unfolded.point_before(within);
            let span = self.span((number, point))?;
            let start = usize::try_from(within - unfolded.points[point].plain_at).unwrap_or(usize::MAX);
            let found = span.get(start..).filter(|found| !found.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = found.len().min(out.len());
            let (now, rest) = out.split_at_mut(len);
            now.copy_from_slice(&found[..len]);
            (out, within) = (rest, within + len as u64);
        }
        Ok(())
    }

    /// Takes a span from the cache, or decompresses it.
    fn span(&self, name: SpanName) -> io::Result<Arc<Vec<u8>>> {
        let span = self.kept_span(name);
        let mut bytes = span.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*bytes {
            return Ok(Arc::clone(bytes));
        }
        let inflated = Arc::new(self.inflate(name)?);
        *bytes = Some(Arc::clone(&inflated));
        Ok(inflated)
    }

    fn kept_span(&self, name: SpanName) -> Span {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(known, _)| *known == name).and_then(|place| kept.remove(place));
        let (_, span) = found.unwrap_or_else(|| (name, Span::default()));
        kept.push_front((name, Arc::clone(&span)));
        kept.truncate(SPANS_KEPT);
        span
    }

    fn inflate(&self, (number, point): SpanName) -> io::Result<Vec<u8>> {
        let unfolded = &self.unfolded[number];
        let whole = unfolded.plain.end - unfolded.plain.start;
        let end = unfolded.points.get(point + 1).map_or(whole, |next| next.plain_at);
        let len = (end - unfolded.points[point].plain_at) as usize;
        let from = unfolded.points[point].unpack().ok_or(io::ErrorKind::InvalidData)?;
        let mut reader = CodedReader::resume(unfolded.format, &from);
        let mut stored = unfolded.stored.start + from.stored_at;
        let (mut out, mut buffer) = (Vec::with_capacity(len), vec![0; READ_BYTES]);
        while out.len() < len {
            let wanted = READ_BYTES.min(usize::try_from(unfolded.stored.end - stored).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut buffer[..wanted], stored)?;
            let before = out.len();
            let step = reader.push(&buffer[..wanted], &mut out, len - before);
            let step = step.map_err(|_| io::ErrorKind::InvalidData)?;
            if step.taken == 0 && out.len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            stored += step.taken as u64;
        }
        Ok(out)
    }
}
