//! The BLAKE3 digest of a file, and nothing else of it. All cores read and hash side by side.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use blake3::hazmat::{ChainingValue, HasherExt};
use regrow_chunker::{BLOCK_BYTES, ImageDigest};

use crate::pool::spawn_scoped;
use crate::progress::check_time;
use crate::{LocalError, Progress, Stage};

/// The bytes that are read at a time. They are hashed while they are in the cache of the core that read them.
const READ_BYTES: u64 = 256 << 10;

/// The BLAKE3 digest of a file's first `bytes`.
///
/// # Errors
/// The file cannot be read or is shorter, or the time is over.
pub fn file_digest(
    (file, path): (&File, &Path),
    bytes: u64,
    (stage, progress): (Stage, &dyn Progress),
) -> Result<[u8; 32], LocalError> {
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let (next, values) = (AtomicU64::new(0), Mutex::new(vec![None; blocks as usize]));
    let work = || {
        let mut buffer = vec![0; READ_BYTES.min(bytes) as usize];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= blocks {
                return Ok(());
            }
            check_time(progress)?;
            let hash = hash_block(file, (index, bytes), &mut buffer).map_err(LocalError::io(path))?;
            values.lock().unwrap_or_else(PoisonError::into_inner)[index as usize] = Some(hash);
            progress.add(stage, BLOCK_BYTES.min(bytes - index * BLOCK_BYTES));
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from).min(blocks as usize);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores).filter_map(|_| spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let ended = others.into_iter().map(|other| other.join().unwrap_or(Err(LocalError::Worker)));
        ended.fold(own, Result::and)
    })?;
    let mut digest = ImageDigest::default();
    for (value, root) in values.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten() {
        digest.push(value, || root.unwrap_or_default());
    }
    Ok(digest.finish())
}

/// Hashes a block of a file of this many bytes. If it is the only block, its plain hash is given too.
fn hash_block(
    file: &File,
    (index, bytes): (u64, u64),
    buffer: &mut [u8],
) -> std::io::Result<(ChainingValue, Option<[u8; 32]>)> {
    let (mut at, end) = (index * BLOCK_BYTES, bytes.min((index + 1) * BLOCK_BYTES));
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(at);
    while at < end {
        let piece = &mut buffer[..READ_BYTES.min(end - at) as usize];
        file.read_exact_at(piece, at)?;
        hasher.update(piece);
        at += piece.len() as u64;
    }
    let root = (end == bytes && index == 0).then(|| *hasher.finalize().as_bytes());
    Ok((hasher.finalize_non_root(), root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoProgress;

    #[test]
    fn digests_are_those_of_the_bytes() {
        let file = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; 3 * BLOCK_BYTES as usize + 5];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        file.write_all_at(&bytes, 0).unwrap();
        let digest = |len| file_digest((&file, Path::new("file")), len, (Stage::Verify, &NoProgress));
        for len in [0, 1, READ_BYTES + 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5] {
            assert_eq!(digest(len).unwrap(), *blake3::hash(&bytes[..len as usize]).as_bytes(), "{len}");
        }
        digest(4 * BLOCK_BYTES).unwrap_err();
    }
}
