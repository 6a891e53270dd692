//! The catalog as its users see it. None of its methods fails.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::database::{Database, FoundEntry};
use crate::entry::EntryKey;
use crate::key::SeedKey;
use crate::place::{Place, bears_our_mark};
use crate::problem::Problem;

/// The most bytes that the blobs of a catalog on disk take by default: 1 GiB.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;
/// The most bytes that the blobs of a catalog in memory take: 64 MiB.
pub const MEMORY_BLOB_BYTES_MAX: u64 = 64 << 20;

/// A memory of what seeds hold, by the seeds' state, and of documents by their names. Several threads and processes
/// may use one catalog at once.
pub struct Catalog {
    state: Mutex<State>,
}

struct State {
    /// `None` for a catalog in memory.
    place: Option<Place>,
    /// `None` only if not even an empty database in memory could be made.
    database: Option<Database>,
    blob_bytes_max: u64,
    refusal: Option<String>,
    last_problem: Option<Problem>,
}

impl Catalog {
    /// Opens the catalog at `path`, and creates it if it is not there. A file that is damaged, belongs to another
    /// program or has another version is replaced. If nothing can be written, or others use an unusable file, an
    /// empty catalog in memory takes its place.
    ///
    /// Opening may wait some seconds for other processes. Three kinds of files come and go beside the catalog:
    /// `.lock`, a journal, and `.unusable`, which is a file that lay at `path` and was no catalog.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { state: Mutex::new(State::open(path)) }
    }

    /// Whether the file at `path` does not look like a catalog, so that [`Catalog::open`] would have to move it
    /// aside. Ask before you use a path that somebody may have mistyped.
    #[must_use]
    pub fn is_foreign(path: &Path) -> bool {
        let Ok(metadata) = path.metadata() else { return false };
        // Nothing but a regular file is opened: a pipe would wait for its other end.
        !metadata.is_file() || (metadata.len() > 0 && !bears_our_mark(path).unwrap_or(false))
    }

    /// Makes an empty catalog that leaves nothing behind.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { state: Mutex::new(State::in_memory(None)) }
    }

    /// Sets another bound on the sum of the blobs, in bytes. It applies from the next [`Catalog::put_seed`] on. A
    /// catalog in memory never takes more than [`MEMORY_BLOB_BYTES_MAX`].
    #[must_use]
    pub fn with_blob_bytes_max(self, blob_bytes_max: u64) -> Self {
        self.state().bound(blob_bytes_max);
        self
    }

    /// Whether the next process will find what is put here.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.state().place.is_some()
    }

    /// Returns the blob that was last put for exactly this state of the file and these rules. It is checked, so it
    /// is never other bytes.
    #[must_use]
    pub fn get_seed(&self, key: &SeedKey) -> Option<Vec<u8>> {
        self.get(&key.into())
    }

    /// Whether there is a blob for exactly this state of the file, by rules that begin with those of the key. It may
    /// still turn out to be damaged.
    #[must_use]
    pub fn has_seed(&self, key: &SeedKey) -> bool {
        let mut state = self.state();
        let found = state.database.as_ref().map_or(Ok(false), |database| database.has(&key.into()));
        found.unwrap_or_else(|problem| {
            state.recover(problem);
            false
        })
    }

    /// Remembers a blob, which replaces an older one for the same path and rules. Blobs above the bound are not
    /// remembered, nor are those of files that are not [settled](SeedKey::is_settled).
    pub fn put_seed(&self, key: &SeedKey, blob: &[u8]) {
        if key.is_settled() {
            self.put(&key.into(), blob);
        } else {
            self.state().last_problem = Some(Problem::NotSettled(key.path.clone()));
        }
    }

    /// Returns the document of this kind that was last put under this name. It is checked, so it is never other
    /// bytes. The caller must find out whether it still holds.
    #[must_use]
    pub fn get_document(&self, kind: &str, name: &str) -> Option<Vec<u8>> {
        self.get(&EntryKey::document(kind, name))
    }

    /// Remembers a document, which replaces an older one of the same kind and name. A document above the bound is
    /// not remembered.
    pub fn put_document(&self, kind: &str, name: &str, blob: &[u8]) {
        self.put(&EntryKey::document(kind, name), blob);
    }

    fn get(&self, key: &EntryKey) -> Option<Vec<u8>> {
        let mut state = self.state();
        match state.database.as_ref()?.get(key) {
            Ok(FoundEntry::Blob(blob)) => Some(blob),
            Ok(FoundEntry::Nothing) => None,
            Ok(FoundEntry::Damaged) => {
                state.last_problem = Some(Problem::Damaged(key.shown()));
                None
            }
            Err(problem) => {
                state.recover(problem);
                None
            }
        }
    }

    fn put(&self, key: &EntryKey, blob: &[u8]) {
        let mut state = self.state();
        if let Err(problem) = state.put(key, blob)
            && state.recover(problem)
        {
            // Try once more, with the new file. The problem that is worth reporting is the first one.
            let _ = state.put(key, blob);
        }
    }

    /// The reason why the catalog at the given path is not used, if other users could have written it.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    /// The last problem. It stays until another one occurs.
    #[must_use]
    pub fn last_problem(&self) -> Option<String> {
        self.state().last_problem.as_ref().map(ToString::to_string)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the database as sound as a crash does.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        formatter
            .debug_struct("Catalog")
            .field("place", &state.place)
            .field("blob_bytes_max", &state.blob_bytes_max)
            .field("last_problem", &state.last_problem)
            .finish_non_exhaustive()
    }
}

impl State {
    fn open(path: &Path) -> Self {
        let opened = Place::at(path).and_then(|place| place.open_database().map(|opened| (place, opened)));
        match opened {
            Ok((place, (database, last_problem))) => Self::on_disk(place, database, last_problem),
            Err(problem) => {
                let refusal = matches!(problem, Problem::Unsafe { .. }).then(|| problem.to_string());
                Self { refusal, ..Self::in_memory(Some(problem)) }
            }
        }
    }

    fn on_disk(place: Place, database: Database, last_problem: Option<Problem>) -> Self {
        let (place, database) = (Some(place), Some(database));
        Self { place, database, blob_bytes_max: BLOB_BYTES_MAX, refusal: None, last_problem }
    }

    fn in_memory(problem: Option<Problem>) -> Self {
        let (database, last_problem) = match Database::in_memory() {
            Ok(database) => (Some(database), problem),
            Err(memory_problem) => (None, Some(memory_problem)),
        };
        Self { place: None, database, blob_bytes_max: MEMORY_BLOB_BYTES_MAX, refusal: None, last_problem }
    }

    fn bound(&mut self, blob_bytes_max: u64) {
        let most = if self.place.is_some() { u64::MAX } else { MEMORY_BLOB_BYTES_MAX };
        self.blob_bytes_max = blob_bytes_max.min(most);
    }

    fn put(&mut self, key: &EntryKey, blob: &[u8]) -> Result<(), Problem> {
        let (bytes, limit_bytes) = (blob.len() as u64, self.blob_bytes_max);
        if bytes > limit_bytes {
            return Err(Problem::TooLarge { path: key.shown(), bytes, limit_bytes });
        }
        self.database.as_mut().map_or(Ok(()), |database| database.put(key, blob, limit_bytes))
    }

    /// Notes a problem. If the file is at fault, it is replaced, and the result is true.
    fn recover(&mut self, problem: Problem) -> bool {
        let is_file_at_fault = problem.is_file_at_fault();
        if is_file_at_fault {
            self.database = None;
            let blob_bytes_max = self.blob_bytes_max;
            *self = match self.place.take() {
                Some(place) => Self::made_anew(place),
                None => Self::in_memory(None),
            };
            self.bound(blob_bytes_max);
        }
        self.last_problem = Some(problem);
        is_file_at_fault
    }

    fn made_anew(place: Place) -> Self {
        match place.remove_damaged().and_then(|()| place.open_database()) {
            Ok((database, _)) => Self::on_disk(place, database, None),
            Err(problem) => Self::in_memory(Some(problem)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn key(name: &str) -> SeedKey {
        let (path, rules, observed_ns) = (name.into(), String::new(), i128::MAX);
        SeedKey { path, device: 1, inode: 2, bytes: 3, modified_ns: 4, changed_ns: 5, observed_ns, rules }
    }

    #[test]
    fn a_full_disk_costs_the_new_entry_only() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.db"));
        catalog.put_seed(&key("/first"), &[1; 20_000]);
        // SQLite reports this limit as it reports a full disk.
        let sql = "PRAGMA max_page_count = 12";
        catalog.state().database.as_ref().unwrap().connection().query_row(sql, [], |_| Ok(())).unwrap();
        catalog.put_seed(&key("/second"), &[2; 80_000]);
        assert!(catalog.last_problem().unwrap().contains("full"));
        assert!(catalog.is_on_disk());
        assert_eq!(catalog.get_seed(&key("/second")), None);
        assert_eq!(catalog.get_seed(&key("/first")), Some(vec![1; 20_000]));
    }

    #[test]
    fn documents_are_told_apart_by_kind_and_name() {
        let catalog = Catalog::in_memory();
        catalog.put_document("index", "a", b"1");
        catalog.put_document("index", "a", b"2");
        catalog.put_document("tail", "a", b"3");
        assert_eq!(catalog.get_document("index", "a").as_deref(), Some(&b"2"[..]));
        assert_eq!(catalog.get_document("tail", "a").as_deref(), Some(&b"3"[..]));
        assert_eq!(catalog.get_document("tail", "b"), None);
    }

    #[test]
    fn it_is_shared_between_threads() {
        fn assert_shared<T: Send + Sync>() {}
        assert_shared::<Catalog>();
    }

    #[test]
    fn a_catalog_in_memory_stays_bounded() {
        let catalog = Catalog::in_memory().with_blob_bytes_max(u64::MAX);
        assert_eq!(catalog.state().blob_bytes_max, MEMORY_BLOB_BYTES_MAX);
    }
}
