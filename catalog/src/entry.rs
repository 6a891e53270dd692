//! What an entry is found by: a seed's state, or a document's name.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::key::SeedKey;

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryKey {
    /// A seed's path, or a document's name.
    pub(crate) name: Vec<u8>,
    /// By which rules the blob was made: a seed's rules, or a document's kind.
    pub(crate) rules: String,
    /// What must not have changed since; empty for documents.
    pub(crate) state: Vec<u8>,
}

impl EntryKey {
    /// A document's key. No seed has one like it: paths of seeds are absolute, names of documents begin with their kind.
    pub(crate) fn document(kind: &str, name: &str) -> Self {
        Self { name: format!("{kind} {name}").into_bytes(), rules: kind.to_owned(), state: Vec::new() }
    }

    /// The name, for people.
    pub(crate) fn shown(&self) -> PathBuf {
        String::from_utf8_lossy(&self.name).into_owned().into()
    }
}

impl From<&SeedKey> for EntryKey {
    fn from(key: &SeedKey) -> Self {
        Self { name: key.path.as_os_str().as_bytes().to_vec(), rules: key.rules.clone(), state: key.state() }
    }
}
