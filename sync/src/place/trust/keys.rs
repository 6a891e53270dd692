//! Files of public keys.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use regrow_sign::{MAX_KEY_BYTES, MAX_KEYS, PublicKey, SignError};
use rustix::fs::{Mode, OFlags};

use crate::SyncError;

/// The endings of the names of keys in a folder.
const KEY_ENDINGS: [&str; 2] = ["pub", "pem"];

/// Reads a public key: minisign's format or PEM.
///
/// # Errors
/// [`SyncError::Io`], and [`SyncError::Key`] if the file is no public key.
pub fn read_key(path: &Path) -> Result<PublicKey, SyncError> {
    key_of(path, open_file(path)?)
}

/// Opens a regular file. A pipe would wait for somebody who writes to it.
pub(super) fn open_file(path: &Path) -> Result<File, SyncError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| SyncError::io(path)(error.into()))?);
    if file.metadata().map_err(SyncError::io(path))?.is_file() {
        return Ok(file);
    }
    Err(SyncError::io(path)(io::Error::new(ErrorKind::InvalidInput, "is no regular file")))
}

fn key_of(path: &Path, file: File) -> Result<PublicKey, SyncError> {
    let text = bounded(path, file)?;
    PublicKey::parse(&String::from_utf8_lossy(&text)).map_err(|source| SyncError::Key { path: path.to_owned(), source })
}

/// Reads a file that is too small to matter, or else only its beginning, which then is no key.
pub(super) fn bounded(path: &Path, file: File) -> Result<Vec<u8>, SyncError> {
    let mut text = Vec::new();
    file.take(MAX_KEY_BYTES as u64).read_to_end(&mut text).map_err(SyncError::io(path))?;
    Ok(text)
}

/// Reads a secret key: minisign's format, encrypted or not, or PEM. `password` is asked only for an encrypted one.
///
/// # Errors
/// [`SyncError::Io`], and [`SyncError::Key`] if the file is no secret key, or cannot be decrypted.
#[cfg(feature = "sign")]
pub fn read_secret_key(
    path: &Path,
    password: impl FnOnce() -> Option<String>,
) -> Result<regrow_sign::SecretKey, SyncError> {
    let text = bounded(path, File::open(path).map_err(SyncError::io(path))?)?;
    regrow_sign::SecretKey::parse(&String::from_utf8_lossy(&text), password)
        .map_err(|source| SyncError::Key { path: path.to_owned(), source })
}

/// Reads a signature: minisign's format, 64 bytes, or those in base64. `key` made it.
///
/// # Errors
/// [`SyncError::Io`], and [`SyncError::Key`] if the file is no signature.
#[cfg(feature = "sign")]
pub fn read_signature(path: &Path, key: &PublicKey) -> Result<regrow_sign::Signature, SyncError> {
    let bytes = bounded(path, open_file(path)?)?;
    regrow_sign::Signature::parse(&bytes, Some(key)).map_err(|source| SyncError::Key { path: path.to_owned(), source })
}

/// Reads the keys of this machine: all files of a folder that are named `*.pub` or `*.pem`. There are none if there is
/// no such folder; a link to nowhere is an error. Nobody but root may be able to write to the folder, to the one above it, and to the keys.
///
/// # Errors
/// [`SyncError::OpenKeys`] if others can write there, [`SyncError::Io`], and [`SyncError::Key`]. A key that cannot be
/// read is an error too, since without it images might be taken that must not be.
pub fn keys_in(folder: &Path) -> Result<Vec<PublicKey>, SyncError> {
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound && !leads_nowhere(folder) => return Ok(Vec::new()),
        listed => listed.map_err(SyncError::io(folder))?,
    };
    for folder in folder.ancestors().take(2).filter(|folder| !folder.as_os_str().is_empty()) {
        check_roots(folder, &folder.metadata().map_err(SyncError::io(folder))?)?;
    }
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry.map_err(SyncError::io(folder))?.path();
        if path.extension().is_some_and(|ending| KEY_ENDINGS.iter().any(|known| ending == *known)) {
            paths.push(path);
        }
    }
    if paths.len() > MAX_KEYS {
        return Err(SyncError::Key { path: folder.to_owned(), source: SignError::TooManyKeys });
    }
    paths.sort();
    paths.into_iter().map(roots_key).collect()
}

/// Whether a folder, or the one above it, is a link to something that is not there. Then keys are meant to be there: the
/// disk that has them is not mounted, for example.
fn leads_nowhere(folder: &Path) -> bool {
    folder.ancestors().take(2).any(|folder| folder.is_symlink() && !folder.exists())
}

fn roots_key(path: PathBuf) -> Result<PublicKey, SyncError> {
    let file = open_file(&path)?;
    check_roots(&path, &file.metadata().map_err(SyncError::io(&path))?)?;
    key_of(&path, file)
}

/// Refuses what others than root can write. The group of root counts as root.
fn check_roots(path: &Path, metadata: &Metadata) -> Result<(), SyncError> {
    let group_writes = metadata.mode() & 0o020 != 0 && metadata.gid() != 0;
    if metadata.uid() == 0 && metadata.mode() & 0o002 == 0 && !group_writes {
        Ok(())
    } else {
        Err(SyncError::OpenKeys { path: path.to_owned() })
    }
}
