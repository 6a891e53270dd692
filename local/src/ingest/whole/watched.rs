//! A file that must not be written to while it is read.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, Stat, fstat};

use crate::LocalError;

const COPY_BYTES: usize = 1 << 20;

/// Gives a file's bytes, and an error at its end if the file was written to meanwhile. Pipes and devices are not
/// watched.
#[derive(Debug)]
pub struct WatchedFile<F> {
    file: F,
    before: Option<State>,
    read: u64,
}

/// The reason why the bytes of a file are not one image.
#[derive(Debug, thiserror::Error)]
#[error("was written to while it was read")]
struct Change;

/// The state of a regular file, as the file system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl State {
    fn of(file: &impl AsFd) -> Option<Self> {
        let stat = fstat(file).ok().filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)?;
        Some(Self::of_stat(&stat))
    }

    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the fields' types differ by architecture")]
    fn of_stat(stat: &Stat) -> Self {
        Self {
            size: stat.st_size as u64,
            written: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            links: stat.st_nlink as u64,
        }
    }

    /// Whether the bytes are most likely the same. If another file has taken over the name, the time of change
    /// differs, but the bytes do not.
    fn is_kept_in(&self, after: &Self) -> bool {
        let bytes = |state: &Self| (state.size, state.written);
        bytes(self) == bytes(after) && (self.changed == after.changed || self.links != after.links)
    }
}

impl<F: AsFd> WatchedFile<F> {
    /// Watches the file from now on.
    pub fn new(file: F) -> Self {
        let before = State::of(&file);
        Self { file, before, read: 0 }
    }

    /// The size of the file in bytes, if it is a regular one.
    pub fn size(&self) -> Option<u64> {
        self.before.map(|state| state.size)
    }

    /// Looks at the file again, for a caller that reads it in other ways. `name` is for the error.
    ///
    /// # Errors
    /// The result is [`LocalError::Changed`] if the file was written to.
    pub fn check_unchanged(&self, name: &Path) -> Result<(), LocalError> {
        self.check().map_err(|_| LocalError::Changed { path: name.to_owned() })
    }

    fn check(&self) -> io::Result<()> {
        let Some(before) = self.before else { return Ok(()) };
        let is_kept = State::of(&self.file).is_some_and(|after| before.is_kept_in(&after));
        if is_kept { Ok(()) } else { Err(io::Error::other(Change)) }
    }
}

impl<F: Read + AsFd> WatchedFile<F> {
    /// Copies all of the file to `out`. The names are for errors: that of the file, and that of the place of `out`.
    ///
    /// # Errors
    /// [`LocalError::Changed`] or [`LocalError::Unread`] for the file, and [`LocalError::Io`] if `out` cannot be
    /// written.
    pub fn copy_to(&mut self, out: &mut impl Write, name: &Path, out_name: &Path) -> Result<(), LocalError> {
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => out.write_all(&buffer[..read]).map_err(LocalError::io(out_name))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error_of(error, name, self.read)),
            }
        }
    }
}

/// The error for an image of this name whose reading failed after this many bytes.
pub(in crate::ingest) fn error_of(source: io::Error, name: &Path, bytes: u64) -> LocalError {
    let path = name.to_owned();
    if source.get_ref().is_some_and(|inner| inner.is::<Change>()) {
        return LocalError::Changed { path };
    }
    LocalError::Unread { path, bytes, source }
}

impl<F: Read + AsFd> Read for WatchedFile<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.read += read as u64;
        if read == 0 && !out.is_empty() {
            self.check()?;
        }
        Ok(read)
    }
}
