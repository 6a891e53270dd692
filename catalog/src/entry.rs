//! The key of an entry: a seed's state, or a document's name.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::key::SeedKey;

/// The key under which a blob is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryKey {
    /// A seed's path, or a document's name.
    pub(crate) name: Vec<u8>,
    /// The rules that the blob was made by: a seed's rules, or a document's kind.
    pub(crate) rules: String,
    /// The state that must not have changed since; empty for documents.
    pub(crate) state: Vec<u8>,
}

impl EntryKey {
    /// A document's key. It never equals a seed's: paths of seeds are absolute, while names of documents begin with
    /// their kind.
    pub(crate) fn document(kind: &str, name: &str) -> Self {
        Self { name: format!("{kind} {name}").into_bytes(), rules: kind.to_owned(), state: Vec::new() }
    }

    /// The name in a form for people.
    pub(crate) fn shown(&self) -> PathBuf {
        String::from_utf8_lossy(&self.name).into_owned().into()
    }
}

impl From<&SeedKey> for EntryKey {
    fn from(key: &SeedKey) -> Self {
        Self { name: key.path.as_os_str().as_bytes().to_vec(), rules: key.rules.clone(), state: key.state() }
    }
}
