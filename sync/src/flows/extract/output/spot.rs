//! The place of an output: an open folder and a name in it.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::SyncError;
use regrow_paths::{MAX_LINKS, Place, is_shared, is_trusted};

/// The place of an output. The name is not a link.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(super) place: Place,
    pub(super) name: OsString,
    path: PathBuf,
}

impl Spot {
    /// Follows the links of a path to the file that it means, which need not exist yet. If another user put a link into
    /// a folder like `/tmp`, it is refused, as the kernel does with `fs.protected_symlinks`. The kernel cannot check
    /// this itself, because each step goes through a handle.
    pub(super) fn find(path: &Path) -> Result<Self, SyncError> {
        Walk::new(path).run()
    }

    /// The path of the file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The object at this place, if there is one.
    pub(super) fn stat(&self) -> Option<Stat> {
        self.place.stat(&self.name).ok()
    }
}

/// A walk along a path.
struct Walk<'a> {
    /// The path as it was given, for errors.
    whole: &'a Path,
    /// The steps that are left, with the next one last.
    steps: Vec<OsString>,
    links: u32,
    /// The folder that was reached, or `None` for the current one. `text` is its path.
    folder: Option<OwnedFd>,
    text: PathBuf,
    /// A link of another user that stands for the output itself, and its owner.
    strange: Option<(PathBuf, u32)>,
    /// Whether the path, or a link at the output's place, ends with a slash, so that it can only mean a folder.
    means_folder: bool,
}

impl<'a> Walk<'a> {
    fn new(path: &'a Path) -> Self {
        let (steps, text) = (Vec::new(), PathBuf::new());
        let mut walk = Self { whole: path, steps, links: 0, folder: None, text, strange: None, means_folder: false };
        walk.add(path);
        walk
    }

    /// Adds the steps of a path before those that are left.
    fn add(&mut self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        self.means_folder |= self.steps.is_empty() && (bytes.ends_with(b"/") || bytes.ends_with(b"/."));
        self.steps.extend(path.components().rev().map(|step| step.as_os_str().to_owned()));
    }

    fn run(mut self) -> Result<Spot, SyncError> {
        let folder =
            SyncError::Usage(format!("{}: is a folder; the output is a file, a device or -", self.whole.display()));
        loop {
            let Some(step) = self.steps.pop() else { return Err(folder) };
            let is_last = self.steps.is_empty();
            let handle = match self.open(&step) {
                Err(Errno::NOENT) if is_last => return self.end_absent(step),
                opened => opened.map_err(|error| self.failed(error))?,
            };
            let stat = rustix::fs::fstat(&handle).map_err(|error| self.failed(error))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => self.follow(&step, &handle, &stat)?,
                FileType::Directory => {
                    self.text.push(step);
                    self.folder = Some(handle);
                }
                _ if is_last => return self.end(step),
                _ => return Err(self.failed(Errno::NOTDIR)),
            }
        }
    }

    /// Opens an object by name. A link is opened itself.
    fn open(&self, step: &OsStr) -> rustix::io::Result<OwnedFd> {
        // Without this, a folder that is mounted on demand would not be mounted.
        match self.open_with(step, OFlags::DIRECTORY) {
            Err(Errno::NOTDIR | Errno::LOOP) => self.open_with(step, OFlags::empty()),
            opened => opened,
        }
    }

    fn open_with(&self, step: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let is_root = Path::new(step).components().next() == Some(Component::RootDir);
        match &self.folder {
            Some(folder) if !is_root => rustix::fs::openat(folder, step, flags, Mode::empty()),
            _ => rustix::fs::openat(CWD, step, flags, Mode::empty()),
        }
    }

    fn follow(&mut self, step: &OsStr, link: &OwnedFd, stat: &Stat) -> Result<(), SyncError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(self.failed(Errno::LOOP));
        }
        if !is_trusted(stat.st_uid) {
            let folder = match &self.folder {
                Some(folder) => rustix::fs::fstat(folder),
                None => rustix::fs::stat("."),
            };
            if is_shared(&folder.map_err(|error| self.failed(error))?) {
                return Err(SyncError::Link { path: self.text.join(step), owner: stat.st_uid });
            }
            if self.steps.is_empty() {
                self.strange = Some((self.text.join(step), stat.st_uid));
            }
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new()).map_err(|error| self.failed(error))?;
        self.add(Path::new(&OsString::from_vec(target.into_bytes())));
        Ok(())
    }

    /// Ends the walk at a new output. A link of another user may choose which file is replaced, but not where a new one
    /// is made: it could lead into a folder that only this user may write.
    fn end_absent(mut self, name: OsString) -> Result<Spot, SyncError> {
        match self.strange.take() {
            Some((path, owner)) => Err(SyncError::Link { path, owner }),
            None => self.end(name),
        }
    }

    fn end(self, name: OsString) -> Result<Spot, SyncError> {
        if self.means_folder {
            return Err(self.failed(Errno::NOTDIR));
        }
        let path = self.text.join(&name);
        let folder = match self.folder {
            Some(folder) => folder,
            None => self.open(OsStr::new(".")).map_err(|error| self.failed(error))?,
        };
        Ok(Spot { place: Place::of_handle(folder, self.text), name, path })
    }

    fn failed(&self, error: Errno) -> SyncError {
        SyncError::io(self.whole)(error.into())
    }
}
