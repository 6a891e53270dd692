//! Sends finished packs to the store, several at a time, while the next packs are made.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use regrow_chunker::PackId;
use regrow_store::{Condition, Content, ObjectKind, PackSummary, Store, StoreError, pack_name};
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;

use crate::place::condemned::Reliance;
use crate::{Network, SyncError};

/// The most packs that are being sent. The next one is made meanwhile, and large packs are sent in several parts at
/// once.
const PACKS_IN_FLIGHT: usize = 3;

/// The result of sending a pack: whether it was put.
type Sent = Result<bool, StoreError>;

/// Packs that are being sent to the store.
pub(crate) struct Uploads<'a> {
    network: &'a Network,
    store: Arc<dyn Store>,
    reliance: &'a Reliance,
    /// The packs in the store that are damaged or archived.
    damaged: BTreeSet<PackId>,
    in_flight: VecDeque<JoinHandle<Sent>>,
    /// The number and the bytes of the packs that were put.
    pub(crate) sent: (u64, u64),
    sizes: VecDeque<u64>,
}

impl<'a> Uploads<'a> {
    pub(crate) fn new(
        network: &'a Network,
        store: Arc<dyn Store>,
        reliance: &'a Reliance,
        damaged: BTreeSet<PackId>,
    ) -> Self {
        Self { network, store, reliance, damaged, in_flight: VecDeque::new(), sent: (0, 0), sizes: VecDeque::new() }
    }

    /// Makes a file for a pack.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, SyncError> {
        Ok(self.store.stage("pack-").map_err(StoreError::io(self.store.staging()))?)
    }

    /// Begins to send a complete pack. Returns its summary, with a new name if the given one is condemned.
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

    /// Waits until all packs are in the store.
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

/// Packs that are still being sent when a run fails are given up.
impl Drop for Uploads<'_> {
    fn drop(&mut self) {
        self.in_flight.iter().for_each(JoinHandle::abort);
    }
}

/// Puts a pack, unless the store has it. Returns whether it was put.
async fn send(store: &dyn Store, file: NamedTempFile, summary: &PackSummary, is_damaged: bool) -> Sent {
    let name = pack_name(&summary.id);
    let condition = if store.is_local() || is_damaged {
        // The pack in the store may be damaged. Putting it again mends that, and in a local store it costs only a
        // rename.
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

/// Changes the pack's salt, and with it the pack's name, as long as `is_taken` refuses the name.
fn rename(
    file: &mut NamedTempFile,
    mut summary: PackSummary,
    is_taken: impl Fn(&PackId) -> bool,
) -> std::io::Result<PackSummary> {
    let mut salt = 0u64;
    while is_taken(&summary.id) {
        salt += 1;
        summary.id = salt_pack(file, summary.bytes, salt)?;
    }
    Ok(summary)
}

/// Writes a salt into a complete pack, and returns the pack's new name.
pub(crate) fn salt_pack(file: &mut NamedTempFile, pack_bytes: u64, salt: u64) -> std::io::Result<PackId> {
    file.seek(SeekFrom::Start(pack_bytes - regrow_store::SALT_FROM_END))?;
    file.write_all(&salt.to_le_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file.as_file_mut())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(PackId::of_hashed(&hasher))
}
