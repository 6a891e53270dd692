//! Reading of objects.

use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStoreExt};

use super::failure::{Action, broken, refusal};
use super::{BucketStore, Provider};
use crate::{ByteStream, Download, ReadStore, Span, StoreError};

/// The longest suffix that is asked for. Larger numbers are beyond what some hosts can count.
const MAX_SUFFIX_BYTES: u64 = 1 << 50;

impl BucketStore {
    async fn read(&self, name: &str, span: &Span) -> Result<Download, StoreError> {
        let (key, object) = self.key(name)?;
        span.check(&object)?;
        if let (Provider::Azure, Span::Suffix(bytes)) = (self.url.provider, span) {
            return self.read_end(&key, &object, *bytes).await;
        }
        let options = GetOptions { range: range_of(span), ..GetOptions::default() };
        match self.fetch(&key, &object, options).await {
            Ok(Some(found)) => self.download(found, span, object),
            // This is the end of an object without bytes, or a range beyond the end.
            Ok(None) => self.read_nothing(&key, &object, span).await,
            Err(error) => Err(error),
        }
    }

    /// Fetches a range. The result is `None` if the host finds none of the range in the object.
    async fn fetch(&self, key: &Key, object: &str, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        self.once(object, Action::Read, || async {
            match self.remote().get_opts(key, options.clone()).await {
                Err(error) if refusal(&error).is_some_and(|refusal| refusal.status == 416) => Ok(None),
                answer => answer.map(Some),
            }
        })
        .await
    }

    async fn read_nothing(&self, key: &Key, object: &str, span: &Span) -> Result<Download, StoreError> {
        let meta = self.once(object, Action::Read, || self.remote().head(key)).await?;
        if meta.size > 0 || !matches!(span, Span::Front(_) | Span::Suffix(_)) {
            return Err(too_short(object, meta.size));
        }
        Ok(Download {
            range: 0..0,
            object_bytes: Some(0),
            version: self.version_of(&meta),
            body: Box::pin(stream::empty()),
        })
    }

    /// Reads the end of an object at a host that knows only ranges from the start.
    async fn read_end(&self, key: &Key, object: &str, bytes: u64) -> Result<Download, StoreError> {
        let meta = self.once(object, Action::Read, || self.remote().head(key)).await?;
        let range = meta.size.saturating_sub(bytes)..meta.size;
        if range.is_empty() {
            let version = self.version_of(&meta);
            return Ok(Download { range, object_bytes: Some(0), version, body: Box::pin(stream::empty()) });
        }
        let span = Span::Range(range);
        let options = GetOptions { range: range_of(&span), if_match: meta.e_tag, ..GetOptions::default() };
        match self.fetch(key, object, options).await? {
            Some(found) => self.download(found, &span, object.to_owned()),
            None => Err(too_short(object, meta.size)),
        }
    }

    fn download(&self, found: GetResult, span: &Span, object: String) -> Result<Download, StoreError> {
        let (range, object_bytes, version) = (found.range.clone(), found.meta.size, self.version_of(&found.meta));
        if span.within(object_bytes).as_ref() != Some(&range) {
            return Err(too_short(&object, object_bytes));
        }
        let named = object.clone();
        let pieces = found.into_stream().map(move |piece| piece.map_err(|error| broken(&named, &error)));
        let body = exactly(pieces.boxed(), range.clone(), object);
        Ok(Download { body, range, object_bytes: Some(object_bytes), version })
    }

    async fn read_unless(&self, name: &str, span: &Span, version: &str) -> Result<Option<Download>, StoreError> {
        let (key, object) = self.key(name)?;
        span.check(&object)?;
        let if_none_match = Some(e_tag_of(version).to_owned());
        let options = GetOptions { range: range_of(span), if_none_match, ..GetOptions::default() };
        let found = self
            .once(&object, Action::Read, || async {
                match self.remote().get_opts(&key, options.clone()).await {
                    Err(error) if refusal(&error).is_some_and(|refusal| refusal.status == 304) => Ok(None),
                    answer => answer.map(Some),
                }
            })
            .await?;
        match found {
            // A host that ignores the condition sends the bytes. If the object has not changed, they are dropped here.
            Some(found) if self.version_of(&found.meta).as_deref() == Some(version) => Ok(None),
            Some(found) => self.download(found, span, object).map(Some),
            None => Ok(None),
        }
    }
}

impl BucketStore {
    /// The version that tells this state of an object from others. Google reads by the `ETag` but replaces by the
    /// generation, so there the version is both.
    pub(super) fn version_of(&self, meta: &ObjectMeta) -> Option<String> {
        let e_tag = meta.e_tag.clone()?;
        match (self.url.provider, &meta.version) {
            (Provider::Gcs, Some(generation)) => Some(format!("{e_tag} {generation}")),
            _ => Some(e_tag),
        }
    }
}

/// The `ETag` within a version.
pub(super) fn e_tag_of(version: &str) -> &str {
    version.split_once(' ').map_or(version, |(e_tag, _)| e_tag)
}

impl ReadStore for BucketStore {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(async move { self.read(name, &span).await })
    }

    fn get_unless<'a>(
        &'a self,
        name: &'a str,
        span: Span,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(async move { self.read_unless(name, &span, version).await })
    }

    fn backend(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn location(&self) -> &str {
        &self.shown
    }
}

fn range_of(span: &Span) -> Option<GetRange> {
    match span {
        Span::Whole => None,
        Span::Range(range) => Some(GetRange::Bounded(range.clone())),
        Span::Front(bytes) => Some(GetRange::Bounded(0..*bytes)),
        Span::Suffix(bytes) => Some(GetRange::Suffix((*bytes).min(MAX_SUFFIX_BYTES))),
    }
}

fn too_short(object: &str, object_bytes: u64) -> StoreError {
    StoreError::Short { object: object.to_owned(), object_bytes }
}

/// The pieces of a body, held to its promised length.
fn exactly(pieces: BoxStream<'static, Result<Bytes, StoreError>>, range: Range<u64>, object: String) -> ByteStream {
    let start = (pieces, range.end - range.start, object);
    Box::pin(stream::try_unfold(start, |(mut pieces, left, object)| async move {
        let reason = match pieces.next().await.transpose()? {
            Some(piece) if piece.len() as u64 <= left => {
                let left = left - piece.len() as u64;
                return Ok(Some((piece, (pieces, left, object))));
            }
            Some(_) => "the body is longer than promised".to_owned(),
            None if left == 0 => return Ok(None),
            None => format!("the body ended {left} bytes early"),
        };
        Err(StoreError::Protocol { object, reason })
    }))
}
