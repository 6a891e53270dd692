//! Checks whether the file at the output's place is the image already. An entry of the catalog is only a hint, because
//! a file can change while its times do not. A disk rots, for example, or a device is written beneath its file system.
//! So the file is read before it counts as the image.

use std::path::Path;

use regrow_local::{FileSeed, SeedContext, Seeds, file_digest};

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
    let digest = file_digest((seed.file(), path), bytes, (Stage::Resume, progress));
    progress.end(Stage::Resume);
    Ok(digest? == wanted)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use regrow_catalog::{Catalog, SeedKey};
    use regrow_chunker::Params;
    use regrow_image::WalkRules;
    use regrow_local::{Pool, unfolding_rules};

    use super::*;
    use crate::{ExtractOptions, Location, MakeOptions, Network, NoProgress, Output, extract, make};

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
