//! Getting a patch: from a cache, or from a store, if it costs less than the chunks.

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
    /// Records of the new image in segments that follow from no seed, and those that do not follow from the base: what the base
    /// lacks and other seeds have need not be fetched as chunks either.
    pub(crate) share: (u64, u64),
    /// What all of the new image's packs have: more than that no patch is worth.
    pub(crate) whole_bytes: u64,
    /// Bytes of both streams.
    pub(crate) image_bytes: u64,
    /// Room that the output will take besides.
    pub(crate) output_bytes: u64,
    pub(crate) scratch: &'a Path,
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

    /// What chunks would cost, in bytes. The patch says what they cost whoever has the base alone; other seeds make that less.
    fn chunk_bytes(&self, header: &PatchHeader) -> u64 {
        let (unknown, of_base) = self.share;
        let bytes = u128::from(header.chunk_cost.bytes) * u128::from(unknown) / u128::from(of_base.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.whole_bytes)
    }

    /// Whether the new chunks and the patch have room where they have to wait, beside what else is to be written there.
    fn has_room(&self, header: &PatchHeader) -> bool {
        let plain_bytes = header.chunk_cost.plain_bytes.min(self.image_bytes);
        let needed = plain_bytes.saturating_add(header.patch_bytes).saturating_add(self.output_bytes);
        free_bytes(self.scratch).is_none_or(|free| free > needed)
    }
}

/// Free room for this user on a folder's disk, where the system tells.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

impl Fetcher<'_> {
    /// The patch, if there is one and it is worth it.
    pub(crate) fn find_patch(
        &self,
        request: &Request<'_>,
        dry_run: bool,
    ) -> Result<Option<(PatchHeader, Found)>, SyncError> {
        for cache in self.caches() {
            let Some(mut file) = cache.patch(&request.base, &request.target) else { continue };
            match open(&mut file) {
                Ok(header) if (header.base, header.target) == (request.base, request.target) => {
                    if !self.is_room_for(request, &header) {
                        return Ok(None);
                    }
                    // Nothing comes over the wire for it.
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

    /// Whether a patch costs less than chunks, and has room.
    fn is_worth(&self, request: &Request<'_>, header: &PatchHeader) -> bool {
        header.patch_bytes < request.chunk_bytes(header) && self.is_room_for(request, header)
    }

    fn is_room_for(&self, request: &Request<'_>, header: &PatchHeader) -> bool {
        let has_room = request.has_room(header);
        if !has_room {
            let (patch, folder) = (self.patch_location(request), request.scratch.display());
            self.progress.warn(&format!("{patch}: no room for what it yields in {folder}; chunks are fetched instead"));
        }
        has_room
    }

    /// Drops a patch that did not yield what it should.
    pub(crate) fn forget_patch(&self, request: &Request<'_>) {
        for cache in self.caches() {
            cache.remove_patch(&request.base, &request.target);
        }
    }

    /// Where a patch lies, for people.
    pub(crate) fn patch_location(&self, request: &Request<'_>) -> String {
        let store = self.patch_store().map(ReadStore::location).unwrap_or_default();
        format!("{store}/{}", request.name)
    }

    /// Reads the front of the patch: what is needed to tell the cost.
    fn probe_patch(&self, request: &Request<'_>) -> Result<Option<(PatchHeader, Found)>, SyncError> {
        let Some(store) = self.patch_store() else { return Ok(None) };
        self.network.block_on(async {
            let download = store.get(&request.name, Span::Range(0..HEADER_BYTES as u64)).await?;
            let object_bytes = download.object_bytes;
            let header = request.check(&download.bytes().await?, object_bytes, store)?;
            if !self.is_worth(request, &header) {
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

    /// Writes a patch into `file`; goes on where a connection broke. `false` if chunks cost less.
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
                        if !self.is_worth(request, &header) {
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
