//! Finds the files that the base has unchanged.

use std::collections::HashSet;
use std::sync::Arc;

use regrow_chunker::Digest;
use regrow_image::StreamKind;
use regrow_local::{LocalError, Ordered, Pool};

use crate::side::Side;

/// The approximate number of bytes that are hashed in one job.
const JOB_BYTES: u64 = 4 << 20;
/// A file of at least this many bytes is identified by the ids of its chunks, if no chunk holds other bytes too.
const KNOWN_BY_CHUNKS_BYTES: u64 = 1 << 20;
const JOBS_IN_FLIGHT: usize = 8;
/// The largest number of files with the same bytes that are all considered.
const MAX_SAME: usize = 64;

/// The first bytes of a file's hash. An image may have millions of files, and a patch that is wrong because two of them have
/// the same is not published.
type FileHash = [u8; 16];

/// For each file of the target, the file of the base that holds the same bytes.
pub(super) fn identical(base: &Arc<Side>, target: &Arc<Side>, pool: &Pool) -> Result<Vec<Option<u32>>, LocalError> {
    let sizes = |image: &Side| image.files().map(|file| file.bytes()).collect::<HashSet<_>>();
    let (base_sizes, target_sizes) = (sizes(base), sizes(target));
    let mut by_hash: Vec<(FileHash, u32)> = Vec::new();
    each_hash(base, &target_sizes, pool, |file, hash| by_hash.push((hash, file)))?;
    by_hash.sort_unstable();
    let mut found = vec![None; target.files().len()];
    let mut last = None;
    each_hash(target, &base_sizes, pool, |file, hash| {
        let best = best_of_same((base, target), file, &hash, last, &by_hash);
        found[file as usize] = best;
        last = best.map(|best| (file, best)).or(last);
    })?;
    Ok(found)
}

/// The best file of the base among those with this hash. `last` is the last pair of files that were the same, of the
/// target and of the base, and `by_hash` holds the base's files, sorted.
fn best_of_same(
    (base, target): (&Side, &Side),
    file: u32,
    hash: &FileHash,
    last: Option<(u32, u32)>,
    by_hash: &[(FileHash, u32)],
) -> Option<u32> {
    // The best is the file behind the last one, since then one copy covers both; then the file that is as far behind
    // as in the target. Files such as licences stand in an image hundreds of times, so these are looked up themselves.
    let behind = last.map_or([0, file], |(in_target, in_base)| [in_base + 1, in_base.saturating_add(file - in_target)]);
    if let Some(behind) = behind.into_iter().find(|&behind| by_hash.binary_search(&(*hash, behind)).is_ok()) {
        return Some(behind);
    }
    let first = by_hash.partition_point(|(known, _)| known < hash);
    let same = || by_hash[first..].iter().take_while(|(known, _)| known == hash).map(|(_, file)| *file).take(MAX_SAME);
    let path = target.name(&target.file(file)).path;
    let of_path = same().filter(|&candidate| base.name(&base.file(candidate)).path == path).last();
    of_path.or_else(|| same().last())
}

/// Passes on the hashes of the files that have one of these sizes, in order.
fn each_hash(
    image: &Arc<Side>,
    sizes: &HashSet<u64>,
    pool: &Pool,
    mut each: impl FnMut(u32, FileHash),
) -> Result<(), LocalError> {
    let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
    let mut take = |hashes: Hashes| hashes.map(|found| found.into_iter().for_each(|(file, hash)| each(file, hash)));
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    for (number, file) in (0u32..).zip(image.files()) {
        if !sizes.contains(&file.bytes()) {
            continue;
        }
        batch.push(number);
        batch_bytes += file.bytes();
        if batch_bytes >= JOB_BYTES {
            let (image, batch) = (Arc::clone(image), std::mem::take(&mut batch));
            jobs.push(pool.submit(move || hash_files(&image, &batch)));
            batch_bytes = 0;
            while let Some(done) = jobs.next_over_limit()? {
                take(done)?;
            }
        }
    }
    while let Some(done) = jobs.next()? {
        take(done)?;
    }
    take(hash_files(image, &batch))
}

type Hashes = Result<Vec<(u32, FileHash)>, LocalError>;

fn hash_files(image: &Side, files: &[u32]) -> Hashes {
    let hash = |number| hash_file(image, number).map(|hash| (number, shortened(&hash)));
    files.iter().copied().map(hash).collect::<std::io::Result<_>>().map_err(LocalError::io("image"))
}

fn shortened(hash: &Digest) -> FileHash {
    let mut short = FileHash::default();
    short.iter_mut().zip(hash.as_bytes()).for_each(|(short, byte)| *short = *byte);
    short
}

fn hash_file(image: &Side, number: u32) -> std::io::Result<Digest> {
    let file = &image.file(number);
    if file.bytes() >= KNOWN_BY_CHUNKS_BYTES
        && let Some(chunks) = own_chunks(image, &file.contents)
    {
        return Ok(chunks);
    }
    let mut hasher = blake3::Hasher::new();
    let stored = image.stored(file);
    let mut at = stored.start;
    while at < stored.end {
        let piece = image.read(at..stored.end.min(at + JOB_BYTES))?;
        at += piece.len() as u64;
        hasher.update(&piece);
    }
    Ok(Digest::of_hashed(&hasher))
}

/// The hash over the ids of a file's chunks, if those chunks hold nothing else.
fn own_chunks(image: &Side, contents: &std::ops::Range<u64>) -> Option<Digest> {
    let starts = image.chunk_starts(StreamKind::Contents);
    let first = starts.binary_search(&contents.start).ok()?;
    let end = match starts.binary_search(&contents.end) {
        Ok(end) => end,
        Err(end) if contents.end == image.contents_bytes() => end,
        Err(_) => return None,
    };
    let records = &image.records(StreamKind::Contents)[first..end];
    // Chunks that have bytes of joined files are not listed.
    let bytes = records.iter().map(|record| u64::from(record.len)).sum::<u64>();
    if bytes != contents.end - contents.start {
        return None;
    }
    let mut hasher = blake3::Hasher::new_derive_key("regrow 2026 file by its chunks");
    for record in records {
        hasher.update(record.id.as_bytes());
    }
    Some(Digest::of_hashed(&hasher))
}
