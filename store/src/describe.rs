//! A store's description, and its packs: the same code for every backend.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use regrow_chunker::PackId;

use crate::layout::{STORE_FILE, STORE_VERSION, StoreDescription, pack_name, parse_pack_object};
use crate::pack::{PackError, PackTail, TRAILER_BYTES, Trailer};
use crate::{
    Condition, Content, Depth, Download, ListStore, ObjectInfo, ObjectKind, PutOutcome, ReadStore, Span, StoreError,
    WriteStore,
};

/// The largest description in bytes. A real one is a few numbers.
const MAX_DESCRIPTION_BYTES: u64 = 64 << 10;
/// The number of bytes that are read of a pack whose parts are not known. They usually contain its table.
const TAIL_GUESS_BYTES: u64 = 128 << 10;

/// Reads a small object as a whole. The result is `None` if the object is not there.
///
/// # Errors
/// [`StoreError::TooLarge`] above `max_bytes`, and the errors of [`ReadStore::get`].
pub async fn read_small(
    store: &(impl ReadStore + ?Sized),
    name: &str,
    max_bytes: u64,
) -> Result<Option<(Bytes, Option<String>)>, StoreError> {
    let download = match store.get(name, Span::Whole).await {
        Ok(download) => download,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let version = download.version.clone();
    Ok(Some((take_bounded(download, store.location(), name, max_bytes).await?, version)))
}

/// Reads the body of a download that must not be larger than `max_bytes`.
pub async fn take_bounded(download: Download, location: &str, name: &str, max_bytes: u64) -> Result<Bytes, StoreError> {
    // The download is of the whole object, so its range is all of it.
    if download.range.end > max_bytes {
        return Err(StoreError::TooLarge { object: format!("{location}/{name}"), max_bytes });
    }
    download.bytes().await
}

/// Reads `regrow.json`. The result is `None` if there is none, so that there is no store.
///
/// # Errors
/// [`StoreError::Damaged`] for a description that this version does not know, and the errors of [`ReadStore::get`].
pub async fn read_description(store: &(impl ReadStore + ?Sized)) -> Result<Option<StoreDescription>, StoreError> {
    let Some((text, _)) = read_small(store, STORE_FILE, MAX_DESCRIPTION_BYTES).await? else { return Ok(None) };
    let damaged = |reason: String| StoreError::Damaged { object: format!("{}/{STORE_FILE}", store.location()), reason };
    let found: StoreDescription = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if found.format != STORE_VERSION {
        let reason = format!("store of format version {}; this regrow reads version {STORE_VERSION}", found.format);
        return Err(damaged(reason));
    }
    Ok(Some(found))
}

/// Reads the store's description, and writes it first if there is none. The store must have the parameters
/// `wanted`. If they are `None`, any will do, and a new store gets `default`.
///
/// # Errors
/// [`StoreError::Parameters`] if the store has other parameters, and the errors of [`read_description`] and
/// [`WriteStore::put`].
pub async fn open_description<S: ReadStore + WriteStore + ?Sized>(
    store: &S,
    wanted: Option<StoreDescription>,
    default: StoreDescription,
) -> Result<StoreDescription, StoreError> {
    let found = match read_description(store).await? {
        Some(found) => found,
        None => write_description(store, wanted.unwrap_or(default)).await?,
    };
    if let Some(wanted) = wanted.filter(|wanted| !wanted.cuts_like(&found)) {
        return Err(StoreError::Parameters {
            store: store.location().to_owned(),
            found: found.chunk_avg,
            wanted: wanted.chunk_avg,
        });
    }
    Ok(found)
}

/// Writes `regrow.json` unless another maker was first, and returns the description that then is there.
async fn write_description<S: ReadStore + WriteStore + ?Sized>(
    store: &S,
    description: StoreDescription,
) -> Result<StoreDescription, StoreError> {
    let object = || format!("{}/{STORE_FILE}", store.location());
    let text = serde_json::to_vec(&description)
        .map_err(|error| StoreError::InvalidRequest { object: object(), reason: error.to_string() })?;
    let put = store.put(STORE_FILE, Content::Bytes(text.into()), ObjectKind::Description, Condition::IfAbsent);
    match put.await? {
        PutOutcome::Stored => Ok(description),
        PutOutcome::Refused => {
            let found = read_description(store).await?;
            found.ok_or_else(|| StoreError::NotFound { object: object(), status: None })
        }
    }
}

/// Lists the packs of a store, in no particular order.
pub fn list_packs<S: ListStore + ?Sized>(store: &S) -> BoxStream<'_, Result<(PackId, ObjectInfo), StoreError>> {
    let listed = store.list("packs", Depth::Tree);
    listed
        .filter_map(|info| async move {
            match info {
                Ok(info) => parse_pack_object(&info.name).map(|id| Ok((id, info))),
                Err(error) => Some(Err(error)),
            }
        })
        .boxed()
}

/// Reads the end of a pack of which only the name is known. This takes one request, or two if the tail is long.
///
/// # Errors
/// [`StoreError::Damaged`], and the errors of [`ReadStore::get`].
pub async fn read_tail(store: &(impl ReadStore + ?Sized), id: &PackId) -> Result<(Bytes, PackTail), StoreError> {
    read_end(store, id, Span::Suffix(TAIL_GUESS_BYTES)).await
}

/// Reads the end of a pack of this many bytes. Unlike [`read_tail`] it asks for the bytes by their offset, since
/// many hosts do not serve the end of an object.
///
/// # Errors
/// [`StoreError::Damaged`], and the errors of [`ReadStore::get`].
pub async fn read_tail_of(
    store: &(impl ReadStore + ?Sized),
    id: &PackId,
    bytes: u64,
) -> Result<(Bytes, PackTail), StoreError> {
    let object = || format!("{}/{}", store.location(), pack_name(id));
    if bytes < TRAILER_BYTES {
        return Err(StoreError::Damaged { object: object(), reason: PackError::NotAPack.to_string() });
    }
    read_end(store, id, Span::Range(bytes.saturating_sub(TAIL_GUESS_BYTES)..bytes)).await
}

async fn read_end(store: &(impl ReadStore + ?Sized), id: &PackId, span: Span) -> Result<(Bytes, PackTail), StoreError> {
    let name = pack_name(id);
    let failed = |reason: String| StoreError::Damaged { object: format!("{}/{name}", store.location()), reason };
    let damaged = |error: PackError| failed(error.to_string());
    let end = store.get(&name, span).await?;
    let (start, bytes) = (end.range.start, end.range.end);
    if let Some(found) = end.object_bytes.filter(|&found| found != bytes) {
        return Err(failed(format!("it has {found} bytes, not {bytes}")));
    }
    let end = end.bytes().await?;
    let trailer_at = end.len().checked_sub(TRAILER_BYTES as usize).ok_or_else(|| damaged(PackError::NotAPack))?;
    let trailer = Trailer::decode(&end[trailer_at..], bytes).map_err(damaged)?;
    let tail = if trailer.tail_at >= start {
        // The offset is within the bytes that were read, so it fits a usize. The tail is copied, since a part of those
        // bytes would keep all of them in memory as long as somebody has the tail, and there may be thousands.
        Bytes::copy_from_slice(&end[(trailer.tail_at - start) as usize..])
    } else {
        // This is bounded: the trailer's check allows 64 MiB at most.
        let missing = store.get(&name, Span::Range(trailer.tail_at..start)).await?.bytes().await?;
        [missing, end].concat().into()
    };
    let decoded = PackTail::decode(&tail, bytes).map_err(damaged)?;
    Ok((tail, decoded))
}
