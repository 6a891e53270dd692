//! Fetches a patch from a cache or a store, and stops after its header if the caller does not take it.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use futures::stream::StreamExt;
use regrow_chunker::ImageId;
use regrow_patch::{HEADER_BYTES, PatchHeader, open};
use regrow_store::{Download, ReadStore, Span, StoreError};

use super::cache::FrameCache;
use super::fetch::Fetcher;
use crate::SyncError;

/// A patch that is wanted.
pub(crate) struct Request<'a> {
    /// The name of its object in the store.
    pub(crate) name: String,
    pub(crate) base: ImageId,
    pub(crate) target: ImageId,
    /// The folder for a patch that no cache keeps.
    pub(crate) scratch: &'a Path,
    /// Decides by the header whether the patch is taken. The number is the bytes that would be fetched for it.
    pub(crate) takes: &'a (dyn Fn(&PatchHeader, u64) -> bool + Sync),
}

/// A patch that was found and taken.
pub(crate) enum FoundPatch {
    /// The patch itself, with its checksum checked.
    Here(File),
    /// The bytes that a real run would still fetch. A dry run has read only the header.
    Planned(u64),
}

impl Request<'_> {
    fn damaged(&self, store: &dyn ReadStore, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged { object: format!("{}/{}", store.location(), self.name), reason: reason.to_string() }
    }

    /// Checks that the front of an object is the header of the requested patch, and returns the header.
    fn check(&self, front: &[u8], object_bytes: Option<u64>, store: &dyn ReadStore) -> Result<PatchHeader, StoreError> {
        let front = front.first_chunk::<HEADER_BYTES>().ok_or_else(|| self.damaged(store, "it is too short"))?;
        let object_bytes = object_bytes.unwrap_or_else(|| PatchHeader::stated_bytes(front));
        let header = PatchHeader::decode(front, object_bytes).map_err(|error| self.damaged(store, error))?;
        if (header.base, header.target) != (self.base, self.target) {
            return Err(self.damaged(store, "it is a patch between other images"));
        }
        Ok(header)
    }
}

impl Fetcher<'_> {
    /// Finds the patch. Returns `None` if there is none, or if the caller does not take it.
    pub(crate) fn find_patch(
        &self,
        request: &Request<'_>,
        dry_run: bool,
    ) -> Result<Option<(PatchHeader, FoundPatch)>, SyncError> {
        for cache in self.caches() {
            let Some(mut file) = cache.patch(&request.base, &request.target) else { continue };
            match open(&mut file) {
                Ok(header) if (header.base, header.target) == (request.base, request.target) => {
                    // A cached patch takes no bytes of the network.
                    if !(request.takes)(&header, 0) {
                        return Ok(None);
                    }
                    return Ok(Some((header, if dry_run { FoundPatch::Planned(0) } else { FoundPatch::Here(file) })));
                }
                _ => cache.remove_patch(&request.base, &request.target),
            }
        }
        let found = if dry_run { self.probe_patch(request) } else { self.fetch_patch(request) };
        match found {
            Err(SyncError::Store(error)) if error.is_not_found() || is_forbidden(&error) => Ok(None),
            other => other,
        }
    }

    /// Removes a patch from the caches because it did not yield what it should.
    pub(crate) fn forget_patch(&self, request: &Request<'_>) {
        for cache in self.caches() {
            cache.remove_patch(&request.base, &request.target);
        }
    }

    /// The location of a patch, for messages.
    pub(crate) fn patch_location(&self, name: &str) -> String {
        let store = self.patch_store().map(ReadStore::location).unwrap_or_default();
        format!("{store}/{name}")
    }

    /// Reads only the header of a patch, which is enough to tell its cost.
    fn probe_patch(&self, request: &Request<'_>) -> Result<Option<(PatchHeader, FoundPatch)>, SyncError> {
        let Some(store) = self.patch_store() else { return Ok(None) };
        self.network.block_on(async {
            let download = store.get(&request.name, Span::Range(0..HEADER_BYTES as u64)).await?;
            let object_bytes = download.object_bytes;
            let header = request.check(&download.bytes().await?, object_bytes, store)?;
            if !(request.takes)(&header, header.patch_bytes) {
                return Ok(None);
            }
            let rest = header.patch_bytes - HEADER_BYTES as u64;
            Ok(Some((header, FoundPatch::Planned(rest))))
        })
    }

    /// The store that is asked for patches. One is enough, since no run needs a patch.
    fn patch_store(&self) -> Option<&dyn ReadStore> {
        let number = self.stores.health.order(0).into_iter().next()?;
        Some(self.stores.stores.get(number)?.as_ref())
    }

    fn fetch_patch(&self, request: &Request<'_>) -> Result<Option<(PatchHeader, FoundPatch)>, SyncError> {
        let Some(store) = self.patch_store() else { return Ok(None) };
        // The cache that lasts is preferred to the one beside the output, which disappears with the finished output.
        let mut caches = self.cache.iter().chain(&self.side_cache).filter(|cache| cache.is_writable());
        let kept = caches.find_map(FrameCache::begin_patch);
        let in_scratch = || SyncError::io(request.scratch);
        let mut file = match &kept {
            Some(kept) => kept.file.try_clone().map_err(in_scratch())?,
            None => tempfile::tempfile_in(request.scratch).map_err(in_scratch())?,
        };
        if !self.network.block_on(self.download_patch(request, store, &mut file))? {
            return Ok(None);
        }
        file.rewind().map_err(in_scratch())?;
        let header = open(&mut file).map_err(|error| request.damaged(store, error))?;
        if let Some(kept) = kept {
            // A patch that cannot be kept is fetched again by the next run.
            let _ = kept.keep_patch(&request.base, &request.target);
        }
        Ok(Some((header, FoundPatch::Here(file))))
    }

    /// Downloads a patch into `file`, and continues after a broken connection. Returns `false` if the caller does not
    /// take it.
    async fn download_patch(
        &self,
        request: &Request<'_>,
        store: &dyn ReadStore,
        file: &mut File,
    ) -> Result<bool, SyncError> {
        let mut front = Vec::new();
        let (mut written, mut object_bytes) = (0, None);
        let mut last = None;
        for _ in 0..self.stores.rounds.max(1) + MORE_TRIES {
            let span = match object_bytes {
                Some(bytes) if written == bytes => return Ok(true),
                Some(bytes) if written > 0 => Span::Range(written..bytes),
                _ => Span::Whole,
            };
            let download = store.get(&request.name, span).await?;
            // The first response covers the whole object, so its end is the object's size.
            let bytes = *object_bytes.get_or_insert(download.range.end);
            if download.object_bytes.is_some_and(|found| found != bytes) {
                return Err(request.damaged(store, "it changed while it was read").into());
            }
            let Download { mut body, .. } = download;
            while let Some(piece) = body.next().await {
                let piece = match piece {
                    Ok(piece) => piece,
                    Err(error) if error.is_transient() => {
                        last = Some(error);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                if front.len() < HEADER_BYTES {
                    front.extend_from_slice(&piece[..piece.len().min(HEADER_BYTES - front.len())]);
                    if front.len() == HEADER_BYTES {
                        let header = request.check(&front, Some(bytes), store)?;
                        if !(request.takes)(&header, header.patch_bytes) {
                            return Ok(false);
                        }
                    }
                }
                file.write_all(&piece).map_err(SyncError::io(request.scratch))?;
                written += piece.len() as u64;
            }
        }
        match last {
            _ if object_bytes == Some(written) => Ok(true),
            Some(error) => Err(error.into()),
            None => Err(request.damaged(store, "its body ends early").into()),
        }
    }
}

/// The number of downloads that may be begun beyond `rounds`, since a connection may break in the middle of a body.
const MORE_TRIES: u32 = 3;

/// Whether a store refuses to hand out the object. Some hosts answer 403 for one that does not exist.
fn is_forbidden(error: &StoreError) -> bool {
    error.is_archived()
        || matches!(error, StoreError::Denied { status: 403, .. } | StoreError::Refused { status: 403, .. })
}
