//! Finished packs on their way into the store, several at a time, while the next are made.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use regrow_chunker::ChunkId;
use regrow_store::{Condition, Content, ObjectKind, PackSummary, Store, StoreError, pack_name};
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;

use crate::place::condemned::Reliance;
use crate::{Network, SyncError};

/// Packs on their way, at most: the next one is made meanwhile, and large ones go in several parts at once.
const PACKS_IN_FLIGHT: usize = 3;

/// What became of a pack.
type Sent = Result<bool, StoreError>;

/// See the module's documentation.
pub(crate) struct Uploads<'a> {
    network: &'a Network,
    store: Arc<dyn Store>,
    reliance: &'a Reliance,
    /// Packs that are there, but damaged or archived.
    damaged: BTreeSet<ChunkId>,
    in_flight: VecDeque<JoinHandle<Sent>>,
    /// Packs and bytes that were not there before.
    pub(crate) sent: (u64, u64),
    sizes: VecDeque<u64>,
}

impl<'a> Uploads<'a> {
    pub(crate) fn new(
        network: &'a Network,
        store: Arc<dyn Store>,
        reliance: &'a Reliance,
        damaged: BTreeSet<ChunkId>,
    ) -> Self {
        Self { network, store, reliance, damaged, in_flight: VecDeque::new(), sent: (0, 0), sizes: VecDeque::new() }
    }

    /// A file for a pack.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, SyncError> {
        Ok(self.store.stage("pack-").map_err(StoreError::io(self.store.staging()))?)
    }

    /// Sends a complete pack on its way; returns what names it, which is not what it was given where that name is
    /// condemned.
    pub(crate) fn send(&mut self, mut file: NamedTempFile, summary: PackSummary) -> Result<PackSummary, SyncError> {
        let io = SyncError::io(self.store.staging());
        let summary = rename(&mut file, summary, |id| self.reliance.is_condemned(id)).map_err(io)?;
        while self.in_flight.len() >= PACKS_IN_FLIGHT {
            self.wait()?;
        }
        let store = Arc::clone(&self.store);
        let is_damaged = self.damaged.contains(&summary.id);
        self.sizes.push_back(summary.bytes);
        self.in_flight
            .push_back(self.network.runtime().spawn(async move { send(&*store, file, &summary, is_damaged).await }));
        Ok(summary)
    }

    /// Waits until all are there.
    pub(crate) fn finish(&mut self) -> Result<(), SyncError> {
        while !self.in_flight.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), SyncError> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(()) };
        let bytes = self.sizes.pop_front().unwrap_or(0);
        if self.network.block_on(oldest).map_err(|_| SyncError::Worker)?? {
            self.sent = (self.sent.0 + 1, self.sent.1 + bytes);
        }
        Ok(())
    }
}

/// What is left in flight when a run fails is given up.
impl Drop for Uploads<'_> {
    fn drop(&mut self) {
        self.in_flight.iter().for_each(JoinHandle::abort);
    }
}

/// Puts a pack, unless it is there. Returns whether it was put.
async fn send(store: &dyn Store, file: NamedTempFile, summary: &PackSummary, is_damaged: bool) -> Sent {
    let name = pack_name(&summary.id);
    let condition = if store.is_local() || is_damaged {
        // What is there may be damaged; putting it again costs a rename, and mends it.
        Condition::Always
    } else {
        match store.stat(&name).await? {
            Some(found) if found.bytes == summary.bytes && !found.is_archived => return Ok(false),
            Some(_) => Condition::Always,
            None => Condition::IfAbsent,
        }
    };
    store.put(&name, Content::File(file), ObjectKind::Immutable, condition).await?;
    Ok(true)
}

/// Gives a pack another name while `is_taken` says so, by its salt.
fn rename(
    file: &mut NamedTempFile,
    mut summary: PackSummary,
    is_taken: impl Fn(&ChunkId) -> bool,
) -> std::io::Result<PackSummary> {
    let mut salt = 0u64;
    while is_taken(&summary.id) {
        salt += 1;
        summary.id = salt_pack(file, summary.bytes, salt)?;
    }
    Ok(summary)
}

/// Writes a salt into a complete pack; returns its new name.
pub(crate) fn salt_pack(file: &mut NamedTempFile, pack_bytes: u64, salt: u64) -> std::io::Result<ChunkId> {
    file.seek(SeekFrom::Start(pack_bytes - regrow_store::SALT_FROM_END))?;
    file.write_all(&salt.to_le_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file.as_file_mut())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(ChunkId(*hasher.finalize().as_bytes()))
}
