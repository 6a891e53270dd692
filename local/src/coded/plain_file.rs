//! Reads a file at random as its plain image, in which gzip and zstd files are uncompressed, and the blocks of disk images.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regrow_disk::codec::decode;

use super::disk::{LateSpool, PlacedBlock, PlainPlace};
use super::span_spool::SpanSpool;
use super::spooled::Spooled;
use super::{PlainSpool, Starts, Unfolded};

/// The number of spans that are kept in memory: 16 MiB, as long as points lie one MiB apart.
const SPANS_KEPT: usize = 16;
/// The memory for blocks of disk images, unless 16 of them take more.
const BLOCKS_KEPT_BYTES: usize = 16 << 20;
/// The largest number of blocks that are kept.
const MAX_BLOCKS_KEPT: usize = 256;
const READ_BYTES: usize = 64 << 10;

/// The name of a span, the plain bytes between two points or of one block: the number of its compressed file, and that of
/// its first point or of the block.
type SpanName = (usize, usize);
/// A span in the cache. The first thread that needs it fills it, and the others wait.
type Span = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

/// A file that is read as its plain image.
pub(crate) struct PlainFile {
    file: File,
    unfolded: Vec<Unfolded>,
    /// For each compressed file, its plain bytes if it is one that is decompressed as a whole.
    spooled: Vec<Option<Spooled>>,
    /// The same for each stream of a compressed file that is a disk image.
    streams: Vec<Vec<LateSpool>>,
    /// A folder for such bytes.
    scratch: Option<PathBuf>,
    kept: Mutex<VecDeque<(SpanName, Span)>>,
    /// Spans that were decompressed, if there is a folder with room for them.
    span_spool: OnceLock<Option<SpanSpool>>,
    /// The number of spans that are kept.
    most_kept: usize,
}

impl PlainFile {
    /// Takes the file, and the compressed files that were found in it, in ascending order.
    pub(crate) fn new(file: File, unfolded: Vec<Unfolded>) -> Self {
        let spooled = unfolded.iter().map(|unfolded| unfolded.has_long_spans().then(Spooled::default)).collect();
        let most_kept = spans_kept(&unfolded);
        let streams = unfolded.iter().map(|unfolded| match &unfolded.starts {
            Starts::Points(..) => Vec::new(),
            Starts::Blocks(places) => places.streams().iter().map(|_| LateSpool::default()).collect(),
        });
        let streams = streams.collect();
        let (kept, span_spool) = (Mutex::default(), OnceLock::new());
        Self { file, unfolded, spooled, streams, scratch: None, kept, span_spool, most_kept }
    }

    /// The same file. `scratch` is a folder for plain bytes, which are then decompressed only once; without one, reading is
    /// slow except in order.
    pub(crate) fn with_scratch(self, scratch: Option<&Path>) -> Self {
        Self { scratch: scratch.map(Path::to_owned), ..self }
    }

    /// The same file. `spool` has plain bytes that a scan kept.
    pub(crate) fn with_spool(self, spool: PlainSpool) -> Self {
        if let Some(filled) = SpanSpool::filled(spool, &self.unfolded) {
            // It is the first one, since nothing was read yet.
            let _ = self.span_spool.set(Some(filled));
        }
        self
    }

    /// Whether the plain bytes of the compressed files are in a file already.
    pub(crate) fn is_spooled(&self) -> bool {
        self.span_spool.get().is_some()
    }

    /// The same file with a cache of its own, and the compressed files that were found in it.
    pub(crate) fn again(&self, unfolded: &[Unfolded]) -> io::Result<Self> {
        Ok(Self::new(self.file.try_clone()?, unfolded.to_vec()).with_scratch(self.scratch.as_deref()))
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether there are streams of disk images, which are read only where there is room for their plain bytes.
    pub(crate) fn has_streams(&self) -> bool {
        self.streams.iter().any(|streams| !streams.is_empty())
    }

    /// The folder for plain bytes.
    pub(crate) fn scratch(&self) -> Option<&Path> {
        self.scratch.as_deref()
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
        if let Some(Some(spool)) = self.span_spool.get()
            && spool.is_whole()
            && matches!(unfolded.starts, Starts::Points(..))
        {
            return spool.read_exact_at(out, at);
        }
        if let Some(Some(spooled)) = self.spooled.get(number) {
            return spooled.read_exact_at((&self.file, unfolded), self.scratch.as_deref(), out, within);
        }
        while !out.is_empty() {
            let (span, start) = match &unfolded.starts {
                Starts::Points(_, points) => {
                    let point = unfolded.point_before(within);
                    if let Some(spool) = self.span_spool().filter(|spool| spool.has((number, point))) {
                        let left = unfolded.span_end(point).saturating_sub(within);
                        let len = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                        let (now, rest) = out.split_at_mut(len);
                        spool.read_exact_at(now, unfolded.plain.start + within)?;
                        (out, within) = (rest, within + len as u64);
                        continue;
                    }
                    let start = within - points.get(point).map_or(0, |point| point.plain_at);
                    (self.span((number, point))?, start)
                }
                Starts::Blocks(places) => match places.at(within) {
                    PlainPlace::Block(block, start) => (self.span((number, block))?, start),
                    PlainPlace::Stream(stream, start, bytes) => {
                        let len = out.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
                        let (now, rest) = out.split_at_mut(len);
                        let spool = self.streams.get(number).and_then(|streams| streams.get(stream));
                        let (Some(spool), Some(place)) = (spool, places.streams().get(stream)) else {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        };
                        let file = (&self.file, unfolded.stored.start);
                        spool.read_exact_at(file, *place, self.scratch.as_deref(), (now, start))?;
                        (out, within) = (rest, within + len as u64);
                        continue;
                    }
                    PlainPlace::Stored(stored_at, bytes) => {
                        let len = out.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
                        let (now, rest) = out.split_at_mut(len);
                        self.file.read_exact_at(now, unfolded.stored.start.saturating_add(stored_at))?;
                        (out, within) = (rest, within + len as u64);
                        continue;
                    }
                },
            };
            let start = usize::try_from(start).unwrap_or(usize::MAX);
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
        self.spool(name, &inflated);
        *bytes = Some(Arc::clone(&inflated));
        Ok(inflated)
    }

    fn span_spool(&self) -> Option<&SpanSpool> {
        let scratch = self.scratch.as_deref()?;
        self.span_spool.get_or_init(|| SpanSpool::new(scratch, &self.unfolded)).as_ref()
    }

    /// Keeps a span in a file, if it is one between two points.
    fn spool(&self, (number, point): SpanName, bytes: &[u8]) {
        if let (Some(spool), Some(unfolded)) = (self.span_spool(), self.unfolded.get(number))
            && let Some(start) = unfolded.points().get(point)
        {
            spool.keep((number, point), unfolded.plain.start + start.plain_at, bytes);
        }
    }

    fn kept_span(&self, name: SpanName) -> Span {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(known, _)| *known == name).and_then(|place| kept.remove(place));
        let (_, span) = found.unwrap_or_else(|| (name, Span::default()));
        kept.push_front((name, Arc::clone(&span)));
        kept.truncate(self.most_kept);
        span
    }

    fn inflate(&self, (number, point): SpanName) -> io::Result<Vec<u8>> {
        let unfolded = &self.unfolded[number];
        let points = match &unfolded.starts {
            Starts::Points(_, points) => points,
            Starts::Blocks(places) => return self.decode(unfolded, places.block(point)),
        };
        let end = unfolded.span_end(point);
        let start = points.get(point).map_or(0, |point| point.plain_at);
        let len = (end - start) as usize;
        let (mut reader, mut stored, _) = unfolded.reader_from(start).ok_or(io::ErrorKind::InvalidData)?;
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
    /// Decodes a block of a disk image.
    fn decode(&self, unfolded: &Unfolded, block: Option<PlacedBlock>) -> io::Result<Vec<u8>> {
        let PlacedBlock { codec, stored_at, stored_bytes, plain_bytes, .. } =
            block.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut stored = vec![0; stored_bytes as usize];
        self.file.read_exact_at(&mut stored, unfolded.stored.start.saturating_add(stored_at))?;
        let plain = decode(codec, &stored, plain_bytes as usize).map_err(|_| io::ErrorKind::InvalidData)?;
        if plain.len() == plain_bytes as usize { Ok(plain) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

/// The number of spans of these compressed files that are kept in memory.
fn spans_kept(unfolded: &[Unfolded]) -> usize {
    let blocks = unfolded.iter().filter_map(|unfolded| match &unfolded.starts {
        Starts::Points(..) => None,
        Starts::Blocks(places) => Some(BLOCKS_KEPT_BYTES / (places.largest_plain_bytes() as usize).max(1)),
    });
    // Spans between points are larger than most blocks.
    let only_blocks = unfolded.iter().all(|unfolded| matches!(unfolded.starts, Starts::Blocks(_)));
    blocks.min().filter(|_| only_blocks).map_or(SPANS_KEPT, |most| most.clamp(SPANS_KEPT, MAX_BLOCKS_KEPT))
}

#[cfg(test)]
mod tests;
