//! Uploads of large objects in parts, each of which can be sent again. The object appears when the last request
//! completes it.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::stream::{self, StreamExt, TryStreamExt};
use http::{HeaderName, HeaderValue, header};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartId, ObjectStoreExt, PutMultipartOptions};

use super::BucketStore;
use super::failure::Action;
use super::read::e_tag_of;
use super::service::EXTRA;
use super::write::{Answered, Target, answered};
use crate::source::Source;
use crate::{BucketProblem, Condition, PutOutcome, StoreError};

/// The size of a part in bytes, unless there would be more than [`MAX_PARTS`].
const PART_BYTES: u64 = 16 << 20;
/// The most parts that an object may have, which is S3's limit.
const MAX_PARTS: u64 = 10_000;
/// The number of parts that are under way, and in memory, at a time.
const PARTS_AT_ONCE: usize = 4;

impl BucketStore {
    pub(super) async fn put_parts(
        &self,
        target: &Target<'_>,
        source: &Source,
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        // The completion is conditional too. This look saves sending the bytes if it is clear that they will be
        // refused.
        if !self.might_hold(target, condition).await? {
            return Ok(PutOutcome::Refused);
        }
        let options = PutMultipartOptions { attributes: target.attributes.clone(), ..PutMultipartOptions::default() };
        let begin = || MultipartStore::create_multipart_opts(self.remote(), &target.key, options.clone());
        let id = self.retried(&target.object, Action::Write, begin).await?;
        let outcome = self.put_upload(target, source, condition, &id).await;
        if !matches!(outcome, Ok(PutOutcome::Stored)) {
            // This is best effort: the rest of an upload costs money, but does no harm.
            let abort = || MultipartStore::abort_multipart(self.remote(), &target.key, &id);
            let _ = self.once(&target.object, Action::Write, abort).await;
        }
        outcome
    }

    async fn put_upload(
        &self,
        target: &Target<'_>,
        source: &Source,
        condition: &Condition,
        id: &MultipartId,
    ) -> Result<PutOutcome, StoreError> {
        let parts: Vec<_> = ranges(source.bytes())
            .enumerate()
            .map(|(number, range)| self.put_part(target, source, id, number, range))
            .collect();
        let parts: Vec<_> = stream::iter(parts).buffered(PARTS_AT_ONCE).try_collect().await?;
        let tries = AtomicU32::new(0);
        let outcome = match self.complete(target, id, &parts, condition_header(condition), &tries).await {
            Ok(Answered::Stored) => PutOutcome::Stored,
            Ok(Answered::Refused) => return self.refused(target, source, condition, &tries).await,
            Ok(Answered::Unknown) => {
                self.complete(target, id, &parts, None, &tries).await?;
                PutOutcome::Stored
            }
            // The answer to the first try was lost, and the upload no longer exists. The object that is there
            // decides.
            Err(error) if error.is_not_found() && tries.load(Ordering::Relaxed) > 1 => PutOutcome::Stored,
            Err(error) => return Err(error),
        };
        self.check_size(target, source.bytes()).await?;
        Ok(outcome)
    }

    async fn put_part(
        &self,
        target: &Target<'_>,
        source: &Source,
        id: &MultipartId,
        number: usize,
        range: Range<u64>,
    ) -> Result<PartId, StoreError> {
        let bytes = source.read(range).await?;
        let checksum = self.checksum(&bytes).await?;
        let send = || {
            let sent = MultipartStore::put_part(self.remote(), &target.key, id, number, bytes.clone().into());
            EXTRA.scope(checksum.clone(), sent)
        };
        self.retried(&target.object, Action::Write, send).await
    }

    async fn complete(
        &self,
        target: &Target<'_>,
        id: &MultipartId,
        parts: &[PartId],
        condition: Option<(HeaderName, HeaderValue)>,
        tries: &AtomicU32,
    ) -> Result<Answered, StoreError> {
        self.retried(&target.object, Action::Write, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            let complete = MultipartStore::complete_multipart(self.remote(), &target.key, id, parts.to_vec());
            let completed = EXTRA.scope(condition.clone(), complete).await;
            answered(completed.map(drop), condition.is_some())
        })
        .await
    }

    /// Whether the condition holds, as far as one can see now.
    async fn might_hold(&self, target: &Target<'_>, condition: &Condition) -> Result<bool, StoreError> {
        if *condition == Condition::Always {
            return Ok(true);
        }
        match self.retried(&target.object, Action::Read, || self.remote().head(&target.key)).await {
            Ok(meta) => Ok(match condition {
                Condition::IfVersion(version) => self.version_of(&meta).as_ref() == Some(version),
                _ => false,
            }),
            Err(error) if error.is_not_found() => Ok(*condition == Condition::IfAbsent),
            // A user that may only write cannot look, so the host decides.
            Err(error) if is_denied(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Checks that the object has the size of the upload, if the user may look.
    async fn check_size(&self, target: &Target<'_>, bytes: u64) -> Result<(), StoreError> {
        let meta = match self.retried(&target.object, Action::Read, || self.remote().head(&target.key)).await {
            Ok(meta) if meta.size == bytes => return Ok(()),
            Ok(meta) => meta,
            Err(error) if is_denied(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let reason = format!("{bytes} bytes were sent, but the object has {}", meta.size);
        Err(StoreError::Protocol { object: target.object.clone(), reason })
    }
}

fn is_denied(error: &StoreError) -> bool {
    matches!(error, StoreError::Bucket { problem: BucketProblem::Denied, .. })
}

/// The header for the condition of a completion. Hosts that do not know it ignore it, or say so.
fn condition_header(condition: &Condition) -> Option<(HeaderName, HeaderValue)> {
    match condition {
        Condition::Always => None,
        Condition::IfAbsent => Some((header::IF_NONE_MATCH, HeaderValue::from_static("*"))),
        Condition::IfVersion(version) => Some((header::IF_MATCH, HeaderValue::from_str(e_tag_of(version)).ok()?)),
    }
}

/// The ranges of the parts of this many bytes.
fn ranges(bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let part = PART_BYTES.max(bytes.div_ceil(MAX_PARTS));
    (0..bytes.div_ceil(part)).map(move |number| number * part..bytes.min((number + 1) * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once() {
        for bytes in [1, PART_BYTES, PART_BYTES + 1, 5 * PART_BYTES - 1, MAX_PARTS * PART_BYTES + 1] {
            let parts: Vec<_> = ranges(bytes).collect();
            assert!(parts.len() as u64 <= MAX_PARTS);
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, bytes));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[1].is_empty()));
        }
    }
}
