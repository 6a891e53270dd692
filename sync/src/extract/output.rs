//! The output: a file that grows under a temporary name, something that is written in place, or a pipe.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use regrow_store::sync_folder;

use super::cache::FrameCache;
use super::{ExtractOptions, Output};
use crate::SyncError;
use crate::make::folder_of;

/// Where the bytes go when they are complete.
enum End {
    /// The temporary name becomes this one.
    Rename { part: PathBuf, coded: PathBuf, meta: PathBuf, path: PathBuf },
    /// They are there already.
    InPlace { path: PathBuf },
    /// They went through here.
    Pipe(Mutex<Box<dyn Write + Send>>),
    /// Nothing is written.
    Dry { path: PathBuf },
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
    file: Option<File>,
    /// The image, if that is another.
    coded: Option<File>,
    end: End,
    sizes: OutputSizes,
    /// What it may hold of the image already.
    resumable: bool,
    /// Something was written, so that a next run can go on from it.
    is_begun: AtomicBool,
}

/// Refuses an output that cannot be, before anything is done.
pub(crate) fn check(output: &Output, dry_run: bool) -> Result<(), SyncError> {
    match output {
        Output::File(path) if path.is_dir() => {
            Err(SyncError::Usage(format!("{}: is a folder; the output is a file, a device or -", path.display())))
        }
        Output::File(path) if path.metadata().is_ok_and(|metadata| !metadata.is_file()) => Err(SyncError::Usage(
            format!("{}: is no file; write a device with --in-place, and a pipe with -", path.display()),
        )),
        Output::File(path) if !dry_run && !folder_of(path).is_dir() => {
            Err(SyncError::Io { path: folder_of(path).to_owned(), source: io::ErrorKind::NotFound.into() })
        }
        _ => Ok(()),
    }
}

impl OutputFile {
    pub(crate) fn open(output: Output, sizes: OutputSizes, options: &ExtractOptions) -> Result<Self, SyncError> {
        let scratch = &options.scratch;
        if options.dry_run {
            return Self::open_dry(output, sizes);
        }
        match output {
            Output::File(path) => Self::open_part(path, sizes),
            Output::InPlace(path) => Self::open_in_place(path, sizes, scratch),
            Output::Pipe(pipe) => {
                let end = End::Pipe(Mutex::new(pipe));
                Ok(Self::new(Some(scratch_file(sizes.plain, scratch)?), None, end, sizes, false))
            }
        }
    }

    fn new(file: Option<File>, coded: Option<File>, end: End, sizes: OutputSizes, resumable: bool) -> Self {
        Self { file, coded, end, sizes, resumable, is_begun: AtomicBool::new(false) }
    }

    fn open_dry(output: Output, sizes: OutputSizes) -> Result<Self, SyncError> {
        let (file, path) = match output {
            Output::File(path) => (File::open(part_path(&path)).ok(), path),
            // Of an image with coded files nothing is looked for in its place.
            Output::InPlace(path) if sizes.is_coded => (None, path),
            Output::InPlace(path) => (Some(File::open(&path).map_err(SyncError::io(&path))?), path),
            Output::Pipe(..) => (None, "-".into()),
        };
        let resumable = file.is_some();
        Ok(Self::new(file, None, End::Dry { path }, sizes, resumable))
    }

    fn open_part(path: PathBuf, sizes: OutputSizes) -> Result<Self, SyncError> {
        let (part, coded_path) = (part_path(&path), coded_path(&path));
        let file = open_locked(&part, &path)?;
        let resumable = file.metadata().map_err(SyncError::io(&part))?.len() > 0;
        file.set_len(sizes.plain).map_err(SyncError::io(&part))?;
        let coded = if sizes.is_coded {
            // Who holds the lock of the other file may have this one.
            let _ = std::fs::remove_file(&coded_path);
            let mut create = OpenOptions::new();
            let coded = create.read(true).write(true).create_new(true).open(&coded_path);
            Some(coded.map_err(SyncError::io(&coded_path))?)
        } else {
            None
        };
        take_after(coded.as_ref().unwrap_or(&file), &path);
        let end = End::Rename { part, coded: coded_path, meta: meta_path(&path), path };
        Ok(Self::new(Some(file), coded, end, sizes, resumable))
    }

    fn open_in_place(path: PathBuf, sizes: OutputSizes, scratch: &Path) -> Result<Self, SyncError> {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(SyncError::io(&path))?;
        lock(&file, &path)?;
        let metadata = file.metadata().map_err(SyncError::io(&path))?;
        let image_bytes = sizes.image;
        if metadata.file_type().is_block_device() {
            let size = io::Seek::seek(&mut file, io::SeekFrom::End(0)).map_err(SyncError::io(&path))?;
            if size < image_bytes {
                let reason = format!("{}: the device has {size} bytes, the image {image_bytes}", path.display());
                return Err(SyncError::Usage(reason));
            }
        } else if metadata.is_file() {
            if metadata.len() < image_bytes {
                file.set_len(image_bytes).map_err(SyncError::io(&path))?;
            }
        } else {
            return Err(SyncError::Usage(format!("{}: neither a file nor a block device", path.display())));
        }
        let end = End::InPlace { path };
        if sizes.is_coded {
            return Ok(Self::new(Some(scratch_file(sizes.plain, scratch)?), Some(file), end, sizes, false));
        }
        Ok(Self::new(Some(file), None, end, sizes, true))
    }

    /// Removes what an unfinished run left beside an output that is complete by now.
    pub(crate) fn sweep(path: &Path) {
        let part = part_path(path);
        if File::open(&part).is_ok_and(|file| file.try_lock().is_ok()) || !part.exists() {
            let _ = std::fs::remove_file(part);
            let _ = std::fs::remove_file(coded_path(path));
            let _ = std::fs::remove_dir_all(meta_path(path));
        }
    }

    /// What it is called in messages.
    pub(crate) fn path(&self) -> &Path {
        match &self.end {
            End::Rename { path, .. } | End::InPlace { path } | End::Dry { path } => path,
            End::Pipe(_) => Path::new("-"),
        }
    }

    /// Where files that are needed for a while may lie, if beside the output.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.end {
            End::Rename { path, .. } => Some(folder_of(path)),
            _ => None,
        }
    }

    /// Bytes of the disk that it will take, besides those that it has.
    pub(crate) fn missing_bytes(&self) -> u64 {
        let held =
            self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.blocks() * 512);
        match &self.end {
            // What is held is of the plain image.
            _ if self.sizes.is_coded => self.sizes.image,
            End::Rename { .. } => self.sizes.image.saturating_sub(held),
            // Of a dry run's output nothing is known but that it will be a file.
            End::Dry { path } if path != Path::new("-") => self.sizes.image.saturating_sub(held),
            _ => 0,
        }
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.resumable
    }

    /// Whether the image is another than its plain image.
    pub(crate) fn is_coded(&self) -> bool {
        self.sizes.is_coded
    }

    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.end, End::Pipe(_))
    }

    /// Where to keep what an unfinished output cannot hold.
    pub(crate) fn side_cache(&self) -> Option<FrameCache> {
        match &self.end {
            End::Rename { meta, .. } => Some(FrameCache::new(meta)),
            End::Dry { path } => {
                Some(FrameCache::new(&meta_path(path)).read_only()).filter(|_| meta_path(path).is_dir())
            }
            _ => None,
        }
    }

    /// Reads bytes of the plain image that were written.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.read_exact_at(out, at)
    }

    /// Reads bytes of the image that were written.
    pub(crate) fn read_image(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.coded.as_ref().or(self.file.as_ref()).ok_or(io::ErrorKind::NotFound)?.read_exact_at(out, at)
    }

    /// Writes bytes of the image, if that is another than its plain image.
    pub(crate) fn write_image(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        let write = || self.coded.as_ref().ok_or(io::ErrorKind::NotFound)?.write_all_at(bytes, at);
        self.is_begun.store(true, Ordering::Relaxed);
        write().map_err(SyncError::io(self.path()))
    }

    /// Writes bytes of the plain image.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        let write = || self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.write_all_at(bytes, at);
        self.is_begun.store(true, Ordering::Relaxed);
        let name = if self.is_pipe() { Path::new("temporary file") } else { self.path() };
        write().map_err(SyncError::io(name))
    }

    /// Sends the next bytes of the image down the pipe.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), SyncError> {
        match &self.end {
            End::Pipe(pipe) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.write_all(bytes).map_err(SyncError::io("standard output"))
            }
            _ => Ok(()),
        }
    }

    /// The image is complete and verified: makes it durable, and gives it its name.
    pub(crate) fn commit(&self) -> Result<(), SyncError> {
        let file = self.coded.as_ref().or(self.file.as_ref());
        let sync = |path: &Path| file.map_or(Ok(()), File::sync_all).map_err(SyncError::io(path));
        match &self.end {
            End::Rename { part, coded, meta, path } => {
                self.is_begun.store(true, Ordering::Relaxed);
                let written = if self.sizes.is_coded { coded } else { part };
                sync(written)?;
                std::fs::rename(written, path).map_err(SyncError::io(path))?;
                sync_folder(folder_of(path))?;
                if self.sizes.is_coded {
                    let _ = std::fs::remove_file(part);
                }
                let _ = std::fs::remove_dir_all(meta);
                Ok(())
            }
            End::InPlace { path } => {
                if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())) {
                    file.set_len(self.sizes.image).map_err(SyncError::io(path))?;
                }
                sync(path)
            }
            End::Pipe(pipe) => {
                let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
                pipe.flush().map_err(SyncError::io("standard output"))
            }
            End::Dry { .. } => Ok(()),
        }
    }

    /// What was written proved to be wrong: the next run is not to build on it.
    pub(crate) fn discard(&self) {
        if let End::Rename { part, meta, .. } = &self.end {
            let _ = std::fs::remove_file(part);
            let _ = std::fs::remove_dir_all(meta);
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
        let End::Rename { part, coded, meta, .. } = &self.end else { return };
        if self.sizes.is_coded {
            // It begins anew in the next run; under this name it is there only until it is complete.
            let _ = std::fs::remove_file(coded);
        }
        if !self.resumable && !self.is_begun.load(Ordering::Relaxed) && !meta.exists() {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// A file without a name, as long as the image.
fn scratch_file(bytes: u64, scratch: &Path) -> Result<File, SyncError> {
    let file = tempfile::tempfile_in(scratch).map_err(SyncError::io(scratch))?;
    file.set_len(bytes).map_err(SyncError::io(scratch))?;
    Ok(file)
}

/// Gives the new file the mode of the one that it will replace, and its owner where that is allowed: what was private stays so.
fn take_after(file: &File, path: &Path) {
    let Ok(old) = path.metadata() else { return };
    let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
    let _ = file.set_permissions(old.permissions());
}

/// Where a link leads: a file is replaced where it is, and links to it stay.
pub(crate) fn follow_link(output: Output) -> Output {
    match output {
        Output::File(path) if path.is_symlink() => Output::File(path.canonicalize().unwrap_or(path)),
        other => other,
    }
}

/// `.NAME` with an ending, in the same folder.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

fn part_path(path: &Path) -> PathBuf {
    beside(path, ".regrow-part")
}

/// The image while it is made of its plain image.
fn coded_path(path: &Path) -> PathBuf {
    beside(path, ".regrow-image")
}

fn meta_path(path: &Path) -> PathBuf {
    beside(path, ".regrow-meta")
}

/// Opens the unfinished output, or begins one, for this process alone.
fn open_locked(part: &Path, path: &Path) -> Result<File, SyncError> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(part)
            .map_err(SyncError::io(part))?;
        lock(&file, path)?;
        // Another process may have finished, and given the file its name, between the two.
        let (held, named) = (file.metadata(), part.metadata());
        if let (Ok(held), Ok(named)) = (held, named)
            && (held.dev(), held.ino()) == (named.dev(), named.ino())
        {
            return Ok(file);
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), SyncError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(SyncError::Busy { path: path.to_owned() }),
        // A file system without locks: nothing to be done about it.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}
