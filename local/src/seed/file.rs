//! A file or a block device as a seed. A tar is understood as make does, and anything else is cut as contents.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use regrow_chunker::{ChunkId, PieceRule};
use regrow_disk::{Division, Scratch, divide_with};
use regrow_image::{SkeletonPart, StreamKind};
use regrow_index::Segment;
use rustix::fs::OFlags;

use super::gather::gather;
use super::layer::Layer;
use super::places::{ALONE, FOUND, IN_FILE, MARKS, place};
use super::{Seed, SeedContext, Side, first_with_id, sorted_by_id};
use crate::coded::{PlainFile, SpoolFolder};
use crate::disk_files::DiskFiles;
use crate::ingest::{GzipFiles, Reading, sized};
use crate::scan::Scan;
use crate::{LocalError, Stage};

/// The number of bytes that are copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// The plain bytes of a seed.
enum PlainBytes {
    File(PlainFile),
    /// A layer in the storage of an engine, as an archive of its own.
    Layer(Box<Layer>),
}

impl PlainBytes {
    /// The file whose state tells whether the bytes have changed.
    fn file(&self) -> &File {
        match self {
            Self::File(file) => file.file(),
            Self::Layer(layer) => layer.file(),
        }
    }

    /// Whether all files of a layer that is made of several have the sizes that they should have.
    fn is_there(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Layer(layer) => layer.is_there(),
        }
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(out, at),
            Self::Layer(layer) => layer.read_exact_at(out, at),
        }
    }
}

/// A file or a block device as a seed. A layer that an engine keeps in several files counts as one file.
pub struct FileSeed {
    file: PlainBytes,
    /// The state of the file before it was read.
    state: FileState,
    scan: Scan,
    /// Whether the scan was made in this run. Otherwise the catalog remembered it.
    was_read: bool,
    streams: [StreamIndex; 2],
    /// The positions of the scan's opaque chunks, sorted by id.
    opaque_by_id: Vec<u32>,
    /// The positions of the scan's chunks of files that were cut otherwise, sorted by id.
    alone_by_id: Vec<u32>,
    /// The files of a divided image. They are found when one is read first.
    disk_files: OnceLock<Option<DiskFiles>>,
    /// How the target's files lie, for looking beside chunks.
    pub(super) pieces: Option<PieceRule>,
    /// The chunks that the file holds behind damaged headers.
    found: Option<Box<FileSeed>>,
    /// The file itself, if it has anything in compressed form.
    coded_file: Option<File>,
}

/// The size of a file, and the times when it was last written and changed. It is `None` if the file system does not
/// tell.
type FileState = Option<(u64, SystemTime, i64, i64)>;

fn state_of(file: &File) -> FileState {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?, metadata.ctime(), metadata.ctime_nsec()))
}

/// The chunks of a stream: their offsets by position, and their positions sorted by id.
struct StreamIndex {
    starts: Vec<u64>,
    by_id: Vec<u32>,
}

impl StreamIndex {
    fn new(scan: &Scan, stream: StreamKind) -> Self {
        let records = scan.records(stream);
        Self { starts: scan.starts(stream), by_id: sorted_by_id(records.len(), |n| records[n].id) }
    }
}

const STREAMS: [StreamKind; 2] = [StreamKind::Skeleton, StreamKind::Contents];

impl FileSeed {
    /// Opens a file, and reads it unless the catalog knows it.
    pub fn open(path: &Path, context: &SeedContext<'_>) -> Result<Self, LocalError> {
        Self::of_file(Self::open_file(path)?, path, context)
    }

    /// Opens a file or a block device, which can be read at random.
    pub fn open_file(path: &Path) -> Result<File, LocalError> {
        // The path may have become a pipe by now, and opening it must not wait for the other end.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            File::options().read(true).custom_flags(flags.bits() as i32).open(path).map_err(LocalError::io(path))?;
        let kind = file.metadata().map_err(LocalError::io(path))?.file_type();
        if !(kind.is_file() || kind.is_block_device()) {
            return Err(LocalError::Usage(format!("{}: is neither a file nor a block device", path.display())));
        }
        Ok(file)
    }

    /// Does the same as [`Self::open`] with a file that is already open. `path` is its name in the catalog and in
    /// messages.
    pub fn of_file(mut file: File, path: &Path, context: &SeedContext<'_>) -> Result<Self, LocalError> {
        let kind = file.metadata().map_err(LocalError::io(path))?.file_type();
        let state = state_of(&file);
        let SeedContext { rules, params, pool, catalog, progress, unfolds, on_scan, .. } = *context;
        // Writing to a device does not change its times, so its contents are not remembered.
        let catalog = catalog.filter(|_| kind.is_file());
        let gzip_files = if unfolds { GzipFiles::Scan(Some(context.scratch)) } else { GzipFiles::Contents };
        let reading = Reading { rules, params, pool, stage: Stage::Scan, progress, gzip_files };
        let (mut scan, was_read) = Scan::of_file(path, &mut file, None, &reading, catalog, on_scan)?;
        let found = scan.found.take().map(|found| {
            let file = file.try_clone().map_err(LocalError::io(path))?;
            Ok::<_, LocalError>(Box::new(Self::new(file, state, *found, was_read, Some(context.scratch))))
        });
        let pieces = rules.pieces();
        Ok(Self { found: found.transpose()?, pieces, ..Self::new(file, state, scan, was_read, Some(context.scratch)) })
    }

    fn new(file: File, state: FileState, mut scan: Scan, was_read: bool, scratch: Option<&Path>) -> Self {
        let coded_file = if scan.unfolded.is_empty() { None } else { file.try_clone().ok() };
        let spool = std::mem::take(&mut scan.spool);
        let file = PlainFile::new(file, scan.unfolded.clone()).with_scratch(scratch).with_spool(spool);
        let file = PlainBytes::File(file);
        Self { coded_file, ..Self::of_bytes(file, state, scan, was_read) }
    }

    /// A seed from a layer, whose scan is that of an archive that holds it.
    pub(super) fn of_layer(layer: Layer, scan: Scan, was_read: bool) -> Self {
        let state = state_of(layer.file());
        Self::of_bytes(PlainBytes::Layer(Box::new(layer)), state, scan, was_read)
    }

    fn of_bytes(file: PlainBytes, state: FileState, scan: Scan, was_read: bool) -> Self {
        let streams = STREAMS.map(|stream| StreamIndex::new(&scan, stream));
        let opaque_by_id = sorted_by_id(scan.opaque.len(), |n| scan.opaque[n].0.id);
        let alone_by_id = sorted_by_id(scan.alone().len(), |n| scan.alone()[n].0.id);
        let (pieces, found, coded_file, disk_files) = (None, None, None, OnceLock::new());
        Self { file, state, scan, was_read, streams, opaque_by_id, alone_by_id, disk_files, pieces, found, coded_file }
    }

    /// A seed from a plain image in a file, whose contents are known.
    pub fn of_plain(file: File, scan: Scan) -> Self {
        let state = state_of(&file);
        Self::new(file, state, scan, true, None)
    }

    /// The file itself, if it has anything in compressed form, even if its plain image was written to another one.
    pub(crate) fn coded_file(&self) -> Option<&File> {
        self.coded_file.as_ref()
    }

    /// Writes the plain image to a file without a name in `scratch`, with coded files in uncompressed form. This
    /// pays for a caller that reads much of it at random.
    pub fn unfolded(self, scratch: &Path) -> Result<Self, LocalError> {
        if self.scan.unfolded.is_empty() {
            return Ok(self);
        }
        // Zstd files are read in order here, so they need no files of their own.
        let from = match self.file {
            PlainBytes::File(file) if !file.has_streams() && !file.is_spooled() => {
                PlainBytes::File(file.with_scratch(None))
            }
            file @ PlainBytes::File(_) => file,
            layer @ PlainBytes::Layer(_) => layer,
        };
        let plain = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let (bytes, mut at, mut buffer) = (self.scan.layout.image_bytes(), 0, vec![0; COPY_BYTES as usize]);
        while at < bytes {
            let piece = &mut buffer[..COPY_BYTES.min(bytes - at) as usize];
            from.read_exact_at(piece, at).map_err(LocalError::io("an image"))?;
            plain.write_all_at(piece, at).map_err(LocalError::io(scratch))?;
            at += piece.len() as u64;
        }
        Ok(Self { file: PlainBytes::File(PlainFile::new(plain, Vec::new())), opaque_by_id: Vec::new(), ..self })
    }

    /// Whether nothing was written to the file since it was opened, as far as the file system tells.
    pub fn is_unchanged(&self) -> bool {
        self.state.is_some() && self.state == state_of(self.file.file()) && self.file.is_there()
    }

    /// Whether the file was read through in this run. Otherwise the catalog remembered its contents.
    pub fn was_read(&self) -> bool {
        self.was_read
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// A folder for files without names, if there is one.
    pub(super) fn scratch(&self) -> Option<&Path> {
        match &self.file {
            PlainBytes::File(file) => file.scratch(),
            PlainBytes::Layer(_) => None,
        }
    }

    /// The file once more, read as its plain image. The result is `None` for a layer, or if the system gives no more
    /// files.
    pub(super) fn plain_file(&self) -> Option<PlainFile> {
        match &self.file {
            PlainBytes::File(file) => file.again(&self.scan.unfolded).ok(),
            PlainBytes::Layer(_) => None,
        }
    }

    /// The scan of the file.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// The offsets of a stream's chunks in the stream.
    pub fn chunk_starts(&self, stream: StreamKind) -> &[u64] {
        &self.streams[usize::from(stream == StreamKind::Contents)].starts
    }

    /// The offset of a chunk in a stream.
    pub fn find_in(&self, stream: StreamKind, id: &ChunkId) -> Option<u64> {
        let (records, index) = (self.scan.records(stream), &self.streams[usize::from(stream == StreamKind::Contents)]);
        first_with_id(&index.by_id, id, |n| records[n].id).map(|found| index.starts[found as usize])
    }

    /// Fills `out` with the bytes of a stream from `at` on.
    pub fn read_stream(&self, stream: StreamKind, at: u64, out: &mut [u8]) -> io::Result<()> {
        let mut parts = self.parts(stream, at..at + out.len() as u64).peekable();
        if let Some(SkeletonPart::InImage(image)) = parts.peek()
            && image.end - image.start == out.len() as u64
        {
            return self.file.read_exact_at(out, image.start);
        }
        let mut gathered = Vec::with_capacity(out.len());
        gather(|buffer, at| self.file.read_exact_at(buffer, at), parts, &mut gathered)?;
        if gathered.len() != out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.copy_from_slice(&gathered);
        Ok(())
    }

    /// How the file is divided, if it is a disk image.
    pub(super) fn division(&self) -> Option<Division> {
        let folder = self.scratch().map(SpoolFolder);
        let scratch = folder.as_ref().map(|folder| folder as &dyn Scratch);
        divide_with(&sized(self.file()).ok()?, self.scan.division?, scratch).ok()?
    }

    /// The files of a divided image.
    pub(super) fn disk_files(&self) -> Option<&DiskFiles> {
        self.disk_files.get_or_init(|| Some(DiskFiles::of(&self.division()?))).as_ref()
    }

    /// What makes up a chunk of a file that was cut otherwise.
    fn alone_parts(&self, number: usize, bytes: usize) -> Option<Vec<SkeletonPart>> {
        let (_, place) = self.scan.alone().get(number)?;
        let ranges = place.ranges(u32::try_from(bytes).ok()?)?;
        if self.scan.division.is_none() {
            return Some(ranges.into_iter().flat_map(|range| self.parts(StreamKind::Contents, range)).collect());
        }
        let files = self.disk_files()?;
        let parts = ranges.into_iter().map(|range| files.parts(range)).collect::<Option<Vec<_>>>()?;
        Some(parts.concat())
    }

    /// The stretches of the file that make up a range of a stream, and the numbers of operations between them.
    pub(super) fn parts(&self, stream: StreamKind, range: Range<u64>) -> impl Iterator<Item = SkeletonPart> + '_ {
        let (skeleton, contents) = match stream {
            StreamKind::Skeleton => (Some(self.scan.layout.skeleton_parts(range)), None),
            StreamKind::Contents => (None, Some(self.scan.layout.contents_in_image(range))),
        };
        let contents = contents.into_iter().flatten().map(SkeletonPart::InImage);
        skeleton.into_iter().flatten().chain(contents)
    }
}

impl Seed for FileSeed {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        STREAMS
            .iter()
            .zip(&self.streams)
            .find_map(|(&stream, index)| {
                let records = self.scan.records(stream);
                let found = first_with_id(&index.by_id, id, |n| records[n].id)?;
                Some(place(stream, index.starts[found as usize]))
            })
            .or_else(|| {
                let found = first_with_id(&self.opaque_by_id, id, |n| self.scan.opaque[n].0.id)?;
                Some(IN_FILE | self.scan.opaque[found as usize].1)
            })
            .or_else(|| {
                let found = first_with_id(&self.alone_by_id, id, |n| self.scan.alone()[n].0.id)?;
                Some(ALONE | u64::from(found))
            })
            .or_else(|| Some(FOUND | self.found.as_ref()?.find(id)?))
    }

    fn find_behind(&self, before: u64, len: u32, id: &ChunkId) -> Option<u64> {
        if before & MARKS != 0 {
            return None;
        }
        let (stream, at) = (STREAMS[(before & 1) as usize], (before >> 1) + u64::from(len));
        let number = self.chunk_starts(stream).binary_search(&at).ok()?;
        (self.scan.records(stream).get(number)?.id == *id).then(|| place(stream, at))
    }

    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(found) = self.found.as_ref().filter(|_| place & FOUND != 0) {
            return found.read(place & !FOUND, len, out);
        }
        out.clear();
        if place & IN_FILE != 0 {
            out.resize(len, 0);
            return self.file.file().read_exact_at(out, place & !IN_FILE);
        }
        if place & ALONE != 0 {
            let parts = self.alone_parts((place & !ALONE) as usize, len).ok_or(io::ErrorKind::NotFound)?;
            return gather(|buffer, at| self.file.read_exact_at(buffer, at), parts.into_iter(), out);
        }
        if let Some(parts) = self.parts_beside(place, len) {
            return gather(|buffer, at| self.file.read_exact_at(buffer, at), parts?.into_iter(), out);
        }
        let (stream, at) = (STREAMS[(place & 1) as usize], place >> 1);
        gather(|buffer, at| self.file.read_exact_at(buffer, at), self.parts(stream, at..at + len as u64), out)
    }

    fn stretches(&self, place: u64, len: usize, out: &mut Vec<Range<u64>>) -> bool {
        out.clear();
        if place & MARKS != 0 || place & 1 == 0 {
            return false;
        }
        let at = place >> 1;
        out.extend(self.scan.layout.contents_in_image(at..at + len as u64));
        true
    }

    fn read_plain(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }

    fn beside(&self, place: u64, known: u32, side: Side, wanted: u32) -> Vec<u64> {
        self.places_beside(place, known, side, wanted)
    }

    fn segments(&self, wanted: &mut dyn FnMut(Segment)) {
        self.scan.segments().for_each(&mut *wanted);
        if let Some(found) = &self.found {
            found.segments(wanted);
        }
    }

    fn digest(&self) -> Option<[u8; 32]> {
        Some(self.scan.digest)
    }

    fn as_file(&self) -> Option<&FileSeed> {
        Some(self)
    }
}
