//! The place of a catalog on disk, and the replacement of an unusable one without harm to its other users.
//!
//! Beside `catalog.db` lies `catalog.db.lock`, which is never removed. A process that has the database open holds a
//! shared lock of it; a process that replaces the database holds an exclusive one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::database::{APPLICATION_ID, Database};
use crate::guard;
use crate::problem::Problem;

/// How long to wait for the shared lock. Replacing a catalog takes milliseconds.
const SHARED_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for the exclusive lock. Others may use the catalog for hours.
const EXCLUSIVE_PATIENCE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(5);
/// One round finds the file unusable and replaces it, and one opens it. The others are for races.
const ROUNDS: usize = 4;

/// A catalog's path, locked against replacement.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    lock: File,
}

/// An open database, and the reason if it had to be replaced.
pub(crate) type Opened = (Database, Option<Problem>);

impl Place {
    /// Makes the folder and the lock file, if only this user can write there.
    pub(crate) fn at(path: &Path) -> Result<Self, Problem> {
        let path = guard::own_place(path)?;
        let lock_path = beside(&path, ".lock");
        // The lock file is opened without following a link or waiting for a pipe: the folder is this user's now,
        // but may have been anybody's once.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(guard::FILE_MODE)
            .custom_flags(flags.bits() as i32)
            .open(&lock_path)
            .map_err(Problem::file("open", &lock_path))?;
        let metadata = lock.metadata().map_err(Problem::file("look at", &lock_path))?;
        guard::check_file(&lock_path, &metadata)?;
        if metadata.permissions().mode() & 0o777 != guard::FILE_MODE {
            // An earlier version left the mode to the umask, and any user who can read the file could hold the
            // lock.
            let _ = lock.set_permissions(fs::Permissions::from_mode(guard::FILE_MODE));
        }
        Ok(Self { path, lock })
    }

    /// Makes an empty file for the database that only this user can read. SQLite would leave the mode to the umask;
    /// its journals get the mode of the file.
    fn make_file(&self) {
        // This needs the exclusive lock, which excludes users of the database: closing a handle drops the locks
        // that SQLite has on the file in this process. If the lock is not to be had, another process has made the
        // file.
        if self.path.symlink_metadata().is_err() && self.relock(EXCLUSIVE_PATIENCE, File::try_lock).is_ok() {
            let _ = OpenOptions::new().create_new(true).write(true).mode(guard::FILE_MODE).open(&self.path);
        }
    }

    /// Opens the database, replacing it if necessary, and holds the shared lock from then on. The caller must have
    /// dropped any [`Database`] of this place.
    pub(crate) fn open_database(&self) -> Result<Opened, Problem> {
        let mut why_made_anew = None;
        for _ in 0..ROUNDS {
            self.make_file();
            self.relock(SHARED_PATIENCE, File::try_lock_shared)?;
            match Database::open(&self.path) {
                Ok(database) => return Ok((database, why_made_anew)),
                Err(problem) if problem.is_file_at_fault() => {
                    let reason = problem.to_string();
                    self.replace_if_unusable()?;
                    why_made_anew = Some(Problem::MadeAnew { path: self.path.clone(), reason });
                }
                Err(problem) => return Err(problem),
            }
        }
        Err(Problem::InUse(self.path.clone()))
    }

    /// Removes a file whose damage only showed in use, whatever it holds. The caller must have dropped its
    /// [`Database`]. Nothing is done while others use theirs.
    pub(crate) fn remove_damaged(&self) -> Result<(), Problem> {
        self.relock(EXCLUSIVE_PATIENCE, File::try_lock)?;
        self.discard()
    }

    fn replace_if_unusable(&self) -> Result<(), Problem> {
        self.relock(EXCLUSIVE_PATIENCE, File::try_lock)?;
        // Another process may have replaced the file before this one had the lock.
        match Database::open(&self.path) {
            Err(problem) if problem.is_file_at_fault() => self.discard(),
            _ => Ok(()),
        }
    }

    /// Changes the lock. It unlocks first, because no system exchanges one kind of lock for the other atomically.
    fn relock(&self, patience: Duration, try_lock: fn(&File) -> Result<(), TryLockError>) -> Result<(), Problem> {
        let lock_failed = |source| Problem::File { action: "lock", path: self.path.clone(), source };
        self.lock.unlock().map_err(lock_failed)?;
        let started = Instant::now();
        loop {
            match try_lock(&self.lock) {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(source)) => return Err(lock_failed(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() > patience => {
                    return Err(Problem::InUse(self.path.clone()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
    }

    /// Removes a catalog; moves a file aside that may be another program's, together with its journals.
    fn discard(&self) -> Result<(), Problem> {
        let is_ours = bears_our_mark(&self.path).map_err(Problem::file("read", &self.path))?;
        for suffix in ["-journal", "-wal", "-shm", ""] {
            let from = beside(&self.path, suffix);
            let done = if is_ours {
                fs::remove_file(&from)
            } else {
                fs::rename(&from, beside(&beside(&self.path, ".unusable"), suffix))
            };
            match done {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Problem::File { action: "replace", path: from, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a file's header says that it is a catalog, of any version.
///
/// Call this only under the exclusive lock, or before the file is opened: closing any handle of a database file
/// drops the POSIX locks that SQLite holds on it in the same process.
pub(crate) fn bears_our_mark(path: &Path) -> io::Result<bool> {
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mark = header.get(68..72);
    Ok(header.starts_with(b"SQLite format 3\0") && mark == Some(&APPLICATION_ID.to_be_bytes()[..]))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
