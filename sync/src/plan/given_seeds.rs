//! The seeds that a run is given: the storage of engines, stores, indexes with their store, and everything else.

use std::path::Path;

use regrow_index::Index;
use regrow_local::{EngineStorage, Memory, OpenedStorage, SeedContext, Seeds, StorageKind, WantedLayers};

use super::store_seed::open_seed;
use crate::SyncError;

/// Opens seeds for the image of an index, one after another.
pub(crate) struct GivenSeeds<'a> {
    context: &'a SeedContext<'a>,
    wanted: WantedLayers,
    /// The parts of the image that storages hold, by their numbers, if those are not opened.
    pub(crate) closed: Option<Vec<(EngineStorage, usize)>>,
    /// What this machine remembers of the layers that it made.
    memory: Option<Memory>,
    /// The storages that were searched.
    pub(crate) storages: Vec<OpenedStorage>,
}

impl<'a> GivenSeeds<'a> {
    /// Begins with none.
    pub(crate) fn new(index: &Index, memory: Option<Memory>, context: &'a SeedContext<'a>) -> Self {
        Self { context, wanted: WantedLayers::of_index(index), closed: None, memory, storages: Vec::new() }
    }

    /// The same, which opens no part of the image itself in a storage.
    pub(crate) fn leaving_parts_closed(self) -> Self {
        Self { closed: Some(Vec::new()), ..self }
    }

    /// Opens a seed. A folder that is the storage of an engine is used as such, and as a folder too unless it has all
    /// layers that are needed.
    pub(crate) fn open(&mut self, seeds: &mut Seeds, path: &Path) -> Result<(), SyncError> {
        if let Some(storage) = EngineStorage::named(path) {
            self.open_storage(seeds, &storage)?;
            if !self.open_remembered(seeds, &storage.root)? {
                self.warn_of_last();
            }
            return Ok(());
        }
        if let Some(storage) = EngineStorage::recognised(path) {
            self.open_storage(seeds, &storage)?;
            if self.wanted.is_enough() {
                return Ok(());
            }
            if self.open_remembered(seeds, path)? && self.wanted.is_enough() {
                return Ok(());
            }
            // All large blobs of a layout are seeds, whether they are named or not.
            if storage.kind != StorageKind::Oci {
                self.warn_of_last();
            }
        } else if path.is_dir() && self.open_remembered(seeds, path)? && self.wanted.is_enough() {
            return Ok(());
        }
        open_seed(seeds, path, self.context)
    }

    /// Opens the layers of a folder of which this machine remembers everything but the files. Returns whether there are
    /// any.
    fn open_remembered(&mut self, seeds: &mut Seeds, folder: &Path) -> Result<bool, SyncError> {
        let Some(memory) = self.memory.as_ref().filter(|_| !self.wanted.is_enough()) else { return Ok(false) };
        let opened = memory.open_parts(folder, &mut self.wanted, seeds, self.context)?;
        let is_any = opened.layers > 0;
        self.storages.extend(is_any.then_some(opened));
        Ok(is_any)
    }

    /// Looks once more through the seeds that were opened: for layers that are too small to be parts of what they lie in.
    pub(crate) fn finish(&mut self, seeds: &mut Seeds) {
        self.wanted.open_tiny(seeds, self.context);
    }

    fn open_storage(&mut self, seeds: &mut Seeds, storage: &EngineStorage) -> Result<(), SyncError> {
        let opened = self.open_one(seeds, storage)?;
        // The storage that was asked for comes last, since that is the one of which is said why it gives nothing.
        for additional in storage.additional() {
            if !self.wanted.is_enough()
                && let Ok(found) = self.open_one(seeds, &additional)
            {
                self.storages.extend((found.layers > 0).then_some(found));
            }
        }
        self.storages.push(opened);
        Ok(())
    }

    fn open_one(&mut self, seeds: &mut Seeds, storage: &EngineStorage) -> Result<OpenedStorage, SyncError> {
        let mut own = 0;
        if let Some(closed) = &mut self.closed {
            let found = storage.find_own(&mut self.wanted)?;
            own = found.len() as u64;
            closed.extend(found.into_iter().map(|number| (storage.clone(), number)));
        }
        let opened = storage.open_layers(&mut self.wanted, seeds, self.context)?;
        Ok(OpenedStorage { layers: opened.layers + own, ..opened })
    }

    /// Says why the storage that was searched last gives nothing, if it does not.
    fn warn_of_last(&self) {
        let Some(OpenedStorage { storage, .. }) = self.storages.last().filter(|opened| opened.layers == 0) else {
            return;
        };
        let (kind, root) = (storage.kind, storage.root.display());
        let reason = match self.wanted.is_empty() {
            true => "is of no use, since only an index of version 2 names the layers that it wants",
            false => "has no layer that the index names",
        };
        self.context.progress.warn(&format!("seed: {root}: the {kind} storage {reason}"));
    }
}
