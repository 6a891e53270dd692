//! A folder with seeds and a place for a catalog.

use std::fs::{self, File};
use std::path::PathBuf;

use regrow_catalog::{Catalog, SeedKey};
use tempfile::TempDir;

pub(crate) const RULES: &str = "walk 1, min 4096, avg 16384, max 65536";

pub(crate) struct Environment {
    pub(crate) folder: TempDir,
}

impl Environment {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The catalog's path, in a folder that does not exist yet.
    pub(crate) fn catalog_path(&self) -> PathBuf {
        self.path("cache/regrow/catalog.db")
    }

    pub(crate) fn catalog(&self) -> Catalog {
        Catalog::open(&self.catalog_path())
    }

    /// The key that the file would have a minute after it was written.
    pub(crate) fn settled_key(&self, name: &str) -> SeedKey {
        settled(self.fresh_key(name))
    }

    /// The key of the file as it is now. The file is made if it is not there.
    pub(crate) fn fresh_key(&self, name: &str) -> SeedKey {
        let path = self.path(name);
        if !path.exists() {
            fs::write(&path, format!("contents of {name}")).unwrap();
        }
        SeedKey::of_file(&path, &File::open(&path).unwrap(), RULES).unwrap()
    }
}

pub(crate) fn settled(mut key: SeedKey) -> SeedKey {
    key.observed_ns += 60_000_000_000;
    key
}

/// Bytes that differ for each entry, long enough to span several database pages.
pub(crate) fn blob(entry: usize) -> Vec<u8> {
    (0..9_000 + entry).map(|at| (at * 31 + entry * 7 + at / 251) as u8).collect()
}
