//! The output: a file that grows under a temporary name, something that is written in place, or a pipe.

mod acl;
mod attributes;
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

use rustix::fs::OFlags;

use super::ExtractOptions;
use super::room::Needs;
use crate::error::Left;
use crate::transfer::cache::FrameCache;
use crate::{Progress, SyncError};
use regrow_paths::Access;

pub(crate) use destination::Destination;
use in_place::InPlace;
use part::Part;
use pipe::HeldPipe;
use spot::Spot;

/// Where the bytes go when they are complete.
enum End {
    /// The temporary name becomes this one.
    Rename(Part),
    /// They are there already.
    InPlace(Spot),
    /// They went through here.
    Pipe(Mutex<HeldPipe>),
    /// Nothing is written.
    Dry { path: PathBuf, part: Option<Part> },
}

/// Where bytes lie until the output is complete.
enum Medium {
    /// A file that was empty when this run began, as long as it will be: all that was not written is zeros.
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

/// Sizes of what is to be written, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputSizes {
    pub(crate) image: u64,
    pub(crate) plain: u64,
    /// The image is another than its plain image.
    pub(crate) is_coded: bool,
}

/// See the module's documentation.
pub(crate) struct OutputFile {
    /// The image; if it has coded files, what was fetched of its plain image.
    file: Option<Medium>,
    /// The image, if that is another.
    coded: Option<Medium>,
    end: End,
    sizes: OutputSizes,
    /// What it may hold of the image already.
    resumable: bool,
    /// Something was written, so that a next run can go on from it.
    is_begun: AtomicBool,
}

impl OutputFile {
    pub(crate) fn open(output: Destination, sizes: OutputSizes, options: &ExtractOptions) -> Result<Self, SyncError> {
        let scratch = &options.scratch;
        if options.dry_run {
            return Self::open_dry(output, sizes);
        }
        match output {
            Destination::File(spot) => Self::open_part(spot, sizes),
            Destination::InPlace(spot) => Self::open_in_place(spot, sizes, options),
            Destination::Pipe(pipe) => {
                let end = End::Pipe(Mutex::new(HeldPipe::new(pipe, sizes.image)));
                Ok(Self::new(Some(scratch_file(sizes.plain, scratch)?), None, end, sizes, false))
            }
            Destination::Nowhere(path) => Err(SyncError::io(path)(io::ErrorKind::NotFound.into())),
        }
    }

    fn new(file: Option<Medium>, coded: Option<Medium>, end: End, sizes: OutputSizes, resumable: bool) -> Self {
        Self { file, coded, end, sizes, resumable, is_begun: AtomicBool::new(false) }
    }

    fn open_dry(output: Destination, sizes: OutputSizes) -> Result<Self, SyncError> {
        let (file, path, part) = match output {
            Destination::File(spot) => {
                let part = Part::new(spot);
                let found = part.spot.place.find_file(&part.names.part, Access::Read);
                let file = found.ok().and_then(regrow_paths::Found::own);
                (file, part.spot.path().to_owned(), Some(part))
            }
            // Of an image with coded files nothing is looked for in its place.
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
        let part = Part::new(spot);
        let file = part.open()?;
        let failed = || SyncError::io(part.spot.place.path(&part.names.part));
        let resumable = file.metadata().map_err(failed())?.len() > 0;
        file.set_len(sizes.plain).map_err(failed())?;
        let file = if resumable { Medium::File(file) } else { Medium::New(file) };
        let coded = if sizes.is_coded { Some(Medium::New(part.begin_coded(sizes.image)?)) } else { None };
        Ok(Self::new(Some(file), coded, End::Rename(part), sizes, resumable))
    }

    fn open_in_place(spot: Spot, sizes: OutputSizes, options: &ExtractOptions) -> Result<Self, SyncError> {
        let target = Medium::InPlace(InPlace::open(&spot, sizes.image, options.force)?);
        let end = End::InPlace(spot);
        if sizes.is_coded {
            let plain = scratch_file(sizes.plain, &options.scratch)?;
            return Ok(Self::new(Some(plain), Some(target), end, sizes, false));
        }
        Ok(Self::new(Some(target), None, end, sizes, true))
    }

    /// What it is called in messages.
    pub(crate) fn path(&self) -> &Path {
        match &self.end {
            End::Rename(Part { spot, .. }) | End::InPlace(spot) => spot.path(),
            End::Dry { path, .. } => path,
            End::Pipe(_) => Path::new("-"),
        }
    }

    /// Where files that are needed for a while may lie, if beside the output.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.end {
            End::Rename(part) => Some(part.spot.place.folder()),
            _ => None,
        }
    }

    /// Bytes of the disk that it will take, besides those that it has.
    pub(crate) fn missing_bytes(&self) -> u64 {
        let held = self.file.as_ref().map_or(0, Medium::held_bytes);
        match &self.end {
            End::InPlace(_) => {
                let target = self.coded.as_ref().or(self.file.as_ref());
                // Holes of the target are not counted: how many of them will be filled is not known yet.
                self.sizes.image.saturating_sub(target.map_or(0, Medium::held_bytes))
            }
            // What is held is of the plain image.
            _ if self.sizes.is_coded => self.sizes.image,
            End::Rename(_) => self.sizes.image.saturating_sub(held),
            // Of a dry run's output nothing is known but that it will be a file.
            End::Dry { path, .. } if path != Path::new("-") => self.sizes.image.saturating_sub(held),
            _ => 0,
        }
    }

    /// Refuses what the disks cannot hold: the image but for this many bytes of holes, and this many bytes in `scratch`.
    pub(crate) fn check_room(&self, hole_bytes: u64, scratch: &Path, scratch_bytes: u64) -> Result<(), SyncError> {
        let mut needs = Needs::default();
        match &self.end {
            End::Rename(Part { spot, .. }) | End::InPlace(spot) => {
                needs.add(spot.place.folder(), self.missing_bytes().saturating_sub(hole_bytes));
            }
            End::Pipe(_) => {}
            End::Dry { .. } => return Ok(()),
        }
        needs.add(scratch, scratch_bytes);
        needs.check()
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.resumable
    }

    /// Whether the image is another than its plain image.
    pub(crate) fn is_coded(&self) -> bool {
        self.sizes.is_coded
    }

    /// Whether what is fetched waits in a file of its own, besides the image.
    pub(crate) fn keeps_fetched_apart(&self) -> bool {
        self.is_coded() || self.is_pipe()
    }

    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.end, End::Pipe(_))
    }

    /// Where to keep what an unfinished output cannot hold.
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

    /// Writes bytes of the image, if that is another than its plain image.
    pub(crate) fn write_image(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        let write = || self.coded.as_ref().ok_or(io::ErrorKind::NotFound)?.write(at, bytes);
        self.is_begun.store(true, Ordering::Relaxed);
        write().map_err(SyncError::io(self.path()))
    }

    /// Writes bytes of the plain image.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        let write = || self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.write(at, bytes);
        self.is_begun.store(true, Ordering::Relaxed);
        let name = if self.is_pipe() { Path::new("temporary file") } else { self.path() };
        write().map_err(SyncError::io(name))
    }

    /// Sends the next bytes of the image down the pipe, but for the end, which waits for [`OutputFile::commit`].
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), SyncError> {
        match &self.end {
            End::Pipe(pipe) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.send(bytes).map_err(SyncError::io("standard output"))
            }
            _ => Ok(()),
        }
    }

    /// The image is complete and verified: makes it durable, and gives it its name.
    pub(crate) fn commit(&self) -> Result<(), SyncError> {
        match (&self.end, self.coded.as_ref().or(self.file.as_ref())) {
            (End::Rename(part), Some(Medium::New(file) | Medium::File(file))) => {
                self.is_begun.store(true, Ordering::Relaxed);
                part.commit(file, self.sizes.is_coded)
            }
            (End::InPlace(spot), Some(Medium::InPlace(target))) => target.commit().map_err(SyncError::io(spot.path())),
            (End::Pipe(pipe), _) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.commit().map_err(SyncError::io("standard output"))
            }
            _ => Ok(()),
        }
    }

    /// What was written proved to be wrong: the next run is not to build on it.
    pub(crate) fn discard(&self) {
        if let End::Rename(part) = &self.end {
            part.discard();
        }
    }

    /// Nothing of the image will be written: what this run has put beside the output goes too, unless an earlier one began.
    pub(crate) fn abandon(&self) {
        if !self.resumable {
            self.discard();
        }
    }

    /// The error of an image that is not what its index says.
    pub(crate) fn wrong_digest(&self) -> SyncError {
        SyncError::Digest { path: self.path().to_owned(), left: self.left() }
    }

    /// The state of an output that is not complete.
    pub(crate) fn left(&self) -> Left {
        match (&self.end, self.coded.as_ref().or(self.file.as_ref())) {
            (_, Some(Medium::InPlace(target))) if target.is_begun() => Left::Overwritten,
            (End::Pipe(_), _) => Left::HeldBack,
            _ => Left::Untouched,
        }
    }

    /// The blocks of the image.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (image, block) = (self.sizes.image, regrow_chunker::BLOCK_BYTES);
        (0..image.div_ceil(block)).map(move |number| number * block..image.min((number + 1) * block))
    }
}

/// A run that failed before it wrote anything leaves nothing behind.
impl Drop for OutputFile {
    fn drop(&mut self) {
        let End::Rename(part) = &self.end else { return };
        if let Some(Medium::New(coded)) = &self.coded {
            // Under this name it is there only until it is complete.
            part.discard_coded(coded);
        }
        if let Some(Medium::New(file)) = &self.file
            && !self.is_begun.load(Ordering::Relaxed)
        {
            part.discard_empty(file);
        }
    }
}

/// A file without a name, as long as the image.
fn scratch_file(bytes: u64, scratch: &Path) -> Result<Medium, SyncError> {
    let file = tempfile::tempfile_in(scratch).map_err(SyncError::io(scratch))?;
    file.set_len(bytes).map_err(SyncError::io(scratch))?;
    Ok(Medium::New(file))
}

/// Keeps other processes from an output.
fn try_lock(file: &File, path: &Path) -> Result<(), SyncError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(SyncError::Busy { path: path.to_owned() }),
        // On a file system without locks there is nothing to be done about it.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
