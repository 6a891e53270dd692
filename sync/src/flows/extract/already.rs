//! Checks whether the file at the output's place is the image already. An entry of the catalog is only a hint, because
//! a file can change while its times do not. A disk rots, for example, or a device is written beneath its file system.
//! So the file is read before it counts as the image.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use regrow_chunker::{BLOCK_BYTES, ImageDigest, block_value};
use regrow_local::{FileSeed, SeedContext, Seeds, spawn_scoped};

use crate::plan::store_seed::open_seed;
use crate::{Progress, Stage, SyncError};

/// The state of the file at the output's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Already {
    /// There is no file, or a different one, which serves as a seed.
    Different,
    /// The file is the image: this run has read it.
    Read,
    /// The file is the image: the catalog says so, and was trusted.
    Remembered,
}

/// Looks at the file at the output's place, if there is one, and adds it to the seeds. `wanted` is the digest and the
/// size of what it should be, if they are known. With `trusts_catalog`, an entry of the catalog is enough.
pub(super) fn look(
    path: Option<&Path>,
    wanted: Option<([u8; 32], u64)>,
    seeds: &mut Seeds,
    context: &SeedContext<'_>,
    trusts_catalog: bool,
) -> Result<Already, SyncError> {
    let Some(path) = path else { return Ok(Already::Different) };
    if let Err(error) = open_seed(seeds, path, context) {
        context.progress.warn(&format!("the old output cannot be used as a seed: {error}"));
        return Ok(Already::Different);
    }
    let is_wanted = |digest| wanted.is_some_and(|(wanted, _)| digest == Some(wanted));
    let Some((seed, wanted)) = seeds.seeds.last().filter(|seed| is_wanted(seed.digest())).zip(wanted) else {
        return Ok(Already::Different);
    };
    match seed.as_file() {
        Some(file) if file.was_read() => Ok(Already::Read),
        Some(_) if trusts_catalog => Ok(Already::Remembered),
        Some(file) if is_image(file, path, wanted, context.progress)? => Ok(Already::Read),
        _ => {
            context.progress.warn(&format!("{}: not what the catalog remembers; used as a seed", path.display()));
            Ok(Already::Different)
        }
    }
}

fn is_image(
    seed: &FileSeed,
    path: &Path,
    (wanted, wanted_bytes): ([u8; 32], u64),
    progress: &dyn Progress,
) -> Result<bool, SyncError> {
    let bytes = seed.file().metadata().map_err(SyncError::io(path))?.len();
    if bytes != wanted_bytes {
        return Ok(false);
    }
    progress.begin(Stage::Resume, Some(bytes));
    let digest = digest_of(seed.file(), bytes, &|read| progress.add(Stage::Resume, read));
    progress.end(Stage::Resume);
    Ok(digest.map_err(SyncError::io(path))? == wanted)
}

/// The BLAKE3 digest of a file's first `bytes`. All cores hash blocks side by side.
fn digest_of(file: &File, bytes: u64, on_read: &(dyn Fn(u64) + Sync)) -> std::io::Result<[u8; 32]> {
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let (next, values) = (AtomicU64::new(0), Mutex::new(vec![None; blocks as usize]));
    let work = || -> std::io::Result<()> {
        let mut buffer = vec![0; BLOCK_BYTES.min(bytes) as usize];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= blocks {
                return Ok(());
            }
            let at = index * BLOCK_BYTES;
            let block = &mut buffer[..BLOCK_BYTES.min(bytes - at) as usize];
            file.read_exact_at(block, at)?;
            let root = (index == 0).then(|| *blake3::hash(block).as_bytes());
            values.lock().unwrap_or_else(PoisonError::into_inner)[index as usize] =
                Some((block_value(index, block), root));
            on_read(block.len() as u64);
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from).min(blocks as usize);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores).filter_map(|_| spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let stopped = |_| Err(std::io::Error::other("a worker thread stopped"));
        others.into_iter().map(|other| other.join().unwrap_or_else(stopped)).fold(own, Result::and)
    })?;
    let mut digest = ImageDigest::default();
    for (value, root) in values.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten() {
        digest.push(value, || root.unwrap_or_default());
    }
    Ok(digest.finish())
}

#[cfg(test)]
mod tests {
    use regrow_catalog::{Catalog, SeedKey};
    use regrow_chunker::Params;
    use regrow_image::WalkRules;
    use regrow_local::{Pool, unfolding_rules};

    use super::*;
    use crate::{ExtractOptions, Location, MakeOptions, Network, NoProgress, Output, extract, make};

    #[test]
    fn digests_are_those_of_the_bytes() {
        let file = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; 3 * BLOCK_BYTES as usize + 5];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        file.write_all_at(&bytes, 0).unwrap();
        for len in [1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5] {
            let digest = digest_of(&file, len, &|_| ()).unwrap();
            assert_eq!(digest, *blake3::hash(&bytes[..len as usize]).as_bytes(), "{len}");
        }
        digest_of(&file, 4 * BLOCK_BYTES, &|_| ()).unwrap_err();
    }

    /// Makes a catalog that remembers the image for an output that has changed since, while its times stayed the same.
    #[test]
    fn what_the_catalog_remembers_is_not_taken_for_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut image = vec![0; 300_000];
        blake3::Hasher::new().finalize_xof().fill(&mut image);
        let mut network = Network::new(Default::default(), Default::default(), folder.path()).unwrap();
        let options = MakeOptions::new(path("store"), path("app.rgx"));
        make(&mut &image[..], Path::new("image"), None, &options, &mut network, &NoProgress).unwrap();
        let mut changed = image.clone();
        changed[100_000] ^= 1;
        let out = path("out");
        std::fs::write(&out, &changed).unwrap();
        let options = |trust_catalog| ExtractOptions {
            catalog: Some(Catalog::open(&path("catalog.sqlite"))),
            trust_catalog,
            ..ExtractOptions::default()
        };
        std::fs::write(path("image"), &image).unwrap();
        let (params, pool, on_scan) = (Params::default(), Pool::new(), &|| ());
        let (catalog, progress, scratch) = (None, &NoProgress, folder.path());
        let context = SeedContext {
            // The seeds of an opaque image are read as what they are.
            rules: WalkRules::V4,
            params,
            pool: &pool,
            catalog,
            progress,
            scratch,
            unfolds: true,
            on_scan,
        };
        let scan = FileSeed::open(&path("image"), &context).unwrap().scan().encode();
        let rules = unfolding_rules(WalkRules::V4, &params);
        let key = SeedKey::of_file(&out, &File::open(&out).unwrap(), &rules).unwrap();
        let key = SeedKey { observed_ns: i128::MAX, ..key };
        options(true).catalog.unwrap().put_seed(&key, &scan);
        let location = Location::Path(path("app.rgx"));
        let mut run = |trust_catalog| {
            let output = Output::File(out.clone());
            extract(&location, output, &options(trust_catalog), &mut network, &NoProgress).unwrap()
        };
        let report = run(true);
        assert!(!report.verified && report.chunks_resumed == report.chunks);
        assert!(std::fs::read(&out).unwrap() == changed);
        let report = run(false);
        assert!(report.verified && report.chunks_store > 0);
        assert!(std::fs::read(&out).unwrap() == image);
        assert!(run(false).verified);
    }
}
