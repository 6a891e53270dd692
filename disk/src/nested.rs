//! Files that are disk images themselves, such as a system in a bundle. docs/format/disk.md, section 12.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;

use crate::claims::Claims;
use crate::codec::decode;
use crate::{BlockCodec, DiskError, DiskFile, Divided, Division, FileRun, ReadAt, StretchKind};

/// Files of fewer bytes are not looked at.
pub(crate) const MIN_BYTES: u64 = 1 << 20;
/// Nor are those with longer paths, since each of their own files has it in its path.
pub(crate) const MAX_PATH_BYTES: usize = 255;
/// The decoded blocks that are kept, and the most bytes that those of a thin disk have.
const CACHED_BLOCKS: usize = 64;
const THIN_CACHED_BYTES: usize = 16 << 20;
/// The bytes that are decoded at most: this many, and more for each byte of the file. Its tables are read once.
const DECODED_BYTES: u64 = 64 << 20;
const DECODED_BYTES_EACH: u64 = 32;

/// The share of the image's bytes that the data of a thin disk is taken to have at most, where it bounds what is read.
const THIN_BYTES_EACH: u64 = 8;

/// Bytes of a file that follow each other in the image, or in a block of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where they are in the file.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// Where they are in the plain image.
    pub(crate) plain_at: u64,
    pub(crate) source: Source,
}

/// Where the bytes of a run come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// The image, from this place on.
    Image(u64),
    /// A compressed block of the image, from this place of its plain bytes on.
    Block { at: u64, bytes: u64, plain_bytes: u32, codec: BlockCodec, from: usize },
}

impl Run {
    /// Whether another run goes on where this one ends, in the file and in the image.
    pub(crate) fn goes_on_in(&self, next: &Self) -> bool {
        let (Source::Image(at), Source::Image(next_at)) = (self.source, next.source) else { return false };
        at + self.bytes == next_at && self.at + self.bytes == next.at
    }
}

/// A file, read at random. What no run has is zeros.
pub(crate) struct File<'i> {
    image: &'i dyn ReadAt,
    bytes: u64,
    /// In the order of their places in the file.
    runs: &'i [Run],
    /// Decoded blocks by their places in the image, those that were used last behind.
    cache: RefCell<VecDeque<(u64, Vec<u8>)>>,
    /// The most bytes of these, if there are several.
    cached_bytes: usize,
    /// The bytes that may still be decoded.
    left: Cell<u64>,
    /// The bytes that may still be read, decoded or not, and at most at once.
    read_left: Cell<u64>,
    most: u64,
}

impl<'i> File<'i> {
    pub(crate) fn new(image: &'i dyn ReadAt, bytes: u64, runs: &'i [Run]) -> Self {
        let left = bytes.saturating_mul(DECODED_BYTES_EACH).saturating_add(DECODED_BYTES);
        Self {
            image,
            bytes,
            runs,
            cache: RefCell::default(),
            cached_bytes: usize::MAX,
            left: Cell::new(left),
            read_left: Cell::new(u64::MAX),
            most: bytes,
        }
    }

    /// A file that may be nearly all holes, such as the disk of a virtual machine. What is read of it follows the bytes that
    /// are there.
    pub(crate) fn thin(image: &'i dyn ReadAt, bytes: u64, runs: &'i [Run]) -> Self {
        let there: u64 = runs.iter().map(|run| run.bytes).fold(0, u64::saturating_add);
        let there = there.min(image.bytes().saturating_mul(THIN_BYTES_EACH));
        let left = there.saturating_mul(DECODED_BYTES_EACH).saturating_add(DECODED_BYTES);
        let most = there.saturating_add(DECODED_BYTES).min(bytes);
        Self {
            left: Cell::new(left),
            read_left: Cell::new(left),
            most,
            cached_bytes: THIN_CACHED_BYTES,
            ..Self::new(image, bytes, runs)
        }
    }

    /// Where its bytes are.
    pub(crate) fn runs(&self) -> &'i [Run] {
        self.runs
    }

    /// Divides the file, if it is a disk image whose blocks need no decoding of their own.
    pub(crate) fn divided(&self, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
        match inner(self) {
            // What cannot be decoded is no disk image.
            Err(DiskError::Read(error)) if error.kind() != io::ErrorKind::InvalidData => Err(error.into()),
            Ok(Some(division)) if !division.has_blocks() => Ok(Some(division)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn block(&self, source: Source, out: &mut [u8], skipped: usize) -> io::Result<()> {
        let Source::Block { at, bytes, plain_bytes, codec, from } = source else { return Ok(()) };
        let mut cache = self.cache.borrow_mut();
        let block = match cache.iter().position(|&(known, _)| known == at).and_then(|found| cache.remove(found)) {
            Some(block) => block,
            None => {
                let left = self.left.get().checked_sub(plain_bytes.into()).ok_or(io::ErrorKind::InvalidData)?;
                self.left.set(left);
                let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
                let mut stored = vec![0; len];
                self.image.read_exact_at(&mut stored, at)?;
                let plain = decode(codec, &stored, plain_bytes as usize);
                (at, plain.map_err(|_| io::ErrorKind::InvalidData)?)
            }
        };
        let found = block.1.get(from + skipped..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::InvalidData)?);
        cache.push_back(block);
        while cache.len() > 1 && cache.len() > CACHED_BLOCKS.min(self.cached_bytes / plain_bytes.max(1) as usize) {
            cache.pop_front();
        }
        Ok(())
    }
}

impl ReadAt for File<'_> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn most_bytes(&self) -> u64 {
        self.most
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64).filter(|&end| end <= self.bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let left = self.read_left.get().checked_sub(out.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
        self.read_left.set(left);
        out.fill(0);
        let first = self.runs.partition_point(|run| run.at + run.bytes <= at);
        for run in self.runs[first..].iter().take_while(|run| run.at < end) {
            let (from, to) = (run.at.max(at), (run.at + run.bytes).min(end));
            let part = &mut out[(from - at) as usize..(to - at) as usize];
            let skipped = from - run.at;
            match run.source {
                Source::Image(image_at) => self.image.read_exact_at(part, image_at + skipped)?,
                source => self.block(source, part, skipped as usize)?,
            }
        }
        Ok(())
    }
}

/// Claims for the stretches of a file what they are in the file's own division. `before` is the number of files before
/// its first one.
pub(crate) fn claim(claims: &mut Claims, runs: &[Run], division: &Division, before: u32) -> Result<(), DiskError> {
    let (mut at, mut runs) = (0, runs.iter().peekable());
    for stretch in &division.stretches {
        let end = at + stretch.bytes;
        let kind = match stretch.kind {
            StretchKind::File(number) => StretchKind::File(number.saturating_add(before)),
            kind => kind,
        };
        while let Some(run) = runs.peek() {
            let run_end = run.at + run.bytes;
            let (from, to) = (run.at.max(at), run_end.min(end));
            if from < to {
                claims.push(run.plain_at + (from - run.at), to - from, kind)?;
            }
            if run_end > end {
                break;
            }
            runs.next();
        }
        at = end;
    }
    Ok(())
}

/// A file's own files. `outer` are the runs of the file itself.
pub(crate) fn files<'d>(
    path: &'d [u8],
    division: &'d Division,
    outer: &'d [Run],
) -> impl Iterator<Item = DiskFile> + 'd {
    division.files.iter().map(move |file| DiskFile { path: [path, b"/", &file.path].concat(), ..in_image(file, outer) })
}

/// A file's own file, with the runs that it has in the image. `outer` are the runs of the file itself.
pub(crate) fn in_image(file: &DiskFile, outer: &[Run]) -> DiskFile {
    let mut runs = Vec::new();
    file.runs.iter().for_each(|run| within(outer, run, &mut runs));
    DiskFile { path: file.path.clone(), bytes: file.bytes, runs }
}

/// Adds the runs that a run of a file's own file has in the image.
fn within(outer: &[Run], inner: &FileRun, runs: &mut Vec<FileRun>) {
    let (start, end) = (inner.plain_at, inner.plain_at.saturating_add(inner.bytes));
    let first = outer.partition_point(|run| run.at + run.bytes <= start);
    for run in outer[first..].iter().take_while(|run| run.at < end) {
        let (from, to) = (run.at.max(start), (run.at + run.bytes).min(end));
        let (file_at, plain_at) = (inner.file_at + (from - start), run.plain_at + (from - run.at));
        FileRun { file_at, plain_at, bytes: to - from }.add(runs);
    }
}

/// What a file is, for people.
pub(crate) fn described(path: &[u8], division: &Division) -> String {
    let path = String::from_utf8_lossy(path).replace(char::is_control, "?");
    format!("; {path}: {}", division.details)
}
