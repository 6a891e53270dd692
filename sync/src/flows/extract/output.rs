//! The output: a file that grows under a temporary name, a file or device that is written in place, or a pipe.

mod acl;
mod attributes;
mod coded;
mod destination;
mod holes;
mod in_place;
mod mounted;
mod part;
mod pipe;
mod spot;

use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use regrow_chunker::Verified;
use rustix::fs::OFlags;

use super::ExtractOptions;
use super::room::Needs;
use crate::error::Left;
use crate::transfer::cache::FrameCache;
use crate::{Progress, SyncError};
use regrow_paths::Access;

use coded::EarlyFiles;
pub(crate) use destination::Destination;
use in_place::InPlace;
use part::Part;
use pipe::HeldPipe;
use spot::Spot;

/// The last step of an output, once the image is complete.
enum End {
    /// The temporary file gets its final name.
    Rename(Part),
    /// The bytes are at their place already.
    InPlace(Spot),
    /// The bytes went through this pipe.
    Pipe(Mutex<HeldPipe>),
    /// The bytes are handed on in order.
    Handed,
    /// Nothing, because a dry run writes nothing.
    Dry { path: PathBuf, part: Option<Part> },
}

/// The place of the bytes until the output is complete.
enum Medium {
    /// A file that was empty when this run began, and has its final length. All bytes that were not written are zeros.
    New(File),
    /// A file that may hold anything.
    File(File),
    InPlace(InPlace),
}

impl Medium {
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Self::New(file) | Self::File(file) => file.read_exact_at(out, at),
            Self::InPlace(target) => target.read(at, out),
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::New(file) => holes::write_new(file, at, bytes),
            Self::File(file) => holes::write_over(file, at, bytes),
            Self::InPlace(target) => target.write(at, bytes),
        }
    }

    fn held_bytes(&self) -> u64 {
        match self {
            Self::New(file) | Self::File(file) => file.metadata().map_or(0, |metadata| metadata.blocks() * 512),
            Self::InPlace(target) => target.held_bytes().unwrap_or(u64::MAX),
        }
    }
}

/// The sizes of the output in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputSizes {
    pub(crate) image: u64,
    pub(crate) plain: u64,
    /// Whether the image has coded files, so that it differs from its plain image.
    pub(crate) is_coded: bool,
}

/// The output of a run.
pub(crate) struct OutputFile {
    /// The image. If it has coded files, this is the part of its plain image that was fetched.
    file: Option<Medium>,
    /// The image, if it has coded files.
    coded: Option<Medium>,
    end: End,
    sizes: OutputSizes,
    /// Whether the output may hold a part of the image already.
    resumable: bool,
    /// Whether anything was written, so that the next run can continue from it.
    is_begun: AtomicBool,
    /// What was written of coded files before it was known that it is right.
    early: EarlyFiles,
}

impl OutputFile {
    /// Opens an output. Bytes that have no place of their own until they are complete lie in `scratch`.
    pub(crate) fn open(
        output: Destination,
        sizes: OutputSizes,
        options: &ExtractOptions,
        scratch: &Path,
    ) -> Result<Self, SyncError> {
        if options.dry_run {
            return Self::open_dry(output, sizes);
        }
        match output {
            Destination::File(spot) => Self::open_part(spot, sizes),
            Destination::InPlace(spot) => Self::open_in_place(spot, sizes, options.force, scratch),
            Destination::Pipe(pipe) => {
                let held = match options.trust.binds_prefix(sizes.is_coded) {
                    true => HeldPipe::new(pipe, sizes.image),
                    false => HeldPipe::holding_all(pipe, sizes.image, unnamed_file(scratch)?),
                };
                let end = End::Pipe(Mutex::new(held));
                Ok(Self::new(Some(scratch_file(sizes.plain, scratch)?), None, end, sizes, false))
            }
            Destination::Nowhere(path) => Err(SyncError::io(path)(io::ErrorKind::NotFound.into())),
        }
    }

    /// Bytes that are handed on in order. What was fetched of them lies in `scratch`.
    pub(crate) fn handed(bytes: u64, scratch: &Path) -> Result<Self, SyncError> {
        let sizes = OutputSizes { image: bytes, plain: bytes, is_coded: false };
        Ok(Self::new(Some(scratch_file(bytes, scratch)?), None, End::Handed, sizes, false))
    }

    fn new(file: Option<Medium>, coded: Option<Medium>, end: End, sizes: OutputSizes, resumable: bool) -> Self {
        Self { file, coded, end, sizes, resumable, is_begun: AtomicBool::new(false), early: EarlyFiles::default() }
    }

    fn open_dry(output: Destination, sizes: OutputSizes) -> Result<Self, SyncError> {
        let (file, path, part) = match output {
            Destination::File(spot) => {
                let part = Part::new(spot);
                let found = part.spot.place.find_file(&part.names.part, Access::Read);
                let file = found.ok().and_then(regrow_paths::Ownership::own);
                (file, part.spot.path().to_owned(), Some(part))
            }
            // For an image with coded files, nothing at its place can be used.
            Destination::InPlace(spot) if sizes.is_coded => (None, spot.path().to_owned(), None),
            Destination::InPlace(spot) => {
                (Some(in_place::open(&spot, OFlags::RDONLY, false)?), spot.path().to_owned(), None)
            }
            Destination::Pipe(_) => (None, "-".into(), None),
            Destination::Nowhere(path) => (None, path, None),
        };
        let resumable = file.is_some();
        Ok(Self::new(file.map(Medium::File), None, End::Dry { path, part }, sizes, resumable))
    }

    fn open_part(spot: Spot, sizes: OutputSizes) -> Result<Self, SyncError> {
        let mut part = Part::new(spot);
        part.open_mounted(sizes.image)?;
        let file = part.open()?;
        let failed = || SyncError::io(part.spot.place.path(&part.names.part));
        let resumable = file.metadata().map_err(failed())?.len() > 0;
        file.set_len(sizes.plain).map_err(failed())?;
        let file = if resumable { Medium::File(file) } else { Medium::New(file) };
        let coded = if sizes.is_coded { Some(Medium::New(part.begin_coded(sizes.image)?)) } else { None };
        Ok(Self::new(Some(file), coded, End::Rename(part), sizes, resumable))
    }

    fn open_in_place(spot: Spot, sizes: OutputSizes, force: bool, scratch: &Path) -> Result<Self, SyncError> {
        let target = Medium::InPlace(InPlace::open(&spot, sizes.image, force)?);
        let end = End::InPlace(spot);
        if sizes.is_coded {
            let plain = scratch_file(sizes.plain, scratch)?;
            return Ok(Self::new(Some(plain), Some(target), end, sizes, false));
        }
        Ok(Self::new(Some(target), None, end, sizes, true))
    }

    /// The name of the output in messages.
    pub(crate) fn path(&self) -> &Path {
        match &self.end {
            End::Rename(Part { spot, .. }) | End::InPlace(spot) => spot.path(),
            End::Dry { path, .. } => path,
            End::Pipe(_) | End::Handed => Path::new("-"),
        }
    }

    /// The folder for temporary files, if they may lie beside the output.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.end {
            End::Rename(part) => Some(part.spot.place.folder()),
            _ => None,
        }
    }

    /// The bytes of its disk that the output will take beyond those that it has.
    pub(crate) fn missing_bytes(&self) -> u64 {
        let held = self.file.as_ref().map_or(0, Medium::held_bytes);
        match &self.end {
            End::InPlace(_) => {
                let target = self.coded.as_ref().or(self.file.as_ref());
                // The holes of the target are not counted, because nobody knows yet how many of them will be filled.
                self.sizes.image.saturating_sub(target.map_or(0, Medium::held_bytes))
            }
            // The bytes that it has belong to the plain image.
            _ if self.sizes.is_coded => self.sizes.image,
            End::Rename(_) => self.sizes.image.saturating_sub(held),
            // All that is known about a dry run's output is that it will be a file.
            End::Dry { path, .. } if path != Path::new("-") => self.sizes.image.saturating_sub(held),
            _ => 0,
        }
    }

    /// Refuses an output if the disks cannot hold it. They must hold the image without `hole_bytes`, and
    /// `scratch_bytes` in `scratch`.
    pub(crate) fn check_room(&self, hole_bytes: u64, scratch: &Path, scratch_bytes: u64) -> Result<(), SyncError> {
        let mut needs = Needs::default();
        match &self.end {
            End::Rename(Part { spot, .. }) | End::InPlace(spot) => {
                needs.add(spot.place.folder(), self.missing_bytes().saturating_sub(hole_bytes));
                if let End::Rename(part) = &self.end
                    && let Some(over) = part.over()
                {
                    let held = over.held_bytes().unwrap_or(u64::MAX);
                    needs.add(spot.path(), self.sizes.image.saturating_sub(held).saturating_sub(hole_bytes));
                }
            }
            End::Pipe(pipe) => {
                needs.add(scratch, pipe.lock().unwrap_or_else(PoisonError::into_inner).disk_bytes());
            }
            End::Handed => {}
            End::Dry { .. } => return Ok(()),
        }
        needs.add(scratch, scratch_bytes);
        needs.check()
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.resumable
    }

    /// Whether the image has coded files, so that it differs from its plain image.
    pub(crate) fn is_coded(&self) -> bool {
        self.sizes.is_coded
    }

    /// Whether fetched data waits in a file of its own, apart from the image.
    pub(crate) fn keeps_fetched_apart(&self) -> bool {
        self.is_coded() || self.is_pipe()
    }

    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.end, End::Pipe(_) | End::Handed)
    }

    /// The cache for data that an unfinished output cannot hold.
    pub(crate) fn side_cache(&self, progress: &dyn Progress) -> Option<FrameCache> {
        match &self.end {
            End::Rename(part) => part.side_cache(progress),
            End::Dry { part, .. } => part.as_ref()?.side_cache(progress).map(FrameCache::read_only),
            _ => None,
        }
    }

    /// Reads bytes of the plain image that were written.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.read(at, out)
    }

    /// Reads bytes of the image that were written.
    pub(crate) fn read_image(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.coded.as_ref().or(self.file.as_ref()).ok_or(io::ErrorKind::NotFound)?.read(at, out)
    }

    /// Writes bytes of the plain image.
    pub(crate) fn write(&self, at: u64, bytes: Verified<'_>) -> Result<(), SyncError> {
        let write = || self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.write(at, bytes.bytes());
        self.is_begun.store(true, Ordering::Relaxed);
        let name = if self.is_pipe() { Path::new("temporary file") } else { self.path() };
        write().map_err(SyncError::io(name))
    }

    /// Sends the next bytes of the image to the pipe. The last bytes wait for [`OutputFile::commit`].
    pub(crate) fn send(&self, bytes: Verified<'_>) -> Result<(), SyncError> {
        self.send_coded(bytes.bytes())
    }

    /// Sends the next bytes of an image that has coded files, as [`OutputFile::write_image`] writes them.
    pub(crate) fn send_coded(&self, bytes: &[u8]) -> Result<(), SyncError> {
        match &self.end {
            End::Pipe(pipe) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.send(bytes)
            }
            _ => Ok(()),
        }
    }

    /// Makes the complete, verified image durable, and gives it its name.
    pub(crate) fn commit(&self) -> Result<(), SyncError> {
        match (&self.end, self.coded.as_ref().or(self.file.as_ref())) {
            (End::Rename(part), Some(Medium::New(file) | Medium::File(file))) => {
                self.is_begun.store(true, Ordering::Relaxed);
                part.commit(file, self.sizes.is_coded)
            }
            (End::InPlace(spot), Some(Medium::InPlace(target))) => target.commit().map_err(SyncError::io(spot.path())),
            (End::Pipe(pipe), _) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.commit()
            }
            _ => Ok(()),
        }
    }

    /// Removes output that turned out to be wrong, so that the next run does not build on it.
    pub(crate) fn discard(&self) {
        if let End::Rename(part) = &self.end {
            part.discard();
        }
    }

    /// Removes everything that this run has put beside the output, because no image will be written. The part of an
    /// earlier run stays.
    pub(crate) fn abandon(&self) {
        if !self.resumable {
            self.discard();
        }
    }

    /// The error for an image that does not have the digest in its index.
    pub(crate) fn wrong_digest(&self) -> SyncError {
        SyncError::Digest { path: self.path().to_owned(), left: self.left() }
    }

    /// The state of an output that is not complete.
    pub(crate) fn left(&self) -> Left {
        match (&self.end, self.coded.as_ref().or(self.file.as_ref())) {
            (_, Some(Medium::InPlace(target))) if target.is_begun() => Left::Overwritten,
            (End::Rename(part), _) if part.over().is_some_and(InPlace::is_begun) => Left::Overwritten,
            (End::Pipe(pipe), _) => pipe.lock().unwrap_or_else(PoisonError::into_inner).left(),
            _ => Left::Untouched,
        }
    }

    /// The ranges of the image's blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (image, block) = (self.sizes.image, regrow_chunker::BLOCK_BYTES);
        (0..image.div_ceil(block)).map(move |number| number * block..image.min((number + 1) * block))
    }
}

/// If a run fails before it writes anything, it leaves nothing behind.
impl Drop for OutputFile {
    fn drop(&mut self) {
        let End::Rename(part) = &self.end else { return };
        if let Some(Medium::New(coded)) = &self.coded {
            // The unfinished image is of no use to the next run.
            part.discard_coded(coded);
        }
        if let Some(Medium::New(file)) = &self.file
            && !self.is_begun.load(Ordering::Relaxed)
        {
            part.discard_empty(file);
        }
    }
}

/// Makes an unnamed file of this length.
fn scratch_file(bytes: u64, scratch: &Path) -> Result<Medium, SyncError> {
    let file = unnamed_file(scratch)?;
    file.set_len(bytes).map_err(SyncError::io(scratch))?;
    Ok(Medium::New(file))
}

fn unnamed_file(scratch: &Path) -> Result<File, SyncError> {
    tempfile::tempfile_in(scratch).map_err(SyncError::io(scratch))
}

/// Locks an output, so that no other process writes it.
fn try_lock(file: &File, path: &Path) -> Result<(), SyncError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(SyncError::Busy { path: path.to_owned() }),
        // If the file system has no locks, nothing can be done about it.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
