//! Getting a patch: from a cache, or from a store, as far as whoever asks for it takes it.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use futures::stream::StreamExt;
use regrow_chunker::ChunkId;
use regrow_patch::{HEADER_BYTES, PatchHeader, open};
use regrow_store::{Download, ReadStore, Span, StoreError};

use super::cache::FrameCache;
use super::fetch::Fetcher;
use crate::SyncError;

/// The patch that is wanted.
pub(crate) struct Request<'a> {
    /// Its object.
    pub(crate) name: String,
    pub(crate) base: ChunkId,
    pub(crate) target: ChunkId,
    /// A folder for a patch that no cache keeps.
    pub(crate) scratch: &'a Path,
    /// Whether a patch with this header is taken, for which this many bytes would be fetched.
    pub(crate) takes: &'a (dyn Fn(&PatchHeader, u64) -> bool + Sync),
}

/// What was found.
pub(crate) enum Found {
    /// The patch, its checksum checked.
    Here(File),
    /// In a dry run: bytes that are to be fetched besides those that were read to know it.
    Planned(u64),
}

impl Request<'_> {
    fn damaged(&self, store: &dyn ReadStore, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged { object: format!("{}/{}", store.location(), self.name), reason: reason.to_string() }
    }

    /// Whether the front of an object is that of the patch that was asked for.
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
    /// The patch, if there is one and it is taken.
    pub(crate) fn find_patch(
        &self,
        request: &Request<'_>,
        dry_run: bool,
    ) -> Result<Option<(PatchHeader, Found)>, SyncError> {
        for cache in self.caches() {
            let Some(mut file) = cache.patch(&request.base, &request.target) else { continue };
            match open(&mut file) {
                Ok(header) if (header.base, header.target) == (request.base, request.target) => {
                    // Nothing comes over the wire for it.
                    if !(request.takes)(&header, 0) {
                        return Ok(None);
                    }
                    return Ok(Some((header, if dry_run { Found::Planned(0) } else { Found::Here(file) })));
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

    /// Drops a patch that did not yield what it should.
    pub(crate) fn forget_patch(&self, request: &Request<'_>) {
        for cache in self.caches() {
            cache.remove_patch(&request.base, &request.target);
        }
    }

    /// Where a patch lies, for people.
    pub(crate) fn patch_location(&self, name: &str) -> String {
        let store = self.patch_store().map(ReadStore::location).unwrap_or_default();
        format!("{store}/{name}")
    }

    /// Reads the front of the patch: what is needed to tell the cost.
    fn probe_patch(&self, request: &Request<'_>) -> Result<Option<(PatchHeader, Found)>, SyncError> {
        let Some(store) = self.patch_store() else { return Ok(None) };
        self.network.block_on(async {
            let download = store.get(&request.name, Span::Range(0..HEADER_BYTES as u64)).await?;
            let object_bytes = download.object_bytes;
            let header = request.check(&download.bytes().await?, object_bytes, store)?;
            if !(request.takes)(&header, header.patch_bytes) {
                return Ok(None);
            }
            let rest = header.patch_bytes - HEADER_BYTES as u64;
            Ok(Some((header, Found::Planned(rest))))
        })
    }

    /// The store that is asked: one is enough for what nobody needs.
    fn patch_store(&self) -> Option<&dyn ReadStore> {
        let number = self.stores.health.order(0).into_iter().next()?;
        Some(self.stores.stores.get(number)?.as_ref())
    }

    fn fetch_patch(&self, request: &Request<'_>) -> Result<Option<(PatchHeader, Found)>, SyncError> {
        let Some(store) = self.patch_store() else { return Ok(None) };
        // Rather where it stays than beside the output, which takes it along when it is done.
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
            // What cannot be kept is fetched again by the next run.
            let _ = kept.keep_patch(&request.base, &request.target);
        }
        Ok(Some((header, Found::Here(file))))
    }

    /// Writes a patch into `file`; goes on where a connection broke. `false` if it is not taken.
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
            // The first is of the whole object, whose end is known.
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

/// Tries beside those of a connection that fails at once.
const MORE_TRIES: u32 = 3;

/// 403 may mean that nothing is there.
fn is_forbidden(error: &StoreError) -> bool {
    error.is_archived()
        || matches!(error, StoreError::Denied { status: 403, .. } | StoreError::Refused { status: 403, .. })
}
