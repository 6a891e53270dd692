//! Writing of objects: in one request up to a moderate size, in parts above it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tempfile::NamedTempFile;

use super::failure::{Action, refusal};
use super::read::e_tag_of;
use super::refusal::Refusal;
use super::service::EXTRA;
use super::{BucketStore, Provider};
use crate::source::Source;
use crate::{Condition, Content, ObjectKind, PutOutcome, ReadStore, Span, StoreError, WriteStore, temporary_file};

/// The largest object in bytes that is put in one request.
const MAX_WHOLE_BYTES: u64 = 32 << 20;

/// The place of an object to put.
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) key: Key,
    /// The object's name for people.
    pub(super) object: String,
    pub(super) attributes: Attributes,
}

/// A host's answer to a request with a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Stored,
    /// The condition did not hold.
    Refused,
    /// The host knows no conditions.
    Unknown,
}

impl BucketStore {
    async fn put_content(
        &self,
        name: &str,
        content: Content,
        kind: ObjectKind,
        condition: Condition,
    ) -> Result<PutOutcome, StoreError> {
        let (key, object) = self.key(name)?;
        let target = Target { name, key, object, attributes: attributes(kind) };
        let source = Source::of(content)?;
        if source.bytes() > MAX_WHOLE_BYTES {
            return self.put_parts(&target, &source, &condition).await;
        }
        let bytes = source.read(0..source.bytes()).await?;
        self.put_whole(&target, &source, bytes, &condition).await
    }

    async fn put_whole(
        &self,
        target: &Target<'_>,
        source: &Source,
        bytes: Bytes,
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        let tries = AtomicU32::new(0);
        let answered = self.put_once(target, &bytes, self.mode(condition), &tries).await?;
        match answered {
            Answered::Stored => Ok(PutOutcome::Stored),
            Answered::Unknown => {
                self.put_once(target, &bytes, PutMode::Overwrite, &tries).await?;
                Ok(PutOutcome::Stored)
            }
            Answered::Refused => self.refused(target, source, condition, &tries).await,
        }
    }

    async fn put_once(
        &self,
        target: &Target<'_>,
        bytes: &Bytes,
        mode: PutMode,
        tries: &AtomicU32,
    ) -> Result<Answered, StoreError> {
        let options = PutOptions { mode, attributes: target.attributes.clone(), ..PutOptions::default() };
        let checksum = self.checksum(bytes).await?;
        self.retried(&target.object, Action::Write, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            let put = self.remote().put_opts(&target.key, bytes.clone().into(), options.clone());
            answered(EXTRA.scope(checksum.clone(), put).await.map(drop), options.mode != PutMode::Overwrite)
        })
        .await
    }

    fn mode(&self, condition: &Condition) -> PutMode {
        match condition {
            Condition::Always => PutMode::Overwrite,
            Condition::IfAbsent => PutMode::Create,
            Condition::IfVersion(version) => PutMode::Update(UpdateVersion {
                e_tag: Some(e_tag_of(version).to_owned()),
                version: version.split_once(' ').map(|(_, generation)| generation.to_owned()),
            }),
        }
    }

    /// The outcome if the condition did not hold. If this was a second try, the first one may itself have changed
    /// the object that is there.
    pub(super) async fn refused(
        &self,
        target: &Target<'_>,
        source: &Source,
        condition: &Condition,
        tries: &AtomicU32,
    ) -> Result<PutOutcome, StoreError> {
        let tried_before = tries.load(Ordering::Relaxed) > 1;
        if tried_before && matches!(condition, Condition::IfVersion(_)) && self.holds(target.name, source).await? {
            return Ok(PutOutcome::Stored);
        }
        Ok(PutOutcome::Refused)
    }

    /// Whether the object has exactly the bytes of `source`.
    async fn holds(&self, name: &str, source: &Source) -> Result<bool, StoreError> {
        self.policy.run(|| self.compare(name, source)).await
    }

    async fn compare(&self, name: &str, source: &Source) -> Result<bool, StoreError> {
        let mut download = match self.get(name, Span::Whole).await {
            Ok(download) if download.object_bytes == Some(source.bytes()) => download,
            Ok(_) => return Ok(false),
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut at = 0;
        while let Some(piece) = download.body.next().await {
            let piece = piece?;
            let end = at + piece.len() as u64;
            if source.read(at..end).await? != piece {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }

    async fn copy_within(&self, from: &BucketStore, name: &str) -> Result<bool, StoreError> {
        let ((source, _), (key, object)) = (from.key(name)?, self.key(name)?);
        if source == key {
            return Ok(true);
        }
        self.retried(&object, Action::Write, || async {
            match self.remote().copy(&source, &key).await {
                // The object is too large for one request, or of a kind that the host does not copy. So its bytes
                // go the long way.
                Err(error) if refusal(&error).is_some_and(is_beyond_copying) => Ok(false),
                answer => answer.map(|()| true),
            }
        })
        .await
    }
}

impl WriteStore for BucketStore {
    fn staging(&self) -> &Path {
        &self.options.staging
    }

    fn stage(&self, prefix: &str) -> std::io::Result<NamedTempFile> {
        let mut file = temporary_file(self.staging(), prefix)?;
        // The bytes that are sent are read from the handle.
        std::fs::remove_file(file.path())?;
        file.disable_cleanup(true);
        Ok(file)
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(self.put_content(name, content, kind, condition))
    }

    fn copy_from<'a>(
        &'a self,
        from: &'a dyn ReadStore,
        name: &'a str,
        _kind: ObjectKind,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            match from.backend().and_then(|backend| backend.downcast_ref::<Self>()) {
                // Azure copies after it has answered, so a copy may fail after it has been accepted.
                Some(from) if self.shares_bucket_with(from) && self.url.provider != Provider::Azure => {
                    self.copy_within(from, name).await
                }
                _ => Ok(false),
            }
        })
    }
}

fn attributes(kind: ObjectKind) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::CacheControl, kind.cache_control().into());
    attributes.insert(Attribute::ContentType, kind.content_type().into());
    attributes
}

/// The answer in the result of a request, with or without a condition.
pub(super) fn answered(result: object_store::Result<()>, is_conditional: bool) -> object_store::Result<Answered> {
    match result {
        Ok(()) => Ok(Answered::Stored),
        Err(error) if is_conditional => match refusal(&error).and_then(condition_failed) {
            Some(answered) => Ok(answered),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The answer in a refusal that concerns the condition; `None` if it has other reasons.
fn condition_failed(refusal: &Refusal) -> Option<Answered> {
    match (refusal.status, refusal.code.as_str()) {
        (412 | 304, _) | (409, "BlobAlreadyExists") | (404, "NoSuchKey") => Some(Answered::Refused),
        (501, _) | (_, "NotImplemented") => Some(Answered::Unknown),
        _ => None,
    }
}

fn is_beyond_copying(refusal: &Refusal) -> bool {
    refusal.status == 501 || matches!(refusal.code.as_str(), "EntityTooLarge" | "InvalidRequest" | "NotImplemented")
}
