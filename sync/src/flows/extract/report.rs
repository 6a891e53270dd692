//! The report of an extraction. Its fields are the keys of the JSON that `regrow extract` prints.

use std::time::Duration;

use regrow_chunker::Digest;
use regrow_index::Index;
use regrow_local::OpenedStorage;
use serde::Serialize;

use crate::flows::seconds::as_seconds;
use crate::plan::locate::Counts;

/// The result of an extraction, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExtractReport {
    /// The size of the image.
    pub image_bytes: u64,
    /// The BLAKE3 digest of the image.
    pub image_digest: String,
    /// The bytes of bodies that came over the network, including the index.
    pub bytes_fetched: u64,
    /// The number of requests, retries included.
    pub requests: u64,
    /// The number of chunks in the image, repetitions included. A dry run that reads the head of the index alone knows
    /// only those that a patch brings.
    pub chunks: u64,
    /// The number of chunks that the output had already.
    pub chunks_resumed: u64,
    /// The number of chunks that came from seeds.
    pub chunks_seed: u64,
    /// The number of chunks that came from a patch.
    pub chunks_patch: u64,
    /// The number of chunks that came from the cache.
    pub chunks_cache: u64,
    /// The number of chunks that came from stores.
    pub chunks_store: u64,
    /// The plain bytes that the output had already.
    pub bytes_resumed: u64,
    /// The plain bytes that came from seeds.
    pub bytes_seed: u64,
    /// The plain bytes that came from a patch.
    pub bytes_patch: u64,
    /// The plain bytes that came from the cache.
    pub bytes_cache: u64,
    /// The plain bytes that came from stores.
    pub bytes_store: u64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether this run read or wrote the whole image and found that it has its digest. It is false in a dry run that
    /// finds anything else at the output's place, and if the catalog was trusted.
    pub verified: bool,
    /// The size of what was written, if that is not the image but what it holds in compressed form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_bytes: Option<u64>,
    /// The number of trusted keys that signed the image.
    pub signers: u64,
    /// The storages of engines among the seeds.
    pub storages: Vec<StorageReport>,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// The storage of an engine that served as a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageReport {
    /// The kind of storage, as a seed names it.
    pub kind: &'static str,
    /// The root folder.
    pub root: String,
    /// The number of layers in it that the index names.
    pub layers: u64,
    /// The number of plain bytes of these layers.
    pub bytes: u64,
}

impl StorageReport {
    /// The report of a storage that was searched.
    pub(super) fn of(opened: &OpenedStorage) -> Self {
        let OpenedStorage { storage, layers, bytes } = opened;
        Self { kind: storage.kind.name(), root: storage.root.display().to_string(), layers: *layers, bytes: *bytes }
    }
}

impl ExtractReport {
    /// The report of a run that has not begun.
    pub(super) fn of(index: &Index) -> Self {
        Self {
            image_bytes: index.image_bytes,
            image_digest: Digest::from_bytes(index.image_digest).to_string(),
            chunks: index.chunks(),
            ..Self::default()
        }
    }

    /// Takes over the counts of where the chunks came from.
    pub(super) fn count(&mut self, counts: &Counts) {
        (self.chunks_resumed, self.bytes_resumed) = (counts.resumed.chunks, counts.resumed.bytes);
        (self.chunks_seed, self.bytes_seed) = (counts.seed.chunks, counts.seed.bytes);
        (self.chunks_patch, self.bytes_patch) = (counts.patch.chunks, counts.patch.bytes);
        (self.chunks_cache, self.bytes_cache) = (counts.cache.chunks, counts.cache.bytes);
        (self.chunks_store, self.bytes_store) = (counts.store.chunks, counts.store.bytes);
    }
}
